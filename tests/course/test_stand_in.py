from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.course import stand_in
from hvqlib.course.photo_list import read_photographs, sort_photographs
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.inspection import inspect_folder
from hvqlib.errors import InputError


def contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("**/*") if path.is_file()}


def small(root: Path) -> AnomalyDataset:
    """A data set as large as the heap needs, of noise."""
    random = np.random.default_rng(0)
    for place, number in (("train/good", 12), ("test/good", 6), ("test/hole", 15)):
        (root / "capsule" / place).mkdir(parents=True)
        for i in range(number):
            Image.fromarray(random.integers(0, 255, (32, 32, 3), np.uint8)).save(root / f"capsule/{place}/{i}.png")
    return load_dataset(root)


def test_a_heap_is_read_and_what_is_amiss_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small(tmp_path / "data")
    monkeypatch.setattr(stand_in, "foundry", lambda: data)
    answers = stand_in.heap(tmp_path / "heap", ("capsule",))
    before = contents(tmp_path / "heap")
    assert sorted(answers.values()) == ["capsule, good"] * 4 + ["capsule, hole"] * 4
    assert stand_in.heap(tmp_path / "heap", ("capsule",)) == answers and contents(tmp_path / "heap") == before

    found = read_photographs(tmp_path / "heap")
    lines = [line.split(" photographs: ") for line in found.told().splitlines()]
    assert {what: int(number) for number, what in lines} == {
        "unknown product, not inspected": 8, "capsule, bad": 10, "capsule, good": 16}  # fmt: skip
    sort_photographs(found, tmp_path / "sorted")
    amiss = {one["kind"]: one["files"] for one in inspect_folder(tmp_path / "sorted", False)["findings"]}
    assert [Path(file).name for file in amiss["image"]] == ["IMG_3002.png"]
    assert len(amiss.get("twice in train", []) + amiss.get("train and test", [])) == 1


def test_solar_cells(tmp_path: Path) -> None:
    stand_in.solar_cells(tmp_path)
    before = contents(tmp_path)
    stand_in.solar_cells(tmp_path)
    assert contents(tmp_path) == before and len({Path(name).name for name in before}) == len(before) == 720
    cells = load_dataset(tmp_path / "cells")
    assert (cells.classes, len(cells.train), len(cells.test)) == (("mono", "poly"), 300, 300)
    assert len(list(tmp_path.glob("doubt/*/*/*.png"))) == 120


def test_a_folder_that_cannot_be_made_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="'.*my_photographs' cannot be made .*hvq course copy"):
        stand_in.heap(tmp_path / "file" / "my_photographs")
