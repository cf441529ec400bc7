"""Hold normal images out, and measure the level and the spread of a class's unseen ones, from few of them."""

from __future__ import annotations

import torch
from torch import Tensor

from hvqlib.false_alarms import level_numbers

PRIOR = 2.0  # images: with that many, the spread of unseen values counts as much as what the others let expect
LEAST_SPREAD = 0.01  # as a share of the values' size
FLOOR = 1e-6  # of a spread, in the unit of the values


def held_out(class_ids: Tensor, share: float, seed: int) -> Tensor:
    """Draw which training images (N,) bool are kept for calibration: `share` of each class (rounded), by seed."""
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(class_ids), dtype=torch.bool)
    for c in class_ids.unique().tolist():
        images = (class_ids == c).nonzero()[:, 0]
        images = images[torch.randperm(len(images), generator=generator)]
        held[images[: min(round(share * len(images)), len(images) - 1)]] = True
    return held


def level_images(class_ids: Tensor, held: Tensor) -> Tensor:
    """Choose which held-out images (N,) bool set the level of their class, evenly over their order."""
    levels = torch.zeros_like(held)
    classes = class_ids.unique().tolist()
    of_class = [((class_ids == c) & held).nonzero()[:, 0] for c in classes]
    for mine, number in zip(of_class, level_numbers([len(mine) for mine in of_class]), strict=True):
        levels[mine[torch.arange(number) * len(mine) // max(1, number)]] = True
    return levels


def level(values: Tensor, class_ids: Tensor, held: Tensor, classes: int) -> tuple[Tensor, Tensor]:
    """Measure mean and spread (classes,) of the values (N,) of a class's unseen normal images.

    The mean is that of the images that set the level (:func:`level_images`); what it is of images trained on says
    little, since a network knows those. They are few, so their variance is drawn towards that of the images trained
    on, enlarged as in the other classes; that alone, and as large a rise, count where a class has none of them.
    """
    levels = level_images(class_ids, held)
    mean, spread = values.new_zeros(classes), values.new_ones(classes)
    known, unseen = ({c: values[(class_ids == c) & which] for c in class_ids.unique().tolist()}
                     for which in (~held, levels))  # fmt: skip
    variance = {c: _variance(v) for c, v in known.items()}
    there = [c for c, v in unseen.items() if len(v) > 1]
    larger = [_variance(unseen[c]) / variance[c] for c in there]
    factor = torch.stack(larger).log().mean().exp() if larger else values.new_ones(())
    rises = [(unseen[c].mean() - known[c].mean()) / (factor * variance[c]).sqrt() for c in there]
    rise = torch.stack(rises).mean() if rises else values.new_zeros(())
    for c, seen in known.items():
        expected, n = factor * variance[c], len(unseen[c])
        mean[c] = unseen[c].mean() if n else seen.mean() + rise * expected.sqrt()
        if n:
            expected = ((unseen[c] - mean[c]).square().sum() + PRIOR * expected) / (n - 1 + PRIOR)
        spread[c] = expected.sqrt()
    return mean, spread


def _variance(values: Tensor) -> Tensor:
    """Measure the variance () of values (n,), which is never quite nothing."""
    return values.var(correction=0).clamp(min=(LEAST_SPREAD * float(values.abs().mean()) + FLOOR) ** 2)
