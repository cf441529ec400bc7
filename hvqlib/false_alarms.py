"""Say which false-alarm rate held-out normal images can promise, and how many images a rate needs."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.8  # with which a promised rate is kept: by four of five calibrations
FEW = 4  # held-out images of a class; of as many, some can set the level and others promise


def least_rate(promising: int) -> float:
    """Find the lowest false-alarm rate, in (0, 1], that a number of held-out normal images can promise.

    A rate r is promised when fewer than one in five calibrations at which it is missed would show no score of that many
    above the threshold: (1 - r)^n <= 1 - 0.8 (Clopper and Pearson's bound). No image promises nothing: 1.
    """
    return 1 - (1 - CONFIDENCE) ** (1 / promising) if promising else 1.0


def images_needed(rate: float) -> int:
    """Find how many held-out normal images, of all classes together, promise a false-alarm rate in (0, 1)."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log(1 - rate) - 1e-9)


def level_numbers(held: Sequence[int]) -> list[int]:
    """Say how many of each class's held-out images set the level of its scores; the others promise.

    What sets the level of a class's scores must not promise anything about them, or the promise would not be strict.
    Where scores of several classes are put together half of them set it, else a quarter, and at least two; where a
    class has fewer than four all do, unless every class is so small.
    """
    small, share = max(held, default=0) < FEW, 2 if len(held) > 1 else 4
    return [0 if small else number if number < FEW else max(2, number // share) for number in held]


def promising_images(images: Sequence[int], share: float) -> int:
    """Count the images that promise, when a share of each class's training images is held out."""
    held = [max(0, min(round(share * number), number - 1)) for number in images]
    return sum(held) - sum(level_numbers(held))


def training_images_needed(rate: float, share: float) -> int:
    """Find how many training images of a single class promise a false-alarm rate, when a share of them is held out."""
    wanted, number = images_needed(rate), 1
    while promising_images([number], share) < wanted:
        number += 1
    return number
