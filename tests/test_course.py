"""The heads and the table of the notebooks say what was counted and measured."""

import json
from pathlib import Path

import pytest

from tests.conftest import script

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def course():
    return script("course")


def test_pages_say_what_was_counted(course):
    assert course.main(check=True) == 0
    found = {path.relative_to(course.NOTEBOOKS).as_posix() for path in course.NOTEBOOKS.rglob("[0-9]*.ipynb")}
    assert set(course.times()) == found


def test_the_course_is_as_long_as_a_course_may_be(course):
    sizes = {path.stem: course.size(path) for path in course.NOTEBOOKS.glob("*.ipynb")}
    assert {name: one.minutes for name, one in sizes.items() if one.minutes > 60} == {}
    assert sum(one.cells for one in sizes.values()) <= 900
    assert sum(one.minutes for one in sizes.values()) <= 11 * 60


def test_words_and_lines_are_counted_without_exercises(course, tmp_path, monkeypatch):
    cells = [
        ("markdown", "# 00 · A toy\n\n**Question.** Why [not](there.md)?\n\n**Time.** soon"),  # 7 words and signs
        ("code", "one = 1\n\ntwo = 2"),
        ("markdown", "### Exercise 1\n\nNot counted at all."),
        ("code", "mine = ..."),
        ("markdown", "### Solution"),
        ("code", "mine = 1"),
        ("markdown", "## Summary\n\nIt is over."),
    ]
    (tmp_path / "00_toy.ipynb").write_text(
        json.dumps({"cells": [{"cell_type": kind, "source": [text]} for kind, text in cells]})
    )
    (tmp_path / "README.md").write_text("Before\n<!-- table: notebooks -->\nold\n<!-- end -->\n")
    (tmp_path / "times.csv").write_text("notebook,seconds\n00_toy.ipynb,61.2\n")
    monkeypatch.setattr(course, "NOTEBOOKS", tmp_path)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "TIMES", tmp_path / "times.csv")
    assert course.size(tmp_path / "00_toy.ipynb")[:5] == (7, 14, 2, 1, 65)
    assert course.main(check=True) == 1 and course.main(check=False) == 0 and course.main(check=True) == 0
    assert "| [00 · A toy](00_toy.ipynb) | Why [not](there.md)? | 7 |" in (tmp_path / "README.md").read_text()
