"""The glossary: words in order, each with a definition and the notebook that explains it; links that lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
WORDS, SYMBOLS = (FOLDER / "glossary.md").read_text("utf-8").split("\n## Symbols\n")
ENTRIES = [part.split("\n", 1) for part in WORDS.split("\n### ")[1:]]
HEADS = [head for head, _ in ENTRIES]
NOTEBOOK = r"\[[Nn]otebook \d\d\]\(\w+\.ipynb\)"
# How a notebook says it, where it has other words than the glossary.
SAID = {"false-alarm rate": "false alarm", "picture signal": "picture as a whole", "product class": "class"}

entries = pytest.mark.parametrize(("head", "text"), ENTRIES, ids=HEADS)


def anchor(head: str) -> str:
    return re.sub(r"\W+", "-", head.lower())


def explaining(text: str) -> list[str]:
    """Files of the notebooks that the last line of an entry names."""
    links = re.findall(r"otebook (\d\d)\]\((\w+\.ipynb)\)", text.strip().splitlines()[-1])
    assert links and all(file.startswith(f"{number}_") and (FOLDER / file).is_file() for number, file in links)
    return [file for _, file in links]


def plain(text: str) -> str:
    """Lower case, on one line, one spelling of -ise and -ize, emphasis left out."""
    return " ".join(text.replace("*", "").split()).lower().replace("iz", "is")


def says(prose: str, word: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(plain(word))}(e?s)?(?!\w)", prose) is not None


def test_words_are_in_alphabetical_order_each_once() -> None:
    assert sorted(HEADS, key=str.lower) == HEADS and len({anchor(head) for head in HEADS}) == len(HEADS) > 80
    assert set(SAID) <= set(HEADS)


@entries
def test_a_definition_ends_with_its_notebook(head: str, text: str) -> None:
    *definition, last = text.strip().split("\n\n")
    assert len(definition) == 1 and 8 <= len(definition[0].split()) <= 90
    assert definition[0].endswith((".", ").")) and "\n" not in last
    assert re.fullmatch(rf"{NOTEBOOK}\.|First in {NOTEBOOK}, explained in {NOTEBOOK}\.", last), last


@entries
def test_the_notebook_says_the_word(head: str, text: str) -> None:
    for file in explaining(text):
        cells = nbformat.read(FOLDER / file, as_version=4).cells
        prose = plain("\n".join(cell.source for cell in cells if cell.cell_type == "markdown"))
        for word in head.split(" and "):
            assert says(prose, word) or head in SAID and says(prose, SAID[head]), f"{file} does not say {word!r}"


def test_every_link_leads_somewhere() -> None:
    anchors = {anchor(head) for head in HEADS}
    for head, text in [*ENTRIES, ["Symbols", SYMBOLS]]:
        for goal in re.findall(r"\]\(([^)]+)\)", text):
            if goal.startswith("#"):
                assert goal[1:] in anchors - {anchor(head)}, f"{head}: {goal}"
            else:
                assert (FOLDER / goal).is_file(), f"{head}: {goal}"


def test_symbols_are_a_table_of_four_columns() -> None:
    rows = [line for line in SYMBOLS.splitlines() if line.startswith("|")]
    assert [cell.strip() for cell in rows[0].strip("|").split("|")] == ["symbol", "name in code", "shape", "meaning"]
    assert len(rows) > 20 and {row.count("|") for row in rows} == {5}
