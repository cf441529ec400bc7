import csv
import json
import shlex
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest
import torch

from benchmarks.ablate import READINGS, READINGS_OF_FULL, VARIANTS, _least_used, ablate, fewer, main, parser
from hvqlib.config import Config
from hvqlib.course.results import COLUMNS, read_rows
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out
from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import METRICS
from hvqlib.features.extraction import features_of_images
from hvqlib.training.train import train

ROOT = Path(__file__).resolve().parents[2]


def test_a_row_for_each_run_and_reading_with_all_that_repeats_it(small_data, small_config, tmp_path):
    out = tmp_path / "a.csv"
    asked = (small_data, out, ["full", "nearest neighbour"])
    assert ablate(*asked, [0], [12], base=small_config) == 2
    rows = read_rows(out)
    expected = ["full", *READINGS, *READINGS_OF_FULL, "inferred class"]
    assert [row["variant"] for row in rows if row["steps"] == "12"] == expected
    knn = next(row for row in rows if row["variant"] == "nearest neighbour")
    assert (knn["steps"], knn["usage"], knn["perplexity"]) == ("1", "", "")
    for row in rows:
        assert all(row[name] for name in ("data", "cpu_seconds", "memory_mb", "machine", "torch", "hvqlib", "date"))
        classes = json.loads(row["classes"])
        assert set(classes) == {"cloth", "stone"}
        for metric in METRICS:  # the mean is that of the classes that have it
            values = [c[metric] for c in classes.values() if c[metric] is not None]
            assert abs(float(row[metric]) - sum(values) / len(values)) < 1e-4
        if row["variant"] in ("full", "nearest neighbour"):
            for name, (good, defective) in json.loads(row["scores"]).items():  # the AUROC by hand, from pairs
                won = [(g < d) + (g == d) / 2 for g in good for d in defective]
                assert abs(sum(won) / len(won) - classes[name]["image_auroc"]) < 1e-4
        else:
            assert row["scores"] == ""
        assert float(row["memory_mb"]) > 50
        words = shlex.split(row["command"])
        assert words[:3] == ["python", "-m", "benchmarks.ablate"]
        options = parser().parse_args(words[3:])
        assert options.data == small_data and (options.seeds, options.steps) == ("0", row["steps"])
        assert options.variants == ("full" if row["steps"] == "12" else "nearest neighbour")

    # From fewer images, at equal distances.
    assert ablate(small_data, out, ["nearest neighbour"], [0], [12], base=small_config, readings=False, images=5) == 1
    row = read_rows(out)[-1]
    assert row["variant"] == "nearest neighbour from 5 images" and row["command"].endswith(" --no-readings --images 5")
    dataset = load_dataset(small_data)
    some = list(fewer(dataset.train, 5))
    assert [sum(sample.class_name == name for sample in some) for name in dataset.classes] == [5, 5]
    assert list(fewer(dataset.train, 10**6)) == list(dataset.train)

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
        features = detector.standardize(features_of_images(detector.backbone, [sample.path]))
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
    command = ["--data", str(small_data), "--out", str(tmp_path / "c.csv")]
    for wrong in (["--seeds", "zero"], ["--steps", "9,"], ["--workers", "0"], ["--variants", "magic"], ["--fly"]):
        assert main([*command, *wrong]) == 2
    assert main([]) == 2
    assert main(["--data", "nowhere", "--out", str(tmp_path / "c.csv"), "--variants", "full"]) == 2
    printed = capsys.readouterr()
    told = printed.err.splitlines()
    assert len(told) == 7 and all(line.startswith("benchmarks.ablate: ") and line.endswith(".") for line in told)
    assert printed.out == "" and not (tmp_path / "c.csv").exists()


def test_a_place_that_cannot_be_written_to_is_no_fault_of_the_input(small_data, tmp_path, capsys):
    (tmp_path / "file").touch()
    command = ["--data", str(small_data), "--variants", "nearest neighbour", "--seeds", "0"]
    out = tmp_path / "file" / "a.csv"
    assert main([*command, "--out", str(out), "--cache", str(tmp_path / "cache")]) == 1
    told = capsys.readouterr().err.splitlines()
    assert told[-1].startswith("benchmarks.ablate: ") and "Traceback" not in "".join(told)


def test_the_command_itself(small_data, tmp_path):
    done = subprocess.run([sys.executable, "-m", "benchmarks.ablate", "--data", str(small_data), "--seeds", "x"],
                          cwd=ROOT, capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 2 and done.stderr.startswith("benchmarks.ablate: --seeds is x"), done.stderr


def test_every_option_is_explained():
    options = parser()._actions
    assert len(options) == 11 and all(action.help for action in options)


def test_the_csv_opens_as_one(small_data, small_config, tmp_path):
    ablate(small_data, tmp_path / "a.csv", ["nearest neighbour"], [0], base=small_config)
    with (tmp_path / "a.csv").open(newline="") as file:
        head, *rows = csv.reader(file)
    assert tuple(head) == COLUMNS and len(rows) == 1 + len(READINGS)
    assert all(len(row) == len(COLUMNS) for row in rows)


def test_every_variant_is_a_configuration():
    assert not any("," in name for name in VARIANTS)  # the option --variants has commas between names
    made = {name: Config(**changes) for name, changes in VARIANTS.items()}
    assert made["full"] == Config() and len(set(map(repr, made.values()))) == len(made)
