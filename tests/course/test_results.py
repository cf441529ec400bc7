"""Rows of saved experiments, against the csv module."""

import csv
import subprocess
import sys

import pytest

from hvqlib.course.results import COLUMNS, KEY, read_rows
from hvqlib.errors import InputError


def test_rows_are_those_of_the_csv_module(tmp_path):
    rows = [{name: f"{name} {i}" for name in COLUMNS} for i in range(3)]
    with (tmp_path / "rows.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    assert read_rows(tmp_path / "rows.csv") == rows and set(KEY) <= set(COLUMNS)
    assert read_rows(tmp_path / "none.csv") == []
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="other columns"):
        read_rows(tmp_path / "other.csv")


def test_reading_rows_loads_no_torch():
    code = "import sys, hvqlib.course.results; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
