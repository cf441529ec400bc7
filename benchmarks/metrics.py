"""The seven metrics of a whole data set, timed, and AUPRO beside the way it is often computed.

    python -m benchmarks.metrics [--images 1725] [--classes 15] [--size 224] [--thresholds 200] [--slow 12]

Random smooth maps and masks with one to three blobs on two thirds of the images, as many as MVTec AD has for testing.
The common way is: at each of `--thresholds` thresholds, one pass of connected components over every mask, then the
overlap of each region. It is timed on `--slow` images and scaled up; it is also inexact.
Prints seconds, the process's peak memory, and the ratio for AUPRO alone.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from scipy import integrate, ndimage

from benchmarks.measure import PeakMemory
from hvqlib.evaluation.metrics import METRICS, all_metrics, aupro, mean_over_classes


def draw(random: np.random.Generator, size: int, hurt: bool) -> tuple[np.ndarray, np.ndarray]:
    """A mask (size, size) bool, with blobs if `hurt`, and a smooth random map (size, size) float32 that rises on it."""
    y, x = np.mgrid[:size, :size]
    mask = np.zeros((size, size), bool)
    for _ in range(random.integers(1, 4) if hurt else 0):
        cy, cx, ry, rx = (*random.uniform(0.1, 0.9, 2) * size, *random.uniform(0.02, 0.1, 2) * size)
        mask |= ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1
    noise = ndimage.zoom(random.normal(size=(14, 14)), size / 14, order=1)
    return mask, (noise + mask + random.normal(0, 0.01, mask.shape)).astype(np.float32)


def aupro_by_passes(masks: np.ndarray, maps: np.ndarray, thresholds: int, limit: float = 0.3) -> float:
    """AUPRO with a pass of connected components over every mask at every threshold."""
    points = []
    for threshold in np.linspace(maps.max(), maps.min(), thresholds):
        overlaps = []
        for mask, amap in zip(masks, maps, strict=True):
            numbered, count = ndimage.label(mask, structure=np.ones((3, 3)))
            overlaps += [(amap[numbered == region] >= threshold).mean() for region in range(1, count + 1)]
        points.append(((maps[~masks] >= threshold).mean(), np.mean(overlaps)))
    x, y = np.array(points).T
    grid = np.linspace(0, limit, 1000)
    return float(integrate.trapezoid(np.interp(grid, x, y), grid) / limit)


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, default in (("images", 1725), ("classes", 15), ("size", 224), ("thresholds", 200), ("slow", 12)):
        options.add_argument(f"--{name}", type=int, default=default)
    given = options.parse_args()
    random = np.random.default_rng(0)
    number = given.images // given.classes
    per_class, seconds, seconds_aupro = {}, 0.0, 0.0
    with PeakMemory() as memory:
        for class_id in range(given.classes):
            drawn = (draw(random, given.size, i % 3 > 0) for i in range(number))
            masks, maps = (np.stack(kind) for kind in zip(*drawn, strict=True))
            labels, scores = masks.any((1, 2)), maps.max((1, 2))
            began = time.perf_counter()
            per_class[str(class_id)] = all_metrics(labels, scores, masks, maps)
            seconds += time.perf_counter() - began
            began = time.perf_counter()
            aupro(masks, maps)
            seconds_aupro += time.perf_counter() - began
    means = mean_over_classes(per_class)
    print(", ".join(f"{name} {means[name]:.3f}" for name in METRICS))
    total = number * given.classes
    peak = memory.megabytes / 1024
    print(f"all seven, {total} maps of {given.size} x {given.size}: {seconds:.1f} s; peak memory {peak:.2f} GiB")
    began = time.perf_counter()
    rough = aupro_by_passes(masks[: given.slow], maps[: given.slow], given.thresholds)
    slow = (time.perf_counter() - began) * total / given.slow
    exact = aupro(masks[: given.slow], maps[: given.slow])
    print(f"AUPRO alone: {seconds_aupro:.1f} s; by a pass a threshold ({given.thresholds}): {slow:.0f} s")
    print(f"ratio {slow / seconds_aupro:.0f}; on {given.slow} images {exact:.4f} exactly, {rough:.4f} by passes")


if __name__ == "__main__":
    main()
