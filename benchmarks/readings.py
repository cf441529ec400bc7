"""Other ways to read one trained run, none of which needs another training: what would help, and what would not.

    python benchmarks/readings.py --run runs/demo --data data/foundry [--out data/results/readings.csv]

Reads the test images' labels, so it explains a choice; it must not make one.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import torch
from sklearn.covariance import ledoit_wolf
from torch import Tensor
from torch.nn import functional as F

from benchmarks.ablate import _commit, _processor
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_mask
from hvqlib.data.layouts import Sample
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.calibration import Calibration
from hvqlib.detector.detector import Detector
from hvqlib.evaluation.metrics import all_metrics, mean_over_classes
from hvqlib.features.extraction import extract_features
from hvqlib.training.train import held_out

COLUMNS = ("data", "seed", "steps", "reading", "image_auroc", "pixel_auroc", "aupro", "machine", "commit", "date",
           "command")  # fmt: skip


class Run:
    """Residual vectors and signals of a run on all images of a data set."""

    def __init__(self, detector: Detector, dataset: AnomalyDataset, cache: Path) -> None:
        self.detector, self.dataset, self.config = detector, dataset, detector.config
        self.train_ids, self.train_residual, self.train_signals = self.look(dataset.train, cache)
        self.test_ids, self.test_residual, self.test_signals = self.look(dataset.test, cache)
        self.held = held_out(self.train_ids, self.config.holdout, self.config.seed)
        self.masks = {c: np.stack([read_mask(s, self.config.image_size) for s in dataset.test if s.class_id == c])
                      for c, name in enumerate(dataset.classes) if dataset.has_masks(name)}  # fmt: skip

    def look(self, samples: list[Sample], cache: Path) -> tuple[Tensor, Tensor, Tensor]:
        """Class ids (N,), features minus reconstruction (N, C, H, W), signals (N, S, H, W)."""
        model, residual, signals = self.detector.model, [], []
        class_ids = torch.tensor([sample.class_id for sample in samples])
        features = extract_features(self.detector.backbone, [sample.path for sample in samples], cache)
        for some in torch.arange(len(samples)).split(self.config.batch_size):
            batch = self.detector.standardize(features[some])
            residual.append(batch - model(batch, class_ids[some]).reconstruction)
            signals.append(model.signals(batch, class_ids[some]))
        return class_ids, torch.cat(residual), torch.cat(signals)

    def calibrated(self, train: Tensor, test: Tensor, normalize: bool = True) -> Tensor:
        """One signal of all images (N, H, W), measured from what is normal, as the library does: (M, H, W)."""
        calibration = Calibration.fit(self.config, train[:, None], self.train_ids, self.held, len(self.dataset.classes))
        return calibration.combine(test[:, None], self.test_ids, self.config, "residual", normalize)

    def signal(self, i: int, normalize: bool = True) -> Tensor:
        return self.calibrated(self.train_signals[:, i], self.test_signals[:, i], normalize)

    def whitened(self) -> Tensor:
        """The residual's Mahalanobis norm, by the covariance of each class's residuals on images trained on."""
        found = [torch.empty(len(r), *r.shape[2:]) for r in (self.train_residual, self.test_residual)]
        for c in range(len(self.dataset.classes)):
            seen = self.train_residual[(self.train_ids == c) & ~self.held].permute(0, 2, 3, 1).flatten(0, 2)
            covariance, _ = ledoit_wolf(seen.double().numpy(), assume_centered=True)
            values, vectors = torch.linalg.eigh(torch.from_numpy(covariance))
            white = (vectors * values.rsqrt()).float()  # (C, C)
            for goal, residual, ids in zip(found, (self.train_residual, self.test_residual),
                                           (self.train_ids, self.test_ids), strict=True):  # fmt: skip
                goal[ids == c] = torch.linalg.vector_norm(residual[ids == c].permute(0, 2, 3, 1) @ white, dim=-1)
        return self.calibrated(*found)

    def judge(self, maps: Tensor, scores: Tensor) -> dict[str, float | None]:
        """Mean over classes of the metrics of maps (M, S, S) and image scores (M,)."""
        label, found = np.array([sample.label for sample in self.dataset.test]), {}
        for c, name in enumerate(self.dataset.classes):
            mine = (self.test_ids == c).numpy()
            pixels = (self.masks[c], maps.numpy()[mine]) if c in self.masks else ()
            found[name] = all_metrics(label[mine], scores.numpy()[mine].tolist(), *pixels)
        return mean_over_classes(found)


def highest(maps: Tensor, window: int, number: int) -> Tensor:
    """Mean of the `number` highest values of each map after a `window` x `window` mean."""
    return F.avg_pool2d(maps[:, None], window, 1).flatten(1).topk(number, 1).values.mean(1)


def readings(run: Run) -> Iterator[tuple[str, Tensor, Tensor]]:
    """Name, maps (M, S, S), image scores (M,)."""
    size = (run.config.image_size,) * 2
    residual, top = run.signal(0), run.signal(1)
    default = upsample(residual + 0.5 * top, size)
    yield "default: residual + half the top level", default, image_score(default)
    for name, grid in {
        "residual alone": residual,
        "residual alone, by the class's mean and spread only": run.signal(0, False),
        "default, by the class's mean and spread only": run.signal(0, False) + 0.5 * run.signal(1, False),
        **{f"transport alone, {level}": run.signal(i)
           for i, level in enumerate(("top level", "level 3", "level 2", "level 1", "level 0"), 1)},
        "residual + a tenth of every level": residual + 0.1 * sum(run.signal(i) for i in range(1, 6)),
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


@torch.no_grad()
def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--run", type=Path, required=True)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, default=Path("data/results/readings.csv"))
    options.add_argument("--cache", type=Path, default=Path("data/cache"))
    given = options.parse_args()
    run = Run(Detector.load(given.run, "cpu"), load_dataset(given.data), given.cache)
    new = not given.out.exists()
    with given.out.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        if new:
            writer.writeheader()
        for name, maps, scores in readings(run):
            found = run.judge(maps, scores)
            row = {metric: round(found[metric], 4) for metric in ("image_auroc", "pixel_auroc", "aupro")}
            writer.writerow({
                "data": given.data.name, "seed": run.config.seed, "steps": run.config.steps, "reading": name, **row,
                "machine": _processor(), "commit": _commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"),
                "command": f"python benchmarks/readings.py --run {given.run} --data {given.data}",
            })  # fmt: skip
            file.flush()
            print(f"{name:60}", *(f"{100 * value:6.2f}" for value in row.values()))


if __name__ == "__main__":
    main()
