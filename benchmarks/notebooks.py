"""Seconds that each notebook takes from top to bottom, one by one, with the data drawn and the features cached.

    python benchmarks/notebooks.py [--out data/results/notebooks.csv]

The times on the notebooks' first pages and in notebooks/README.md are these, rounded up to 5 s; a test compares them.
The notebooks themselves are not touched.
"""

from __future__ import annotations

import argparse
import csv
import io
import time
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import torch
from nbclient import NotebookClient

from hvqlib.ablate import _commit, _processor
from hvqlib.run import write_atomic

ROOT = Path(__file__).parents[1]
COLUMNS = ("notebook", "seconds", "machine", "torch", "commit", "date", "command")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "data/results/notebooks.csv", help="csv to write")
    options = parser.parse_args()
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, as_version=4)
        start = time.monotonic()
        NotebookClient(notebook, timeout=900, resources={"metadata": {"path": path.parent}}).execute()
        row = {
            "notebook": path.name, "seconds": round(time.monotonic() - start),
            "machine": f"{_processor()}, {torch.get_num_threads()} threads", "torch": torch.__version__,
            "commit": _commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "command": "python benchmarks/notebooks.py",
        }  # fmt: skip
        writer.writerow(row)
        print(path.name, row["seconds"], "s", flush=True)
    write_atomic(options.out, text.getvalue().encode())


if __name__ == "__main__":
    main()
