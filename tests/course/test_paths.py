"""The paths of teaching/paths.md: sections and questions that are there, minutes that add up, and are enough."""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path

import nbformat
import pytest

from benchmarks import path_times
from hvqlib.errors import InputError
from tests.conftest import script

TABLES = path_times.tables(path_times.PAGE.read_text(encoding="utf-8"))
PARTS = [(name, number) for name, rows in TABLES.items() for number in range(1, len(rows) + 1)]
NOTEBOOKS = sorted((path_times.ROOT / "notebooks").glob("*.ipynb"))


def recorded() -> dict[tuple[str, int], dict[str, str]]:
    with path_times.TIMES.open(encoding="utf-8", newline="") as file:
        return {(row["path"], int(row["part"])): row for row in csv.DictReader(file)}


def asked_in(path: Path) -> list[str]:
    """The predictions and recall questions of a notebook, with single spaces."""
    found: list[str] = []
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "markdown":
            found += re.findall(r"<summary>(.*?)</summary>", cell.source, re.DOTALL)
            found += re.findall(r"\*\*Predict\.\*\*(.*?)(?=\n\n|\Z)", cell.source, re.DOTALL)
        elif call := re.search(r"^predict\((.*)", cell.source, re.DOTALL | re.MULTILINE):
            found.append(call[1])
    return [" ".join(one.split()) for one in found]


def test_there_are_four_paths_and_each_row_is_filled_in():
    assert list(TABLES) == ["90 minutes", "half a day", "two days", "a term"]
    assert len(TABLES["a term"]) == 12
    for name, rows in TABLES.items():
        columns = (*path_times.COLUMNS, "homework") if name == "a term" else path_times.COLUMNS
        for row in rows:
            assert tuple(row) == columns
            assert all(len(cell) > 1 for cell in row.values()) or int(row["minutes"]) < 10, row
            assert path_times.linked(row["where"])


@pytest.mark.parametrize(("name", "number"), PARTS)
def test_a_link_says_the_heading_that_it_leads_to(name, number):
    row = TABLES[name][number - 1]
    for cell in row.values():
        for said, file, anchor in path_times.LINK.findall(cell):
            path = (path_times.PAGE.parent / file).resolve()
            headings = re.findall(
                r"^#{1,4} (.+?) *$",
                "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "markdown"),
                re.MULTILINE,
            )
            assert said in headings
            assert not anchor or anchor == said.replace(" ", "-")


@pytest.mark.parametrize(("name", "number"), PARTS)
def test_questions_are_those_of_the_notebook_or_the_one_before(name, number):
    rows = TABLES[name][:number]
    asked = path_times.quoted(rows[-1]["ask"])
    assert asked or "every prediction" in rows[-1]["ask"]
    near = [path for row in rows[-2:] for path, _ in path_times.linked(row["where"])]
    for question in asked:
        assert any(question in one for path in near for one in asked_in(path)), question


def test_planned_minutes_are_the_sums_that_are_stated():
    page = path_times.PAGE.read_text(encoding="utf-8")
    stated = {
        part.splitlines()[0].lower(): re.search(r"\*\*Planned:\s+(\d+)\s+minutes\*\*\s+\(counted:\s+(\d+)\)", part)
        for part in page.split("\n## ")[1:]
    }
    for name, rows in TABLES.items():
        assert sum(int(row["minutes"]) for row in rows) == int(stated[name][1]), name
        counted = sum(float(row["minutes"]) for (path, _), row in recorded().items() if path == name)
        assert math.ceil(round(counted, 1)) == int(stated[name][2]), name
    assert int(stated["90 minutes"][1]) <= 75
    assert int(stated["half a day"][1]) + 15 <= 4 * 60
    assert all(int(row["minutes"]) <= 85 for row in TABLES["a term"])
    days = page.split("\n## Two days\n")[1].split("\n### ")[1:]
    days[-1] = days[-1].split("\n## ")[0]
    sums = [sum(int(cell) for cell in re.findall(r"^\| (\d+) \|", day, re.MULTILINE)) for day in days]
    assert len(sums) == 2 and max(sums) <= 6.5 * 60 and sum(sums) == int(stated["two days"][1])


def test_the_table_of_times_has_the_rows_of_the_page():
    found = recorded()
    assert list(found) == PARTS
    for (name, number), row in found.items():
        count = path_times.counted(TABLES[name][number - 1])
        assert (row["planned"], int(row["doing"]), int(row["questions"])) == (
            TABLES[name][number - 1]["minutes"],
            count.doing,
            count.questions,
        ), (name, number)
        # the words of a page may have been mended since
        assert abs(int(row["words"]) - count.words) <= 0.05 * count.words + 10, (name, number, count)
        assert abs(int(row["lines"]) - count.lines) <= 0.05 * count.lines + 2, (name, number, count)
        sum_of = (int(row["words"]) / 150 + int(row["lines"]) * 4 / 60) + int(row["doing"]) + int(row["questions"])
        assert float(row["minutes"]) == pytest.approx(sum_of + float(row["seconds"]) / 60, abs=0.06)
    ran = {name: {row["seconds_from"] for (path, _), row in found.items() if path == name} for name in TABLES}
    assert ran["90 minutes"] == ran["half a day"] == {"this run"}


def test_each_part_takes_no_longer_than_planned():
    """As the pages are now, with the seconds that were measured."""
    counted = {
        key: path_times.counted(TABLES[key[0]][key[1] - 1]).minutes(float(row["seconds"]))
        for key, row in recorded().items()
    }
    over = {key: minutes for key, minutes in counted.items() if minutes > int(TABLES[key[0]][key[1] - 1]["minutes"])}
    assert over == {}
    assert sum(minutes for (name, _), minutes in counted.items() if name == "90 minutes") <= 75
    assert sum(minutes for (name, _), minutes in counted.items() if name == "half a day") <= 4 * 60 - 15


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_sections_together_are_the_notebook(path):
    """Counted by sections, and by docs/course.py cell by cell."""
    whole = script("course").size(path)
    every = path_times.sections(path)
    assert sum(path_times.words(one.text) for one in every) == whole.words
    assert sum(one.lines for one in every) == whole.lines
    assert every[-1].end == whole.cells
    assert sum(one.title.startswith("Exercise") for one in every) == whole.exercises


@pytest.fixture
def toy(tmp_path, monkeypatch):
    """A notebook of 3 sections, and a page beside it."""
    cells = [
        nbformat.v4.new_markdown_cell("# A toy\n\nTwo words."),  # 5 words with "#" and title
        nbformat.v4.new_code_cell("a = 1\n\nb = 2"),
        nbformat.v4.new_markdown_cell("## First\n\nOne two three.\n\nSkip these four words."),  # 2, 3, 4
        nbformat.v4.new_code_cell('predict("toy", "How many?", low=0, high=9)'),
        nbformat.v4.new_markdown_cell("### Below\n\nFour more words here."),  # 2, 4
        nbformat.v4.new_markdown_cell("### Exercise 1 · Try\n\nNot counted at all."),
        nbformat.v4.new_code_cell("mine = ..."),
        nbformat.v4.new_markdown_cell("## Last\n\nThe end."),  # 2, 2
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), tmp_path / "toy.ipynb")
    monkeypatch.setattr(path_times, "PAGE", tmp_path / "paths.md")
    path_times.sections.cache_clear()
    return tmp_path


def part(where, skip="nothing", ask='"How many?"', do="count (3 min)"):
    return {"minutes": "9", "where": where, "skip": skip, "ask": ask, "let do": do}


FIRST, BELOW, LAST = "[First](toy.ipynb#First)", "[Below](toy.ipynb#Below)", "[Last](toy.ipynb#Last)"


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (part(FIRST), (15, 1, 3, 1)),  # with what is below it, the exercise apart
        (part(FIRST, skip=BELOW), (9, 1, 3, 1)),
        (part(FIRST, skip='all code, "Skip these"'), (11, 0, 3, 1)),
        (part(f"[A toy](toy.ipynb#A-toy), {LAST}"), (9, 2, 3, 1)),  # a title alone is the head
        (part("[A toy](toy.ipynb)", ask="every prediction"), (24, 3, 3, 1)),
        (part(f"{FIRST} to {LAST}", skip=f"the code of {FIRST}"), (19, 0, 3, 1)),
        (part(FIRST, do="exercise 1 (8 min), then talk (2 min)", ask="every prediction"), (15, 1, 10, 1)),
    ],
)
def test_a_part_is_counted_as_the_page_says(toy, row, expected):
    count = path_times.counted(row)
    assert tuple(count) == expected
    assert count.minutes(30) == expected[0] / 150 + expected[1] / 15 + expected[2] + expected[3] + 0.5


def test_a_heading_or_paragraph_that_is_not_there_is_named(toy):
    with pytest.raises(InputError, match="no heading 'Second'"):
        path_times.counted(part("[Second](toy.ipynb#Second)"))
    with pytest.raises(InputError, match="no paragraph .* 'Never said'"):
        path_times.counted(part(FIRST, skip='"Never said"'))


def test_cells_run_once_and_no_further_than_the_last_section(toy):
    cells = [
        nbformat.v4.new_markdown_cell("# A toy"),
        nbformat.v4.new_code_cell("from pathlib import Path\ntold = Path('told.txt')"),
        nbformat.v4.new_markdown_cell("## First"),
        nbformat.v4.new_code_cell("told.write_text('first ')"),
        nbformat.v4.new_markdown_cell("## Last"),
        nbformat.v4.new_code_cell("told.write_text(told.read_text() + 'last')"),
        nbformat.v4.new_markdown_cell("## Never"),
        nbformat.v4.new_code_cell("raise RuntimeError"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), toy / "toy.ipynb")
    path_times.sections.cache_clear()
    assert len(path_times.run([part(FIRST), part(LAST)])) == 2
    assert (toy / "told.txt").read_text() == "first last"
