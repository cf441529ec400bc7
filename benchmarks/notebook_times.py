"""Seconds that each notebook takes to run, in a kernel of its own; the rows of notebook_times.csv.

    python -m benchmarks.notebook_times [--csv FILE] [NOTEBOOK ...]

Data sets are drawn and features cached before: run `make test` once. A notebook that is
named again has its row replaced.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient

from benchmarks.measure import commit, processor_name

ROOT = Path(__file__).parents[1]
FIELDS = ["notebook", "seconds", "machine", "commit", "date"]


def main() -> None:
    """Run the notebooks one after the other, and write how long each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", help="paths in notebooks/; all of them where none is named")
    parser.add_argument("--csv", type=Path, default=ROOT / "data" / "results" / "notebook_times.csv")
    options = parser.parse_args()
    os.environ["HVQ_SCOREBOARD"] = ""
    folder = ROOT / "notebooks"
    named = options.notebooks or [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.ipynb"))]
    rows = {}
    if options.csv.exists():
        with options.csv.open(encoding="utf-8", newline="") as file:
            rows = {row["notebook"]: row for row in csv.DictReader(file)}
    for name in named:
        notebook = nbformat.read(folder / name, as_version=4)
        began = time.perf_counter()
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str((folder / name).parent)}}).execute()
        seconds = time.perf_counter() - began
        print(f"{name}: {seconds:.0f} s", flush=True)
        values = [name, round(seconds, 1), processor_name(), commit(), datetime.date.today().isoformat()]
        rows[name] = dict(zip(FIELDS, values, strict=True))
    rows = {name: row for name, row in sorted(rows.items()) if (folder / name).exists()}
    with options.csv.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows.values())


if __name__ == "__main__":
    main()
