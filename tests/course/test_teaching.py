"""What is in teaching/: entries that are complete, links that lead to a heading, figures that the notebooks have."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))
PAGES = sorted((ROOT / "teaching").rglob("*.md"))
LINK = re.compile(r"\]\(((?:[^()\s]|\([^()\s]*\))+)\)")  # an address may hold one pair of brackets in another

# Figures of teaching/misconceptions.md that stand in a notebook's picture, or follow from its numbers, by notebook.
FROM_A_PICTURE = {"05": {"4.47", "3.36"}, "11": {"4.75"}}


@cache
def anchors(path: Path) -> frozenset[str]:
    """Anchors of a notebook's headings, as JupyterLab makes them: the text, with hyphens for spaces."""
    found, fenced = set(), False
    for cell in nbformat.read(path, as_version=4).cells:
        for line in cell.source.splitlines() if cell.cell_type == "markdown" else ():
            fenced ^= line.lstrip().startswith(("```", "~~~"))
            if not fenced and (head := re.match(r"#{1,6} +(.+?)\s*$", line)):
                text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", head[1])
                found.add(re.sub(r"[`*]", "", text).replace(" ", "-"))
    return frozenset(found)


def told(path: Path) -> str:
    """Text, code and printed outputs of a notebook."""
    cells = nbformat.read(path, as_version=4).cells
    printed = (output.get("text", "") for cell in cells for output in cell.get("outputs", ()))
    return "\n".join([*(cell.source for cell in cells), *printed])


def misconceptions() -> dict[str, list[str]]:
    """Entries of teaching/misconceptions.md by notebook, "00" to "13"."""
    text = (ROOT / "teaching" / "misconceptions.md").read_text("utf-8")
    parts = [part.split("\n", 1) for part in text.split("\n## ")[1:]]
    return {head[:2]: re.split(r"^\d\. ", body, flags=re.MULTILINE)[1:] for head, body in parts}


@pytest.mark.parametrize("page", PAGES, ids=[str(page.relative_to(ROOT)) for page in PAGES])
def test_links_into_notebooks_lead_to_a_heading(page: Path) -> None:
    wrong = []
    for address in LINK.findall(page.read_text("utf-8")):
        file, _, place = address.partition("#")
        if file.endswith(".ipynb") and "://" not in file:
            path = (page.parent / unquote(file)).resolve()
            if not path.is_file() or (place and unquote(place) not in anchors(path)):
                wrong.append(address)
    assert not wrong


def test_each_notebook_has_three_misconceptions() -> None:
    assert len(NOTEBOOKS) == 14
    assert {number: len(some) for number, some in misconceptions().items()} == {p.name[:2]: 3 for p in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])
def test_a_misconception_is_said_brought_out_and_corrected(path: Path) -> None:
    """Each has its parts, leads into its own notebook, and names questions and figures that are there."""
    notebook, number = told(path), path.name[:2]
    asked = set(re.findall(r'predict\(\s*"([^"]+)"', notebook))
    known = {float(figure) for figure in re.findall(r"(?<![\d.])\d+\.\d+", notebook)}
    for entry in misconceptions()[number]:
        said, out, correction = re.split(r"\*\*Bring it out:\*\*|\*\*Correction:\*\*", entry)
        assert re.match(r'\*\*".+\."\*\*\n', said) and f"(../notebooks/{path.name}#" in said and out.strip()
        assert set(re.findall(rf"\*({number} [^*]+)\*", entry)) <= asked
        for figure in re.findall(r"(?<![\d.])\d+\.\d+", out + correction):
            places = len(figure.split(".")[1])
            rounded = {f"{value:.{places}f}" for value in known}
            assert figure in rounded | FROM_A_PICTURE.get(number, set()), f"{figure} is not in {path.name}: {entry}"
        assert 50 <= len(re.findall(r"\w\S*", LINK.sub("]", entry))) <= 90
