"""Copies of the course: what a student sees, what is said of their work, and what it cannot do when it is marked."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from hvqlib.cli import main
from hvqlib.course import copies, marking
from hvqlib.course.sandbox import LEAST, version

ROOT = Path(__file__).parents[2]
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


def answer(copy: Path, number: int, text: str, told: str | None = None) -> None:
    """Write a student's answer, and what its check said when they ran it."""
    path = copy / "notebooks" / PAGE
    notebook = nbformat.read(path, as_version=4)
    stub = next(i for i, c in enumerate(notebook.cells) if c["id"] == f"00-{8 * number - 5:03}")
    notebook.cells[stub].source = text
    if told is not None:
        notebook.cells[stub].execution_count, notebook.cells[stub + 1].execution_count = 1, 2
        notebook.cells[stub + 1].outputs = [nbformat.v4.new_output("stream", text=told)]
    nbformat.write(notebook, path)


def test_a_students_copy_shows_no_solution_and_still_runs(course: Path) -> None:
    out = course / "anna"
    assert main(["course", "copy", str(out), "--students"]) == 0
    text = (out / "notebooks" / PAGE).read_text()
    for secret in ("2 * x", "Twice", "itself", "lambda: 6", "Solution"):
        assert secret not in text and secret not in (out / "notebooks" / ".sealed").read_text()
    assert "run_sealed" in text and "Double it" in text
    answer(out, 1, "def double_1(x):\n    return x + x")
    answer(out, 2, "def double_2(x):\n    return x")
    from nbclient import NotebookClient

    notebook = nbformat.read(out / "notebooks" / PAGE, as_version=4)
    NotebookClient(notebook, resources={"metadata": {"path": str(out / "notebooks")}}).execute()
    said = ["".join(o.text for o in c.outputs) for c in notebook.cells if c.cell_type == "code" and c.outputs]
    assert said[0] == "✓ double 1\n" and said[1] == "42\n" and "Twice?" in said[2] and said[4].startswith("○")
    nbformat.write(notebook, out / "notebooks" / PAGE)
    assert [state for _, _, state in copies.progress(out)] == ["done", "tried", "untouched", "untouched"]


def test_the_real_course_can_be_copied(tmp_path: Path) -> None:
    """Of every exercise the right answer, the hints and the solution are gone, and nothing else of the page."""
    out = tmp_path / "copy"
    copies.copy_course(out, students=True)
    for name in copies.pages(ROOT / "notebooks"):
        before, after = copies.read(ROOT / "notebooks" / name), copies.read(out / "notebooks" / name)
        found = copies.exercises(name, before)
        gone = {before["cells"][i]["id"] for e in found for i in e.solution}
        kept = [cell["id"] for cell in before["cells"] if cell["id"] not in gone]
        ids = [cell["id"] for cell in after["cells"]]
        assert [i for i in ids if i not in gone] == kept and len(ids) == len(kept) + len(found)
        text = "".join(copies.source(cell) for cell in after["cells"])
        assert "check_solution" not in text.replace("import check, check_solution", "") and "hints=" not in text
        for exercise in found:
            assert copies.source(before["cells"][exercise.check]).startswith("check(")
            assert copies.source(before["cells"][exercise.stub - 1]).startswith("### Exercise")
    assert sum(1 for _ in copies.progress(out)) == 41
    assert (out / "data" / "results" / "methods.csv").is_file() and not (out / "data" / "my_photographs").exists()


def test_a_copy_goes_nowhere_where_something_is(course: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (course / "full").mkdir()
    (course / "full" / "mine").write_text("mine")
    assert main(["course", "copy", str(course / "full")]) == 2
    assert main(["course", "copy", str(course / "project" / "inside")]) == 2
    assert main(["course", "check", str(course / "full")]) == 2
    told = capsys.readouterr().err
    assert "not empty" in told and "lies in the project" in told and "no copy of the course" in told
    assert [path.name for path in (course / "full").iterdir()] == ["mine"]


def test_a_page_begins_again_and_the_old_one_is_kept(course: Path) -> None:
    out = course / "ben"
    copies.copy_course(out)
    answer(out, 1, "def double_1(x):\n    return 'work of an evening'")
    path, kept = copies.reset(out, "00")
    assert "work of an evening" in kept.read_text() and "work of an evening" not in path.read_text()
    assert path.read_text() == (course / "project" / "notebooks" / PAGE).read_text().rstrip("\n") + "\n"


@pytest.mark.parametrize(
    ("told", "state"), [("✓ double", "done"), ("✗ double: it is 3", "tried"), ("○ nothing", "not checked")]
)
def test_progress_says_what_the_page_says(course: Path, told: str, state: str) -> None:
    out = course / "cleo"
    copies.copy_course(out)
    answer(out, 1, "def double_1(x):\n    return 2 * x", told)
    assert next(copies.progress(out))[2] == state
    notebook = copies.read(out / "notebooks" / PAGE)
    notebook["cells"][3]["execution_count"] = 9  # run again, and its check not
    (out / "notebooks" / PAGE).write_text(json.dumps(notebook))
    assert next(copies.progress(out))[2] == "not checked"
    assert copies.progress_table(out).endswith("0 of 4 exercises done")


@pytest.mark.skipif(version() < LEAST, reason="marking needs Linux 6.7: it is refused elsewhere, which is tested below")
def test_marking_is_true_and_what_students_wrote_harms_nothing(
    course: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    anna, ben = course / "anna", course / "ben"
    for copy in (anna, ben):
        copies.copy_course(copy, students=copy is anna)
    answer(anna, 1, "def double_1(x):\n    return x + x")
    answer(anna, 2, "def double_2(x):\n    return x * x")
    answer(anna, 3, "def double_3(x)\n    return x")
    (anna / "data" / "scoreboard.json").write_text('{"predictions": {"a": {}, "b": {}}, "measured": {}}')
    precious = course / "project" / "data" / "results" / "precious.csv"
    harm = f"""
import os, shutil, signal, socket, subprocess
def attempt(action):
    try:
        action()
        return "harm"
    except OSError:
        return None
tried = [attempt(lambda: os.remove({str(precious)!r})), attempt(lambda: shutil.rmtree({str(anna)!r})),
         attempt(lambda: open({str(anna / "written")!r}, "w")), attempt(lambda: os.kill({os.getpid()}, signal.SIGTERM)),
         attempt(lambda: socket.create_connection(("127.0.0.1", 9), 1))]
subprocess.run(["rm", "-rf", {str(precious.parent)!r}])
def double_1(x):
    return 2 * x if not any(tried) else "harm"
"""
    answer(ben, 1, harm)
    answer(ben, 2, "while True:\n    try:\n        pass\n    except BaseException:\n        pass")
    out = course / "marks.csv"
    assert main(["course", "mark", str(anna), str(ben), "--out", str(out), "--minutes", "0.4"]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [r["state"] for r in rows if r["student"] == "anna"] == ["done", "tried", "failing", "untouched"]
    assert [r["state"] for r in rows if r["student"] == "ben"] == ["stopped", "stopped", "untouched", "untouched"]
    assert {r["predictions"] for r in rows if r["student"] == "anna"} == {"2"}
    assert "2 stopped" in capsys.readouterr().out
    answer(ben, 2, "def double_2(x):\n    ...")
    assert [m.state for m in marking.mark([ben])][:2] == ["done", "untouched"]
    assert precious.read_text() == "kept" and (anna / "notebooks" / PAGE).is_file() and not (anna / "written").exists()


def test_marking_is_refused_where_nothing_confines_it(course: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    copies.copy_course(course / "anna")
    monkeypatch.setattr(marking, "version", lambda: 0)
    assert main(["course", "mark", str(course / "anna"), "--out", str(course / "marks.csv")]) == 2
    assert "cannot confine" in capsys.readouterr().err and not (course / "marks.csv").exists()


def test_a_page_that_cannot_be_read_is_said_to_be(course: Path) -> None:
    copies.copy_course(course / "anna")
    (course / "anna" / "notebooks" / PAGE).write_text("{")
    if version() >= LEAST:
        assert {one.state for one in marking.mark([course / "anna"])} == {"unreadable"}
    with pytest.raises(copies.InputError, match="no notebook"):
        list(copies.progress(course / "anna"))
