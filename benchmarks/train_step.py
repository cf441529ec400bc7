"""Seconds a training step, and an epoch with cached features against one that runs the backbone every step.

    python -m benchmarks.train_step [--preset paper] [--threads 2] [--device cuda] [--images DIR]

Medians of several steps on random features (batch 16, 15 classes); the epoch is measured on DIR, a data set folder.
"""

from __future__ import annotations

import argparse
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch

from hvqlib.config import PRESETS, Config
from hvqlib.data.dataset import load_dataset
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import features_of_images
from hvqlib.features.standardize import Standardize
from hvqlib.model.hvq_trans import HVQTrans


def step(model: HVQTrans, optimizer: torch.optim.Optimizer, features: torch.Tensor, class_ids: torch.Tensor) -> None:
    """Do what the training loop does with a batch."""
    bfloat16 = model.config.precision == "bfloat16"
    with torch.autocast(features.device.type, torch.bfloat16, enabled=bfloat16):
        loss, _ = model.loss(features, class_ids)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), model.config.clip)
    optimizer.step()


def seconds_a_step(config: Config, channels: int, device: str, classes: int = 15, repeats: int = 7) -> float:
    """Time `repeats` steps, after two that do not count; the median."""
    torch.manual_seed(0)
    model = HVQTrans(config, channels, classes).to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), config.lr, fused=True)
    features = torch.randn(config.batch_size, channels, config.grid, config.grid, device=device)
    class_ids = torch.arange(config.batch_size, device=device) % classes
    times = []
    for _ in range(repeats + 2):
        began = time.perf_counter()
        step(model, optimizer, features, class_ids)
        if device != "cpu":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - began)
    return statistics.median(times[2:])


def epochs(config: Config, images: Path) -> tuple[float, float]:
    """Time one epoch with the features in memory, and one that computes them each step."""
    dataset = load_dataset(images)
    paths = [sample.path for sample in dataset.train]
    class_ids = torch.tensor([sample.class_id for sample in dataset.train])
    backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling)
    features = features_of_images(backbone, paths)[:]
    standardize = Standardize.fit(features)
    model = HVQTrans(config, features.shape[1], len(dataset.classes)).train()
    optimizer = torch.optim.AdamW(model.parameters(), config.lr, fused=True)
    times = []
    for cached in (True, False):
        began = time.perf_counter()
        for at in range(0, len(paths), config.batch_size):
            part = slice(at, at + config.batch_size)
            batch = features[part] if cached else features_of_images(backbone, paths[part])[:]
            step(model, optimizer, standardize(batch), class_ids[part])
        times.append(time.perf_counter() - began)
    return times[0], times[1]


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--preset", choices=sorted(PRESETS), default="paper")
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--device", default="cpu")
    options.add_argument("--images", type=Path)
    given = options.parse_args()
    torch.set_num_threads(given.threads)
    config = PRESETS[given.preset]
    channels = 272 if config.backbone.startswith("tf_efficientnet_b4") else 192
    print(f"preset {given.preset}, {given.threads} threads, torch {torch.__version__}")
    for precision in ("float32", "bfloat16"):
        print(
            f"step, {precision}: {seconds_a_step(replace(config, precision=precision), channels, given.device):.3f} s"
        )
    if given.images:
        cached, whole = epochs(config, given.images)
        print(f"epoch: {cached:.1f} s with cached features, {whole:.1f} s with the backbone: {whole / cached:.1f} x")


if __name__ == "__main__":
    main()
