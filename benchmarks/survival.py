"""How much of a defect a run of foundry rebuilds: the measure of notebook 03, for trainings too long for its page.

    hvq train --data data/foundry --method continuous --steps 1200 --seed 0 --out runs/twin
    python -m benchmarks.survival --run runs/twin [--out data/results/survival.csv]

A foundry image can be drawn again without its defect. *Survival* is the slope of the rebuilt difference between the two
on the true one, over the defective tokens: 0 is wiped out, 1 copied entirely.
"""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from benchmarks.measure import append_rows, commit, processor_name
from hvqlib.course.foundry.dataset import PHOTOGRAPHED
from hvqlib.course.material import clean_twin, features, foundry
from hvqlib.data.images import read_mask
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.detector import Detector
from hvqlib.evaluation.metrics import auroc

COLUMNS = ("method", "seed", "steps", "normal", "worst", "defect", "auroc", "survival", "machine", "commit", "date",
           "command")  # fmt: skip
TWINS = 8  # of each class, whatever the defects; as in notebook 03


def measure(detector: Detector) -> dict[str, float]:
    """Measure mean residuals of normal and of defective tokens, mean image score of normal images, AUROC, survival.

    On the drawn products, all by the residual alone, in units of the standardised features, uncalibrated.
    """
    samples = [
        sample for sample in foundry().test if sample.class_name != PHOTOGRAPHED
    ]  # the others have no clean twin
    label = np.array([sample.label for sample in samples])
    masks = np.stack([read_mask(sample, 224) for sample in samples]).reshape(-1, 14, 16, 14, 16)
    hurt = torch.tensor(masks.mean((2, 4)) > 0.5)  # (N, 14, 14): tokens of which more than half is marked
    marred, class_ids = features(detector, samples)
    rebuilt = rebuild(detector, marred, class_ids)
    residual = (rebuilt - marred).norm(dim=1)  # (N, 14, 14)
    score = image_score(upsample(residual, (224, 224)))

    pairs = [i for i, s in enumerate(samples) if s.label and int(s.path.stem) < TWINS and hurt[i].any()]
    clean = detector.features([clean_twin(samples[i]) for i in pairs])
    at = hurt[pairs]
    difference = (marred[pairs] - clean).movedim(1, -1)[at]  # (T, C)
    change = (rebuilt[pairs] - rebuild(detector, clean, class_ids[pairs])).movedim(1, -1)[at]
    every = [auroc(label[class_ids == c], score[class_ids == c].numpy()) for c in class_ids.unique()]
    return {
        "normal": float(residual[label == 0].mean()),
        "worst": float(score[label == 0].mean()),
        "defect": float(residual[hurt].mean()),
        "auroc": float(np.mean([value for value in every if value is not None])),
        "survival": float((change * difference).sum() / difference.square().sum()),
    }


def rebuild(detector: Detector, standardised: Tensor, class_ids: Tensor) -> Tensor:
    """Rebuild standardised features (N, C, H, W), all of them: the same shape."""
    parts = zip(standardised.split(32), class_ids.split(32), strict=True)
    return torch.cat([detector.model(some, ids).reconstruction for some, ids in parts])


@torch.no_grad()
def main() -> None:
    """Append a row to the csv, and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run folder, trained on data/foundry")
    parser.add_argument("--out", type=Path, default=Path("data/results/survival.csv"), help="csv; a row is appended")
    options = parser.parse_args()
    detector = Detector.load(options.run, "cpu")
    config = detector.config
    row = {
        "method": config.method, "seed": config.seed, "steps": config.steps,
        **{name: round(value, 4) for name, value in measure(detector).items()},
        "machine": processor_name(), "commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f"python -m benchmarks.survival --run {options.run.as_posix()}",
    }  # fmt: skip
    print(row)
    append_rows(options.out, COLUMNS, [row])


if __name__ == "__main__":
    main()
