"""A class of simulated students: what they run, and that what fails is counted."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import psutil
import pytest

from benchmarks import classroom
from benchmarks.path_times import linked, tables
from hvqlib.course.copies import copy_course

PAGE = "| minutes | where |\n|---|---|\n| 5 | [The task](../notebooks/01_the_task.ipynb#01-·-The-task) |\n"
needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="it reads the memory that Linux tells of")


def test_a_student_runs_their_own_copy_up_to_the_section(tmp_path: Path) -> None:
    copy_course(tmp_path / "anna", students=True)
    row = {"where": "[Accuracy](../notebooks/01_the_task.ipynb#5-·-Accuracy-is-the-wrong-measure)"}
    [(page, sections)] = linked(row["where"])
    found = classroom.cells(tmp_path / "anna", page, max(one.end for one in sections))
    ours = [c for c in json.loads(page.read_text(encoding="utf-8"))["cells"] if c["cell_type"] == "code"]
    assert found[0].startswith("from hvqlib.course.sealed import")
    assert 5 < len(found) < len(ours)
    assert not any("def solution_" in code for code in found)


@needs_linux
def test_two_students_on_one_server(monkeypatch: pytest.MonkeyPatch) -> None:
    assert tables(f"## A path\n\n{PAGE}")["a path"]
    monkeypatch.setattr(classroom, "tables", lambda page: tables(f"## A path\n\n{PAGE}"))
    monkeypatch.setattr(classroom, "cells", lambda *_: ["held = b'x' * 2**26", "1 / 0", "assert len(held) == 2**26"])
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    [row] = classroom.measure("a path", 2)
    assert (row["students"], row["cells"], row["errors"], row["notebooks"]) == (2, 6, 2, "01")
    assert float(str(row["mean_kernel_mb"])) > 64
    assert 0 < float(str(row["median_seconds"])) <= float(str(row["longest_seconds"]))
    assert {process.pid for process in psutil.Process().children(recursive=True)} <= before
