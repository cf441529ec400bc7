"""Other ways to read one trained run, none of which needs another training: what would help, and what would not.

    python -m benchmarks.readings --run runs/demo --data data/foundry [--out data/results/readings.csv]

Reads the test images' labels, so it explains a choice; it must not make one.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor
from torch.nn import functional as F

from benchmarks.measure import append_rows, commit, processor_name
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_mask
from hvqlib.data.layouts import Sample
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.calibration import Calibration
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out
from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import all_metrics, mean_over_classes

COLUMNS = ("data", "seed", "steps", "reading", "image_auroc", "pixel_auroc", "aupro", "machine", "commit", "date",
           "command")  # fmt: skip


class Run:
    """Residual vectors and signals of a run on all images of a data set; "the residual" is its length here."""

    def __init__(self, detector: Detector, dataset: AnomalyDataset, cache: Path) -> None:
        self.detector, self.dataset, self.config = detector, dataset, detector.config
        self.train_ids, self.train_residual, self.train_signals = self.measure(dataset.train, cache)
        self.test_ids, self.test_residual, self.test_signals = self.measure(dataset.test, cache)
        self.held = held_out(self.train_ids, self.config.holdout, self.config.seed)
        self.masks = {c: np.stack([read_mask(s, self.config.image_size) for s in dataset.test if s.class_id == c])
                      for c, name in enumerate(dataset.classes) if dataset.has_masks(name)}  # fmt: skip

    def measure(self, samples: Sequence[Sample], cache: Path) -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        """Compute class ids (N,), features minus reconstruction (N, C, H, W), and signals by name, each (N, H, W)."""
        looked = self.detector.look([s.path for s in samples], [s.class_name for s in samples], cache=cache)
        if looked.reconstruction is None:
            raise InputError(f'A run of method "{self.config.method}" rebuilds nothing: choose one of "hvq".')
        return looked.class_ids, looked.features - looked.reconstruction, looked.signals

    def calibrated(self, train: Tensor, test: Tensor, normalize: bool = True) -> Tensor:
        """Measure one signal of all images (N, H, W) from what is normal, as the library does: (M, H, W)."""
        one, classes = {"residual": train}, len(self.dataset.classes)
        config = replace(self.config, score="residual", reading="norm", picture=False)
        calibration = Calibration.fit(config, one, self.train_ids, self.held, classes)
        return calibration.combine({"residual": test}, self.test_ids, config, normalize=normalize)

    def signal(self, name: str, normalize: bool = True) -> Tensor:
        """Measure the signal of that name from what is normal: (M, H, W)."""
        return self.calibrated(self.train_signals[name], self.test_signals[name], normalize)

    def whitened(self) -> Tensor:
        """Measure the residual's Mahalanobis norm, by the covariance of each class's residuals on images trained on."""
        norms = [torch.empty(len(r), *r.shape[2:]) for r in (self.train_residual, self.test_residual)]
        for c in range(len(self.dataset.classes)):
            seen = self.train_residual[(self.train_ids == c) & ~self.held].permute(0, 2, 3, 1).flatten(0, 2)
            covariance, _ = ledoit_wolf(seen.double().numpy(), assume_centered=True)
            values, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
            white = (vectors * values.rsqrt()).float()  # (C, C)
            for goal, residual, ids in zip(norms, (self.train_residual, self.test_residual),
                                           (self.train_ids, self.test_ids), strict=True):  # fmt: skip
                goal[ids == c] = torch.linalg.vector_norm(residual[ids == c].permute(0, 2, 3, 1) @ white, dim=-1)
        return self.calibrated(norms[0], norms[1])

    def judge(self, maps: Tensor, scores: Tensor) -> dict[str, float | None]:
        """Average over classes the metrics of maps (M, S, S) and image scores (M,)."""
        label, per_class = np.array([sample.label for sample in self.dataset.test]), {}
        for c, name in enumerate(self.dataset.classes):
            mine = (self.test_ids == c).numpy()
            pixels = (self.masks[c], maps.numpy()[mine]) if c in self.masks else ()
            per_class[name] = all_metrics(label[mine], scores.numpy()[mine].tolist(), *pixels)
        return mean_over_classes(per_class)


def highest(maps: Tensor, window: int, number: int) -> Tensor:
    """Average the `number` highest values of each map after a `window` x `window` mean."""
    return F.avg_pool2d(maps[:, None], window, 1).flatten(1).topk(number, 1).values.mean(1)


def readings(run: Run) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Yield a reading's name, maps (M, S, S) and image scores (M,), one after another."""
    size = (run.config.image_size,) * 2
    levels = run.detector.model.signal_names[:-1]  # the last is the released map
    residual, top = run.signal("residual"), run.signal("top")
    default = upsample(residual + 0.5 * top, size)
    yield "default: residual + half the top level", default, image_score(default)
    for name, grid in {
        "residual alone": residual,
        "residual alone, by the class's mean and spread only": run.signal("residual", False),
        "default, by the class's mean and spread only": (
            run.signal("residual", False) + 0.5 * run.signal("top", False)
        ),
        **{f"transport alone, {'top level' if level == 'top' else level}": run.signal(level) for level in levels},
        "residual + a tenth of every level": residual + 0.1 * sum(run.signal(level) for level in levels),
        "residual + the top level": residual + top,
        "whitened residual alone": run.whitened(),
        "whitened residual + half the top level": run.whitened() + 0.5 * top,
    }.items():  # fmt: skip
        maps = upsample(grid, size)
        yield name, maps, image_score(maps)
    cells = F.interpolate((residual + 0.5 * top)[:, None], size, mode="bilinear", align_corners=False)[:, 0]
    yield "default, upsampled by the middles of cells", cells, image_score(cells)
    for window in (1, 8, 32):
        yield f"default, image score over {window} x {window} pixels", default, image_score(default, window)
    for number in (200, 1000, 5000):
        yield f"default, image score the mean of the highest {number} pixels", default, highest(default, 16, number)


def rounded(value: float | None) -> float | None:
    """Round a metric, if it has a value."""
    return None if value is None else round(value, 4)


@torch.no_grad()
def main() -> None:
    """Append a row for each reading to the csv, and print it."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", type=Path, required=True)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, default=Path("data/results/readings.csv"))
    options.add_argument("--cache", type=Path, default=Path("data/cache"))
    given = options.parse_args()
    run = Run(Detector.load(given.run, "cpu"), load_dataset(given.data), given.cache)
    for name, maps, scores in readings(run):
        metrics = run.judge(maps, scores)
        row = {metric: rounded(metrics[metric]) for metric in ("image_auroc", "pixel_auroc", "aupro")}
        append_rows(given.out, COLUMNS, [{
            "data": given.data.name, "seed": run.config.seed, "steps": run.config.steps, "reading": name, **row,
            "machine": processor_name(), "commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"),
            "command": f"python -m benchmarks.readings --run {given.run.as_posix()} --data {given.data.as_posix()}",
        }])  # fmt: skip
        print(f"{name:60}", *("   n/a" if value is None else f"{100 * value:6.2f}" for value in row.values()))


if __name__ == "__main__":
    main()
