"""Time and peak memory of training and of evaluating, against the number of images and of classes.

    python -m benchmarks.scale [--sizes 500x6 5000x6 500x60] [--preset tiny] [--threads 2] [--folder DIR]

For each size IMAGESxCLASSES a data set of that many training and as many test images is made (small random pictures,
half of the test images with a blob in their mask), random features are put into the cache in place of the backbone's,
and one epoch of training, the calibration, and an evaluation are run in processes of their own. So the figures hold for
cached features; `benchmarks/inference.py` has the cost of computing them. Prints a table in Markdown.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.measure import PeakMemory
from hvqlib.config import PRESETS
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.evaluation.evaluate import evaluate
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import stored_features
from hvqlib.features.feature_file import FeatureFile
from hvqlib.training.train import train


def make(folder: Path, images: int, classes: int, preset: str) -> None:
    """Draw the data set in `folder`/data, and random features of its images in `folder`/cache."""
    random = np.random.default_rng(0)
    paths = []
    for i in range(2 * images):
        kind, name = i % classes, f"{i // classes:05d}"
        hurt = i >= images and i // classes % 2 == 1
        where = "train/good" if i < images else "test/spot" if hurt else "test/good"
        path = folder / "data" / f"c{kind:03d}" / where / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
        paths.append(path)
        if hurt:
            mask = np.zeros((16, 16), np.uint8)
            mask[5:8, random.integers(12) :][:, :3] = 255
            path = folder / "data" / f"c{kind:03d}" / "ground_truth/spot" / f"{name}_mask.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(path)
    config = PRESETS[preset]
    backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling)
    file: FeatureFile = stored_features(backbone, [], folder / "cache").file  # where its features would be
    torch.manual_seed(0)
    for path in paths:
        file.write(hashlib.sha256(path.read_bytes()).digest(), torch.randn(file.shape))


def step(what: str, folder: Path, preset: str, threads: int) -> dict:
    """Train for an epoch, or evaluate: seconds in all and at each step, and the process's peak memory in MB."""
    took: list[float] = []
    torch.set_num_threads(threads)
    dataset = load_dataset(folder / "data")
    began = time.perf_counter()
    with PeakMemory() as memory:
        if what == "train":
            config = replace(PRESETS[preset], epochs=1, holdout=0.2)
            train(config, dataset, folder / "run", cache=folder / "cache", progress=False,
                  watch=lambda *_: took.append(time.perf_counter() - began))  # fmt: skip
        else:
            evaluate(Detector.load(folder / "run"), dataset, cache=folder / "cache")
        seconds = time.perf_counter() - began
    return {"seconds": seconds, "peak": memory.megabytes, "took": took}


def run(*arguments: Any) -> dict:
    """Take one :func:`step` in a process of its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(step, *arguments).result()


def main() -> None:
    """Print the table."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--sizes", nargs="+", default=["500x6", "5000x6", "500x60"], metavar="IMAGESxCLASSES")
    options.add_argument("--preset", choices=sorted(PRESETS), default="tiny")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--folder", type=Path, help="for the data sets; default: a temporary one")
    given = options.parse_args()
    print(f"preset {given.preset}, {given.threads} threads, torch {torch.__version__}\n")
    print("| images to train on, to test | classes | an epoch, s | calibration, s | training, peak MB | evaluation, s "
          "| evaluation, peak MB |\n|---|---|---|---|---|---|---|")  # fmt: skip
    for size in given.sizes:
        images, classes = map(int, size.split("x"))
        with tempfile.TemporaryDirectory(dir=given.folder) as folder:
            make(Path(folder), images, classes, given.preset)
            trained = run("train", Path(folder), given.preset, given.threads)
            judged = run("evaluate", Path(folder), given.preset, given.threads)
        took = trained["took"]
        epoch = (took[-1] - took[0]) * len(took) / (len(took) - 1)
        rest = trained["seconds"] - took[-1]
        print(f"| {images} | {classes} | {epoch:.0f} | {rest:.0f} | {trained['peak']:.0f} | {judged['seconds']:.0f} "
              f"| {judged['peak']:.0f} |", flush=True)  # fmt: skip
    print(f"\n{time.strftime('%Y-%m-%d')}; peaks are of the whole process, torch and the backbone included")


if __name__ == "__main__":
    main()
