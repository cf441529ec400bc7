"""Marks: true, and given without trust in what students wrote."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from hvqlib.cli import main
from hvqlib.course import copies, marking
from hvqlib.course.sandbox import LEAST, version

PAGE = Path("00_numbers.ipynb")
CONFINES = pytest.mark.skipif(version() < LEAST, reason="needs Linux 6.12; the refusal elsewhere is tested below")


@CONFINES
def test_marks_are_true_and_what_students_wrote_harms_nothing(
    course: Path, answer: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    anna, ben = course / "anna", course / "ben"
    for copy in (anna, ben):
        copies.copy_course(copy, students=copy is anna)
    answer(anna, 1, "def double_1(x):\n    print('✗ left from looking for a mistake')\n    return x + x")
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
    assert main(["course", "mark", str(anna), "--out", str(out)]) == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["state"] for row in rows] == ["done", "tried", "failing", "untouched"]
    assert {(row["student"], row["predictions"]) for row in rows} == {("anna", "2")}
    assert main(["course", "mark", str(ben), "--out", str(out), "--minutes", "0.3"]) == 0  # it would loop for ever
    assert "2 stopped, 2 untouched" in capsys.readouterr().out
    answer(ben, 2, "def double_2(x):\n    ...")
    other = course / "afternoon" / "ben"
    copies.copy_course(other)
    marks = list(marking.mark([ben, other]))
    assert [one.state for one in marks] == ["done", *["untouched"] * 7]
    assert {one.student for one in marks} == {str(ben), str(other)}, "two of one name are two students"
    assert precious.read_text() == "kept" and (anna / "notebooks" / PAGE).is_file() and not (anna / "written").exists()


def test_marking_is_refused_where_nothing_confines_it(course: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    copies.copy_course(course / "anna")
    monkeypatch.setattr(marking, "version", lambda: 0)
    assert main(["course", "mark", str(course / "anna"), "--out", str(course / "marks.csv")]) == 2
    assert "cannot confine" in capsys.readouterr().err and not (course / "marks.csv").exists()


@CONFINES
def test_a_page_that_cannot_be_read_is_said_to_be(course: Path) -> None:
    copies.copy_course(course / "anna")
    (course / "anna" / "notebooks" / PAGE).write_text("{")
    assert {one.state for one in marking.mark([course / "anna"])} == {"unreadable"}
