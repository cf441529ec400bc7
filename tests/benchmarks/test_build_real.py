"""The photographs of the evidence are built from clones, to the pixel, whole or not at all."""

import csv
import io
import json
import shutil
import subprocess
from hashlib import sha256

import numpy as np
import pytest
from PIL import Image

from benchmarks import build_real

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="there is no git here to read clones with")


def encoded(image, kind):
    """Encode an image."""
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def smooth(height, width):
    """Make a photograph whose bilinear reduction by two is the mean of its neighbours to a grey level."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 200 / width, y * 200 / height, (x + y) / 8], -1).astype(np.uint8)


PHOTOGRAPH = smooth(512, 512)
GREY = np.zeros((512, 512), np.uint8)
GREY[100:200, 40:80], GREY[300:400, 40:80] = 128, 127  # one above the threshold, one not
PALETTE = Image.fromarray((GREY > 127).astype(np.uint8))
PALETTE.putpalette([0, 0, 0, 35, 164, 54])  # a green whose grey, 113, would be below it
assert PALETTE.mode == "P"
MASK = GREY[::2, ::2] > 127
SQUARE = np.zeros((40, 60), bool)
SQUARE[5:16, 10:31] = True
POLYGON = {"imageHeight": 40, "imageWidth": 60,
           "shapes": [{"points": [[10.9, 5.2], [30.4, 5.8], [30.1, 15.9], [10.3, 15.1]]}]}  # fmt: skip
SOURCES = {  # where it comes from, and what it becomes
    "bottle/train/good/000.png": ("in here/a.png", encoded(Image.fromarray(PHOTOGRAPH), "PNG")),
    "bottle/ground_truth/crack/000_mask.png": ("b.png", encoded(Image.fromarray(GREY), "PNG")),
    "bottle/ground_truth/crack/001_mask.png": ("c.png", encoded(PALETTE, "PNG")),
    "bottle/ground_truth/crack/002_mask.png": ("d.json", json.dumps(POLYGON).encode()),
    "pillqc/train/good/000.jpg": ("e.jpg", encoded(Image.fromarray(PHOTOGRAPH[:40, :60]), "JPEG")),
}


def git(folder, *arguments):
    """Run git in a folder; return what it printed."""
    name = ("-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "core.autocrlf=false")
    done = subprocess.run(["git", *name, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def clones(tmp_path, monkeypatch):
    """A clone with the sources in an older commit, and a table that lists them with the hashes of what they become."""
    work = tmp_path / "clones" / "pictures"
    work.mkdir(parents=True)
    git(work, "init", "--quiet")
    for path, content in SOURCES.values():
        (work / path).parent.mkdir(exist_ok=True)
        (work / path).write_bytes(content)
    git(work, "add", "--all")
    git(work, "commit", "--quiet", "--message", "pictures")
    commit = git(work, "rev-parse", "HEAD")
    git(work, "rm", "--quiet", "-r", ".")
    git(work, "commit", "--quiet", "--message", "none")
    rows = []
    for file, (path, content) in SOURCES.items():
        row = {"file": file, "repository": "somebody/pictures", "commit": commit, "path": path}
        pixels = sha256(build_real.convert(row, content).tobytes()).hexdigest()
        rows.append(row | {"sha256_of_source": sha256(content).hexdigest(), "sha256_of_pixels": pixels})
    write(tmp_path / "table.csv", rows)
    monkeypatch.setattr(build_real, "TABLE", tmp_path / "table.csv")
    return tmp_path / "clones"


def write(table, rows):
    """Write a table of sources."""
    with table.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def read(path):
    """Read the pixels of an image."""
    with Image.open(path) as image:
        return np.asarray(image)


@pytest.mark.parametrize("bare", [False, True])
def test_files_are_what_was_measured_on(clones, tmp_path, bare, capsys):
    if bare:
        git(clones, "clone", "--quiet", "--bare", "pictures", "pictures.git")
        shutil.rmtree(clones / "pictures", ignore_errors=True)
    out = tmp_path / "deep" / "out"
    assert build_real.main(["--clones", str(clones), "--out", str(out), "--classes", "bottle", "pillqc"]) == 0
    assert "5 files" in capsys.readouterr().err
    assert {p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()} == set(SOURCES)
    mean = PHOTOGRAPH.reshape(256, 2, 256, 2, 3).mean((1, 3))  # a slow way to halve: the middle of four
    inner = (slice(2, -2), slice(2, -2))
    assert np.abs(read(out / "bottle/train/good/000.png").astype(float) - mean)[inner].max() <= 1.5
    for number, mask in enumerate((MASK, MASK, SQUARE)):
        found = read(out / f"bottle/ground_truth/crack/00{number}_mask.png")
        assert found.dtype == np.uint8 and np.array_equal(found, mask * np.uint8(255)), number
    assert (out / "pillqc/train/good/000.jpg").read_bytes() == SOURCES["pillqc/train/good/000.jpg"][1]
    assert build_real.main(["--clones", str(clones), "--out", str(out), "--classes", "bottle"]) == 2
    assert "is there already" in capsys.readouterr().err


@pytest.mark.parametrize(("column", "word"), [("sha256_of_source", "clone the repository anew"),
                                              ("sha256_of_pixels", "Pillow"), ("path", "has no '")])  # fmt: skip
def test_a_file_that_differs_is_refused_and_nothing_is_left(clones, tmp_path, column, word, capsys):
    with build_real.TABLE.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    rows[-1][column] = "0" * 64
    write(build_real.TABLE, rows)
    assert build_real.main(["--clones", str(clones), "--out", str(tmp_path / "out"), "--classes", "bottle"]) == 0
    assert build_real.main(["--clones", str(clones), "--out", str(tmp_path / "o"), "--classes", "pillqc"]) == 2
    said = capsys.readouterr().err
    assert word in said and ("e.jpg" in said or "000.jpg" in said or column == "path")
    assert not list(tmp_path.glob("o")) and not list(tmp_path.glob(".o.*"))


def test_what_is_missing_is_named(clones, tmp_path, capsys):
    arguments = ["--out", str(tmp_path / "out"), "--classes", "bottle"]
    commit = build_real.rows_of(["bottle"])[0]["commit"]
    assert build_real.main(["--clones", str(tmp_path / "nowhere"), *arguments]) == 2
    said = capsys.readouterr().err
    assert "lacks 1 of 1 clones" in said and "git clone --bare https://github.com/somebody/pictures" in said
    assert commit in said
    (tmp_path / "other").mkdir()
    git(tmp_path / "other", "init", "--quiet", "pictures")
    assert build_real.main(["--clones", str(tmp_path / "other"), *arguments]) == 2
    assert f"fetch origin {commit}" in capsys.readouterr().err
    assert build_real.main(["--clones", str(clones), *arguments[:3], "glass"]) == 2
    assert "'glass' is none of bottle, pillqc, real, real5" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_the_table_lists_the_files_that_the_evidence_counts():
    real, all_five = (build_real.rows_of([name]) for name in ("real", "real5"))
    assert len(all_five) == len({row["file"] for row in all_five}) == 1596
    classes = {name: [r["file"] for r in all_five if r["file"].startswith(name)] for name in build_real.SETS["real5"]}
    assert {name: len(files) for name, files in classes.items()} == {
        "bottle": 277, "magnetic_tile": 660, "cookie": 95, "ballscrew": 335, "pillqc": 229}  # fmt: skip
    assert [row["file"] for row in real] == [f for row in all_five if (f := row["file"]).split("/")[0] in
                                             ("bottle", "magnetic_tile", "cookie")]  # fmt: skip
    for row in all_five:
        assert all(len(row[name]) == size for name, size in
                   (("commit", 40), ("sha256_of_source", 64), ("sha256_of_pixels", 64)))  # fmt: skip
