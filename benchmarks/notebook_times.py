"""How long each notebook takes to run, in a kernel of its own, and the most memory that this kernel needs.

    python -m benchmarks.notebook_times [--csv FILE] [--memory FILE] [NOTEBOOK ...]

Writes the rows of notebook_times.csv and of kernel_memory.csv. Data sets are drawn and features cached before: run
`make test` once. A notebook that is named again has its rows replaced.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import os
import threading
import time
from pathlib import Path

import nbformat
import psutil
import torch
from nbclient import NotebookClient

from benchmarks.measure import commit, processor_name, write_rows

ROOT = Path(__file__).parents[1]
FIELDS = ["notebook", "seconds", "machine", "commit", "date"]
MEMORY = ["notebook", "resident_mb", "proportional_mb", "torch", "machine", "commit", "date"]


def main() -> None:
    """Run the notebooks one after the other, and write how long each took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("notebooks", nargs="*", help="paths in notebooks/; all of them where none is named")
    results = ROOT / "data" / "results"
    parser.add_argument("--csv", type=Path, default=results / "notebook_times.csv")
    parser.add_argument("--memory", type=Path, default=results / "kernel_memory.csv")
    options = parser.parse_args()
    os.environ["HVQ_SCOREBOARD"] = ""
    folder = ROOT / "notebooks"
    named = options.notebooks or [path.relative_to(folder).as_posix() for path in sorted(folder.rglob("*.ipynb"))]
    for name in named:
        seconds, resident, proportional = measure(folder / name)
        print(f"{name}: {seconds:.0f} s, {resident:.0f} MB", flush=True)
        told = [processor_name(), commit(), datetime.date.today().isoformat()]
        write(options.csv, FIELDS, [name, round(seconds, 1), *told])
        write(options.memory, MEMORY, [name, round(resident), round(proportional), torch.__version__, *told])


def measure(path: Path) -> tuple[float, float, float]:
    """Run a notebook; returns seconds, and its kernel's peak resident and proportional set size in MB of 2**20 bytes.

    A thread looks at the kernel ten times a second. The proportional set size, which only Linux tells (elsewhere it is
    0), counts pages that several processes share by each one's part.
    """
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(notebook, timeout=900, resources={"metadata": {"path": str(path.parent)}})
    peaks, ended = [0.0, 0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(0.1):
            provisioner = getattr(client.km, "provisioner", None)
            if provisioner is not None and provisioner.pid:
                try:
                    seen = psutil.Process(provisioner.pid).memory_full_info()
                except psutil.Error:  # not there yet, or no more
                    continue
                peaks[:] = [max(peaks[0], seen.rss / 2**20), max(peaks[1], getattr(seen, "pss", 0) / 2**20)]

    watcher = threading.Thread(target=watch)
    watcher.start()
    began = time.perf_counter()
    try:
        client.execute()
    finally:
        seconds = time.perf_counter() - began
        ended.set()
        watcher.join()
    return seconds, peaks[0], peaks[1]


def write(path: Path, fields: list[str], values: list[object]) -> None:
    """Replace the row of a notebook in a csv, or add it; rows of notebooks that are gone are dropped."""
    rows = {}
    if path.exists():
        with path.open(encoding="utf-8", newline="") as file:
            rows = {row["notebook"]: row for row in csv.DictReader(file)}
    row = dict(zip(fields, values, strict=True))
    rows[row["notebook"]] = row
    rows = {name: row for name, row in sorted(rows.items()) if (ROOT / "notebooks" / name).exists()}
    write_rows(path, fields, rows.values())


if __name__ == "__main__":
    main()
