"""Record the results of the notebooks' live trainings, which a cell that is interrupted goes on with.

    python -m benchmarks.record_live

Runs the notebooks of RESULTS whole, one after the other, and writes data/results/live.json; it takes a few minutes.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

from benchmarks.measure import commit, processor_name
from hvqlib.course.live import FILE
from hvqlib.files import write_atomic

ROOT = Path(__file__).parents[1]
RESULTS = {  # notebook: name of a result, and the expression that holds it when the notebook has run
    "03_identical_shortcut.ipynb": {
        "03 two MLPs": "{'wide': wide, 'narrow': narrow}",
        "03 spoilt MLP": "spoilt",
    },
    "08_train.ipynb": {"08 run": "found", "08 settings": "trained"},
}


def main() -> None:
    """Run the notebooks, and keep their results."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.environ["HVQ_SCOREBOARD"] = ""
    kept: dict[str, Any] = {}
    told = {"machine": processor_name(), "commit": commit(), "date": datetime.date.today().isoformat()}
    told["command"] = "python -m benchmarks.record_live"
    for notebook, results in RESULTS.items():
        for name, result in record(notebook, results).items():
            kept[name] = {**told, "notebook": notebook, "result": result}
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(one)}" for name, one in kept.items())
    write_atomic(ROOT / "data" / "results" / FILE, f"{{\n{lines}\n}}\n".encode())


def record(notebook: str, results: dict[str, str]) -> dict[str, Any]:
    """Run a notebook of `notebooks/` whole; returns the expressions of `results` by name, as JSON can hold them."""
    path = ROOT / "notebooks" / notebook
    told = nbformat.v4.new_code_cell(
        "import json\nfrom hvqlib.course.live import as_json\n"
        f"print(json.dumps({{name: as_json(eval(text)) for name, text in {results!r}.items()}}))"
    )
    run = nbformat.read(path, as_version=4)
    run.cells.append(told)
    NotebookClient(run, timeout=900, resources={"metadata": {"path": str(path.parent)}}).execute()
    return json.loads("".join(output.text for output in told.outputs))  # type: ignore[no-any-return]


if __name__ == "__main__":
    main()
