"""Sealed answers: compared and run as the cells that they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from hvqlib.course import sealed
from hvqlib.errors import InputError

CELLS = {"check": 'check("sum", lambda: wrong(1), lambda: right, hints=("Up?", "Higher."), tolerance=TOLERANCE)',
         "solution": "def solution_sum(x):\n    return x + right\nprint(solution_sum(1))"}  # fmt: skip
right, TOLERANCE = 4, 0.1  # as of a notebook


def test_what_is_sealed_works_in_the_names_of_the_notebook(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / ".sealed").write_bytes(sealed.seal({"00.1": CELLS}))
    (tmp_path / "deeper").mkdir()
    monkeypatch.chdir(tmp_path / "deeper")
    sealed.check_sealed("00.1", lambda: 4.05)
    sealed.check_sealed("00.1", lambda: 5)
    assert capsys.readouterr().out.splitlines()[0] == "✓ sum"
    sealed.run_sealed("00.1")
    assert capsys.readouterr().out == "" and globals()["solution_sum"](2) == 6


def test_a_missing_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="missing"):
        sealed.check_sealed("00.1", lambda: 4)
