import csv
import json
from collections import defaultdict

import pytest
import torch

from benchmarks.ablate import READINGS, _least_used, ablate
from hvqlib.cli import main
from hvqlib.course.results import COLUMNS, read_rows
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import METRICS
from hvqlib.features.extraction import extract_features
from hvqlib.training.train import held_out, train


def test_a_row_for_each_run_and_reading_with_all_that_repeats_it(small_data, small_config, tmp_path):
    out = tmp_path / "a.csv"
    asked = (small_data, out, ["full", "nearest neighbour"])
    assert ablate(*asked, [0], [12], base=small_config) == 2
    rows = read_rows(out)
    assert [row["variant"] for row in rows if row["steps"] == "12"] == ["full", *READINGS]
    knn = next(row for row in rows if row["variant"] == "nearest neighbour")
    assert (knn["steps"], knn["usage"], knn["perplexity"]) == ("1", "", "")
    for row in rows:
        assert all(row[name] for name in ("data", "cpu_seconds", "memory_mb", "machine", "torch", "hvqlib", "date"))
        classes = json.loads(row["classes"])
        assert set(classes) == {"cloth", "stone"}
        for metric in METRICS:  # the mean is that of the classes that have it
            values = [c[metric] for c in classes.values() if c[metric] is not None]
            assert abs(float(row[metric]) - sum(values) / len(values)) < 1e-4
        assert f'--variants "{"full" if row["steps"] == "12" else row["variant"]}" --seeds 0' in row["command"]

    # What is there is not computed again, and a new seed is added below.
    before = out.read_bytes()
    assert ablate(*asked, [0], [12], base=small_config) == 0
    assert out.read_bytes() == before
    assert ablate(small_data, out, ["no hierarchy"], [0, 1], [12], workers=2, base=small_config) == 2
    assert out.read_bytes().startswith(before)
    assert {row["seed"] for row in read_rows(out) if row["variant"] == "no hierarchy"} == {"0", "1"}


def test_the_least_used_codebook_is_found(small_data, small_config, tmp_path):
    dataset = load_dataset(small_data)
    detector = Detector.load(train(small_config, dataset, tmp_path / "run", progress=False))
    held = held_out(torch.tensor([sample.class_id for sample in dataset.train]), small_config.holdout, 0)
    chosen = defaultdict(set)
    for sample in [sample for sample, kept in zip(dataset.train, held, strict=True) if not kept]:
        features = detector.standardize(extract_features(detector.backbone, [sample.path], None))
        for level, ids in enumerate(detector.model(features, torch.tensor([sample.class_id])).code_ids[0]):
            chosen[level, sample.class_id] |= set(ids.tolist())
    assert len(chosen) == 3 * 2
    assert _least_used(detector, dataset, None) == pytest.approx(min(map(len, chosen.values())) / small_config.codes)


def test_bad_input_gets_a_sentence(small_data, tmp_path, capsys):
    with pytest.raises(InputError, match="No variant magic: choose from full,"):
        ablate(small_data, tmp_path / "a.csv", ["magic"])
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="other columns"):
        ablate(small_data, tmp_path / "b.csv", ["full"])
    command = ["ablate", "--data", str(small_data), "--out", str(tmp_path / "c.csv")]
    assert main([*command, "--seeds", "zero"]) == 2
    assert main([*command, "--steps", "9,"]) == 2
    assert main([*command, "--workers", "0"]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_the_csv_opens_as_one(small_data, small_config, tmp_path):
    ablate(small_data, tmp_path / "a.csv", ["nearest neighbour"], [0], base=small_config)
    with (tmp_path / "a.csv").open(newline="") as file:
        head, row = csv.reader(file)
    assert tuple(head) == COLUMNS and len(row) == len(COLUMNS)
