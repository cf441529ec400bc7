"""Read the rows of saved experiments, and compare their variants."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from hvqlib.errors import InputError
from hvqlib.evaluation.comparison import Difference, paired_bootstrap
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


def compare(
    rows: Sequence[Mapping[str, str]], data: str, first: str, second: str, steps: int = 900
) -> tuple[Difference, int] | None:
    """Compare the image AUROC of two variants on a data set, by the seeds that both have; also give how many those are.

    None where there are none. The interval is that of other test images and, where there are several seeds, other
    trainings (:func:`paired_bootstrap`).
    """
    scores = [
        {row["seed"]: json.loads(row["scores"]) for row in rows
         if (row["data"], row["variant"], row["steps"]) == (data, variant, str(steps))}
        for variant in (first, second)
    ]  # fmt: skip
    seeds = sorted(scores[0].keys() & scores[1].keys())
    ours, theirs = ([one[seed] for seed in seeds] for one in scores)
    return (paired_bootstrap(ours, theirs, trainings=True), len(seeds)) if seeds else None
