"""Notebook 12 on folders as readers have them: its cells run, and say in a sentence what cannot be done."""

from __future__ import annotations

import contextlib
import csv
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks/12_your_own_data.ipynb"
MINE = 'PHOTOS = MINE / "stand_in"'


def cells(*parts: tuple[str, str]) -> list[str]:
    """The code from one heading up to another, after the imports; checks and the export are run with the notebook."""
    imports, found, taken = "", [], False
    for cell in nbformat.read(NOTEBOOK, as_version=4).cells:
        if cell.cell_type == "markdown":
            for start, end in parts:
                taken = (taken or start in cell.source) and end not in cell.source
        else:
            imports = imports or cell.source
            if taken and "check(" not in cell.source and "export_onnx" not in cell.source:
                found.append(cell.source)
    assert sum(MINE in source for source in found) == 1, "the line that a reader changes"
    return [imports, *found]


def photograph(path: Path, random: np.random.Generator, size: tuple[int, int] = (64, 64), hurt: bool = False) -> str:
    """Stripes with noise, and a red patch where they are hurt."""
    y, x = np.mgrid[: size[1], : size[0]]
    pixels = 120 + 60 * np.sin(x / 4 + random.uniform(0, 3))[..., None] * [1, 0.8, 0.5]
    pixels = pixels + random.normal(0, 8, pixels.shape)
    if hurt:
        pixels[20:40, 20:40] = (250, 30, 30)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return path.name


def ten_good(folder: Path, random: np.random.Generator) -> list[str]:
    for i in range(10):
        photograph(folder / f"IMG_{i}.png", random)
    return ["all 10 photographs count as good, of one product, 'parts'", "no AUROC without defective photographs",
            "2 held-out normal images promise a false-alarm rate of 55.3% or more", "cannot be promised"]  # fmt: skip


def from_excel(folder: Path, random: np.random.Generator) -> list[str]:
    rows = [("File", "PRODUCT", "Inspected")]
    for product in ("hook", "Öse"):
        for said, number in (("Good", 12), ("NOK", 2), ("", 2)):
            for i in range(number):
                name = photograph(folder / f"{product}{said}{i}.png", random, hurt=said != "Good")
                rows.append((name, product if said else "", said))
    (folder / "broken.png").write_bytes(b"\x89PNG")
    text = io.StringIO()
    csv.writer(text, delimiter=";").writerows([*rows, ("broken.png", "", "")])
    (folder / "parts.csv").write_bytes(text.getvalue().encode("utf-8-sig"))
    return [
        "  12 photographs: Öse, good",
        "   2 photographs: hook, bad",
        "broken.png' cannot be read",
        "(truth: not known)",
    ]


def wide(folder: Path, random: np.random.Generator) -> list[str]:
    for i in range(12):
        photograph(folder / f"good/{i}.png", random, (180, 60))
        photograph(folder / f"bad/{i}.png", random, (180, 60), hurt=True) if i < 3 else None
    return ["the folders' names say which photographs are good", "far from square, and are squeezed", "AUROC 1.00"]


def damaged(folder: Path, random: np.random.Generator) -> list[str]:
    names = [photograph(folder / f"{i}.jpg", random) for i in range(9)]
    (folder / "4.jpg").write_bytes((folder / "4.jpg").read_bytes()[:300])
    (folder / "copy.jpg").write_bytes((folder / "7.jpg").read_bytes())
    rows = "".join(f"{name}\tOK\r\n" for name in [*names, "copy.jpg"])
    (folder / "list.txt").write_bytes(f"Filename\tResult\r\n{rows}".encode("utf-16"))
    return ["It cannot be used yet.", "4.jpg cannot be read", ".jpg twice", "(truth: good)"]


@pytest.mark.parametrize("kind", [ten_good, from_excel, wide, damaged])
def test_any_folder(kind, tmp_path: Path, own_data: Path) -> None:
    more = [("### 4.2", "### Exercise 3")] if kind is ten_good else []  # the later sections on the least of folders
    sources = cells(("## 1 ·", "## 3 ·" if more else "## 2 ·"), *more)
    wanted = kind(tmp_path / "parts", np.random.default_rng(0))
    before = {path: path.read_bytes() for path in (tmp_path / "parts").rglob("*") if path.is_file()}
    for _ in range(2 if kind is damaged else 1):  # and again, over what is there already
        names: dict[str, object] = {}
        with contextlib.redirect_stdout(io.StringIO()) as said, contextlib.redirect_stderr(io.StringIO()) as complaints:
            for source in sources:
                exec(source.replace(MINE, f"PHOTOS = Path({str(tmp_path / 'parts')!r})"), names)
        for sentence in wanted:
            assert sentence in said.getvalue(), (sentence, said.getvalue())
        bars = re.compile(r"\r(features|judging|reading)\b[^\r\n]*\n?")  # outside of a notebook they go there
        assert not bars.sub("", complaints.getvalue())
    assert before == {path: path.read_bytes() for path in (tmp_path / "parts").rglob("*") if path.is_file()}
    assert (own_data / "my_photographs/results_of_parts/judged/scores.csv").is_file()


def test_squares_of_wide_photographs(tmp_path: Path, own_data: Path) -> None:
    wide(tmp_path / "parts", np.random.default_rng(0))
    names: dict[str, object] = {}
    with contextlib.redirect_stdout(io.StringIO()) as said:
        for source in cells(("## 1 ·", "## 2 ·")):
            source = source.replace(MINE, f"PHOTOS = Path({str(tmp_path / 'parts')!r})")
            exec(source.replace("bank=5000)", 'bank=5000, fit="tiles")'), names)
    assert "Images are cut into squares of the shorter side, rows x columns: parts 1 x 4." in said.getvalue()
