"""Read the rows of saved experiments: variants, columns, a csv."""

from __future__ import annotations

import csv
from pathlib import Path

from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import METRICS

# What each variant changes in the configuration.
VARIANTS: dict[str, dict] = {
    "full": {},
    "no hierarchy": {"hierarchy": False},
    "no switching": {"unified": True},
    "no switching but 3072 codes": {"unified": True, "codes": 3072},
    "transport loss": {"transport": 0.01},
    "random start without revival": {"init": "random", "revive": False},
    "random start": {"init": "random"},
    "no revival": {"revive": False},
    "balanced update": {"update": "balanced"},
    "64 codes": {"codes": 64},
    "128 codes": {"codes": 128},
    "1024 codes": {"codes": 1024},
    "2048 codes": {"codes": 2048},
    "batches of 8": {"batch_size": 8},
    "sampled features": {"pooling": "bilinear"},
    "lite1": {"backbone": "tf_efficientnet_lite1"},
    "lite2": {"backbone": "tf_efficientnet_lite2"},
    "continuous": {"method": "continuous", "score": "residual"},
    "nearest neighbour": {"method": "knn", "score": "residual"},
    "nearest neighbour at grid 28": {"method": "knn", "score": "residual", "grid": 28},
}

COLUMNS = (
    *("variant", "data", "seed", "steps", *METRICS, "class_accuracy", "usage", "least_used", "perplexity"),
    *("cpu_seconds", "memory_mb", "classes", "machine", "torch", "hvqlib", "commit", "date", "command"),
)
KEY = ("variant", "data", "seed", "steps")


def read_rows(path: str | Path) -> list[dict[str, str]]:
    """Read the rows of a csv of ablations; none when there is no file."""
    path = Path(path)
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        if tuple(rows.fieldnames or ()) != COLUMNS:
            raise InputError(f"{path} has other columns than benchmarks.ablate writes: choose another --out.")
        return list(rows)
