"""Copies of the course: what a student sees, and what is said of their work."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from hvqlib.cli import main
from hvqlib.course import copies
from hvqlib.errors import InputError
from hvqlib.files import data_folder

ROOT = Path(__file__).parents[2]
PAGE = Path("00_numbers.ipynb")


def test_a_students_copy_shows_no_solution_and_still_runs(course: Path, answer: Callable[..., None]) -> None:
    out = course / "anna"
    assert main(["course", "copy", str(out), "--students"]) == 0
    text = (out / "notebooks" / PAGE).read_text()
    for secret in ("2 * x", "Twice", "itself", "lambda: 6", "Solution"):
        assert secret not in text and secret not in (out / "notebooks" / ".sealed").read_text()
    assert "run_sealed" in text and "Double it" in text
    answer(out, 1, "def double_1(x):\n    return x + x")
    answer(out, 2, "def double_2(x):\n    return x")
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


def test_a_page_begins_again_and_the_old_one_is_kept(course: Path, answer: Callable[..., None]) -> None:
    out = course / "ben"
    copies.copy_course(out)
    answer(out, 1, "def double_1(x):\n    return 'work of an evening'")
    path, kept = copies.reset(out, "00")
    assert "work of an evening" in kept.read_text() and "work of an evening" not in path.read_text()
    assert path.read_text() == (course / "project" / "notebooks" / PAGE).read_text().rstrip("\n") + "\n"


@pytest.mark.parametrize(
    ("told", "state"),
    [
        ("✓ double\n", "done"),
        ("✗ printed\n✓ double\n", "done"),
        ("✓ printed\n✗ double: it is 3\n", "tried"),
        ("○ nothing\n", "not checked"),
    ],
)
def test_progress_says_what_the_page_says(course: Path, answer: Callable[..., None], told: str, state: str) -> None:
    out = course / "cleo"
    copies.copy_course(out)
    answer(out, 1, "def double_1(x):\n    return 2 * x", told)
    assert next(copies.progress(out))[2] == state
    notebook = copies.read(out / "notebooks" / PAGE)
    notebook["cells"][3]["execution_count"] = 9  # run again, and its check not
    (out / "notebooks" / PAGE).write_text(json.dumps(notebook))
    assert next(copies.progress(out))[2] == "not checked"
    assert copies.progress_table(out).endswith("0 of 4 exercises done")


def test_a_page_that_cannot_be_read_is_said_to_be(course: Path) -> None:
    copies.copy_course(course / "anna")
    (course / "anna" / "notebooks" / PAGE).write_text("{")
    with pytest.raises(InputError, match="no notebook"):
        list(copies.progress(course / "anna"))


def test_without_the_right_to_make_links_a_copy_uses_the_data_of_the_checkout(
    course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows gives that right to administrators and developers only."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError("A required privilege is not held by the client")

    monkeypatch.setattr(Path, "symlink_to", refuse)
    copies.copy_course(course / "anna", students=True)
    assert (course / "anna" / "notebooks" / PAGE).is_file() and not (course / "anna" / "data").exists()
    monkeypatch.delenv("HVQ_DATA")
    monkeypatch.chdir(course / "anna" / "notebooks")
    assert data_folder() == ROOT / "data"
