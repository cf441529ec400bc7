"""Measure what codebooks of each class cost beside one shared set with as many codes: memory, and time of an image.

    python -m benchmarks.switching [--threads 2] [--rounds 40] [--out FILE]

Networks of the preset tiny that have learned nothing, for the arms of section 4 of docs/questions.md: neither memory
nor time depends on the weights. The time is that of the network alone, from the features of an image to its
reconstruction, one image at a time; a backbone adds as much for both.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.inference import medians
from benchmarks.measure import append_rows, commit, processor_name
from benchmarks.questions import ARMS
from hvqlib.config import PRESETS
from hvqlib.course.figures.questions import CLASSES
from hvqlib.course.results import SWITCHING_COLUMNS
from hvqlib.features.backbone import Backbone
from hvqlib.files import data_folder
from hvqlib.model.hvq_trans import HVQTrans


@torch.no_grad()
def rebuild(model: HVQTrans, class_id: int, features: Tensor) -> None:
    """Rebuild the features (1, C, H, W) of an image."""
    model(features, torch.tensor([class_id]))


def main() -> None:
    """Append two rows for each number of classes."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=40)
    options.add_argument("--out", type=Path, help="default: results/switching.csv in the data folder")
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    base = PRESETS["tiny"]
    channels = Backbone(base.backbone, base.image_size, base.grid, base.pooling, "random").channels
    told = {"machine": f"{processor_name()}, {given.threads} threads", "torch": torch.__version__, "commit": commit(),
            "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "command": f"python -m benchmarks.switching {shlex.join(sys.argv[1:])}".strip()}  # fmt: skip
    for classes in CLASSES:
        models = {}
        for arm in ("64 nearest", f"one set for {classes}"):
            torch.manual_seed(0)
            models[arm] = HVQTrans(replace(base, **ARMS[arm]), channels, classes).eval()
        images = list(torch.randn(given.rounds + 2, 1, channels, base.grid, base.grid))
        took = medians({arm: partial(rebuild, model, classes - 1) for arm, model in models.items()}, images)
        rows = []
        for arm, model in models.items():
            size = sum(tensor.numel() * tensor.element_size() for tensor in model.state_dict().values())
            rows.append({"arm": arm, "classes": classes, "megabytes": round(size / 2**20, 1),
                         "milliseconds": round(1000 * took[arm], 1), **told})  # fmt: skip
        append_rows(given.out or data_folder(make=True) / "results" / "switching.csv", SWITCHING_COLUMNS, rows)
        print(
            *(
                f"{row['classes']:3} classes, {row['arm']:15} {row['megabytes']:6} MB {row['milliseconds']:6} ms"
                for row in rows
            ),
            sep="\n",
        )


if __name__ == "__main__":
    main()
