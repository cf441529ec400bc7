"""A small course to copy, to work in and to mark."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hvqlib.course import copies, marking

PAGE = Path("00_numbers.ipynb")


def page(tasks: int = 4) -> nbformat.NotebookNode:
    """A page with exercises to double a number, some of whose solutions a later cell uses."""
    cells = [
        new_markdown_cell("# 00 · Numbers"),
        new_code_cell("from hvqlib.course.checks import check, check_solution"),
    ]
    for i in range(1, tasks + 1):
        cells += [
            new_markdown_cell(f"### Exercise {i} · Double it"),
            new_code_cell(f"def double_{i}(x):\n    ..."),
            new_code_cell(
                f'check("double {i}", lambda: double_{i}(3), lambda: 6, hints=("Twice?", "Add it to itself."))'
            ),
            new_markdown_cell("### Solution\n\nTwice."),
            new_code_cell(f"def solution_double_{i}(x):\n    return 2 * x"),
            new_code_cell(f'check_solution("double {i}", lambda: solution_double_{i}(3), lambda: 6)'),
            new_markdown_cell("## On"),
            new_code_cell(f"print(solution_double_{i}(21))"),
        ]
    for i, cell in enumerate(cells):
        cell["id"] = f"00-{i:03}"
    return new_notebook(cells=cells)


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of one page, with a data folder."""
    home = tmp_path / "project" / "notebooks"
    home.mkdir(parents=True)
    nbformat.write(page(), home / PAGE)
    (home / "glossary.md").write_text("# Words")
    data = tmp_path / "project" / "data"
    (data / "results").mkdir(parents=True)
    (data / "results" / "precious.csv").write_text("kept")
    (data / "my_photographs").mkdir()
    monkeypatch.setenv("HVQ_DATA", str(data))
    for module in (copies, marking):
        monkeypatch.setattr(module, "original", lambda: home)
    return tmp_path


def write_answer(copy: Path, number: int, text: str, told: str | None = None) -> None:
    """Write a student's answer, and what its check said when they ran it."""
    path = copy / "notebooks" / PAGE
    notebook = nbformat.read(path, as_version=4)
    stub = next(i for i, c in enumerate(notebook.cells) if c["id"] == f"00-{8 * number - 5:03}")
    notebook.cells[stub].source = text
    if told is not None:
        notebook.cells[stub].execution_count, notebook.cells[stub + 1].execution_count = 1, 2
        notebook.cells[stub + 1].outputs = [nbformat.v4.new_output("stream", text=told)]
    nbformat.write(notebook, path)


@pytest.fixture
def answer() -> Callable[..., None]:
    return write_answer
