"""Read the rows of saved experiments: variants, columns, a csv."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import METRICS

COLUMNS = (
    *("variant", "data", "seed", "steps", *METRICS, "class_accuracy", "usage", "least_used", "perplexity"),
    *("cpu_seconds", "memory_mb", "classes", "scores", "machine", "torch", "hvqlib", "commit", "date", "command"),
)
KEY = ("variant", "data", "seed", "steps")
# What is measured besides for docs/questions.md.
MEASURED = ("error", "error_rare", "settled", "settled_by_chance", "rare_auroc", "survival", "normal")
QUESTION_COLUMNS = (*COLUMNS, *MEASURED)
# What codebooks of each class cost beside one shared set (benchmarks.switching).
SWITCHING_COLUMNS = ("arm", "classes", "megabytes", "milliseconds", "machine", "torch", "commit", "date", "command")


def read_rows(path: str | Path, columns: Sequence[str] = COLUMNS) -> list[dict[str, str]]:
    """Read the rows of a csv of ablations with these columns; none when there is no file."""
    path = Path(path)
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != tuple(columns):
            raise InputError(f"{path} has other columns than this command writes: choose another --out.")
        return list(rows)
