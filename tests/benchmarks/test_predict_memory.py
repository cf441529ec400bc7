"""As many images as are asked for, and a row for each number of them and each detector; the command stands in."""

import csv

from benchmarks import predict_memory
from benchmarks.predict_memory import FIELDS, copies, main
from hvqlib.data.images import read_image
from hvqlib.data.listing import images


def test_images_are_copied_under_other_names(small_data, tmp_path):
    sources = images(small_data / "cloth" / "train")
    found = images(copies(sources, 20, tmp_path / "copies"))
    assert len(found) == 20 and len({path.read_bytes() for path in found}) == len(sources) == 8
    for i, path in enumerate(found):
        assert (read_image(path) == read_image(sources[i % 8])).all()


def test_a_row_for_each_number_and_each_detector(small_data, tmp_path, monkeypatch):
    ran = []

    def cost(command, threads):
        out, photographs = command[-2:]
        copied = copies([], 0, tmp_path / out)  # the command makes this folder
        ran.append((command[3:6], len(images(tmp_path / photographs)), threads, copied))
        return 700.4 + len(ran), 2.04

    monkeypatch.setattr(predict_memory, "cost", cost)
    monkeypatch.setattr(predict_memory, "DATA", small_data)
    out = tmp_path / "memory.csv"
    main(["--run", "runs/x", "--model", "m/model.onnx", "--images", "3", "40", "--csv", str(out), "--note", "busy"])
    assert [one[:3] for one in ran] == [
        (["predict", *detector], number, 1)
        for number in (3, 40)
        for detector in (["--run", "runs/x"], ["--model", "m/model.onnx"])
    ]
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == FIELDS
    assert [(row["judged_by"], row["images"], row["peak_mb"], row["seconds"]) for row in rows] == [
        ("hvq predict --run", "3", "701", "2.0"),
        ("hvq predict --model", "3", "702", "2.0"),
        ("hvq predict --run", "40", "703", "2.0"),
        ("hvq predict --model", "40", "704", "2.0"),
    ]
    assert all(row["machine"].endswith(", busy") and row["command"].endswith("--images 3 40") for row in rows)
    assert not any(folder.exists() for *_, folder in ran)
