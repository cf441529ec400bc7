"""The photographs of data/ballscrew are chosen by a seed, none of them marked, each with where it comes from."""

import csv
from collections import Counter
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.build_real import rows_of
from benchmarks.choose_ballscrew import choose, marked
from hvqlib.errors import InputError

FOLDER = Path(__file__).resolve().parents[2] / "data/ballscrew"


def test_each_copy_is_the_file_it_is_said_to_be(tmp_path):
    source, out = tmp_path / "ballscrew", tmp_path / "out"
    for row in rows_of(["ballscrew"]):  # a file that holds its first name, in place of each photograph
        path = tmp_path / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(Path(row["path"]).name)
    choose(source, out)
    with (out / "sources.csv").open(newline="") as file:
        first = {row["file"]: row["original"] for row in csv.DictReader(file)}
    assert {path.relative_to(out).as_posix() for path in out.rglob("*.*")} == {*first, "sources.csv"}
    assert all((out / file).read_text() == original for file, original in first.items())
    assert Counter(str(Path(file).parent) for file in first) == {
        "train/good": 60, "test/good": 15, "test/pitting": 25, "ground_truth/pitting": 25}  # fmt: skip
    for file, original in first.items():
        if "good" in file:
            assert not marked(original)
        if file.startswith("test/pitting"):
            mask = file.replace("test", "ground_truth").replace(".jpg", "_mask.png")
            assert Path(first[mask]).stem == Path(original).stem
    assert len(set(first.values())) == 125
    with pytest.raises(InputError, match="without photographs"):
        choose(source, out)


def test_a_photograph_is_marked_from_a_time_on():
    assert marked("01_200829195831_395000_270_crop_2.jpg") and marked("01_200830204812_395000_270_crop_2.jpg")
    assert not marked("01_200829155834_395000_270_crop_2.jpg")
    assert not marked("01_200830075942_437500_315_crop_2.jpg")  # of a place that has no mark
    normal = [Path(row["path"]).name for row in rows_of(["ballscrew"]) if "/good/" in row["file"]]
    assert len(normal) == 195 and sum(map(marked, normal)) == 97  # as the README of the folder says


def test_what_ships_is_the_choice_to_the_byte():
    """Photographs by the hash of their files, masks by that of their pixels, as the table of sources has them."""
    rows = {Path(row["path"]).name: row for row in rows_of(["ballscrew"])}
    with (FOLDER / "sources.csv").open(newline="") as file:
        first = {row["file"]: row["original"] for row in csv.DictReader(file)}
    assert {p.relative_to(FOLDER).as_posix() for p in FOLDER.rglob("*.*") if p.suffix in (".jpg", ".png")} == set(first)
    assert Counter(file.split("/")[0] for file in first) == {"train": 60, "test": 40, "ground_truth": 25}
    for file, original in first.items():
        if file.endswith(".jpg"):
            found, wanted = sha256((FOLDER / file).read_bytes()).hexdigest(), rows[original]["sha256_of_source"]
        else:
            with Image.open(FOLDER / file) as mask:
                found, wanted = sha256(mask.tobytes()).hexdigest(), rows[original]["sha256_of_pixels"]
        assert found == wanted, file
    assert not any(marked(original) for file, original in first.items() if "good" in file)
    assert sum(p.stat().st_size for p in FOLDER.rglob("*") if p.is_file()) < 8e6
    for note in ("README.md", "LICENSE"):
        told = (FOLDER / note).read_text(encoding="utf-8")
        assert all(
            word in told for word in ("Schlagenhauf", "https://creativecommons.org/licenses/by-sa/4.0/", "BSData")
        )
