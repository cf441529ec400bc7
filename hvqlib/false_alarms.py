"""Say which false-alarm rate held-out normal images can promise, and how many images a rate needs."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence

from hvqlib.errors import InputError

CONFIDENCE = 0.8  # with which a promised rate is kept: by four of five calibrations


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
    Half of them set it where scores of several classes are put together; a quarter is enough for one class.
    """
    return [number // (2 if len(held) > 1 else 4) for number in held]


def threshold_rank(false_alarm: float | None, bounds: Sequence[float], promise: str) -> int:
    """Find which of N held-out scores, in ascending order, is the threshold at a false-alarm rate; None: the highest.

    `bounds` (N + 1,), in ascending order, are the p-values of a score that 0, 1, ... N of them reach. Raises InputError
    where the rate is not between 0 and 1, or is below all of them; then the sentence `promise` says what can be had.
    """
    number = len(bounds) - 1
    if false_alarm is None:
        return number - 1
    if not 0 < false_alarm < 1:
        raise InputError(f"The false-alarm rate is {false_alarm:g}: choose one above 0 and below 1.")
    allowed = bisect_right(bounds, false_alarm + 1e-9)  # one more than held-out scores above a defect's
    if not allowed:
        raise InputError(f"A false-alarm rate of {false_alarm:g} cannot be promised. {promise}")
    return number - allowed


def promising_images(images: Sequence[int], share: float) -> int:
    """Count the images that promise, when a share of each class's training images is held out."""
    held = [max(0, min(round(share * number), number - 1)) for number in images]
    return sum(held) - sum(level_numbers(held))


def training_images_needed(rate: float, share: float, classes: int = 1) -> int:
    """Find how many training images of each class promise a false-alarm rate, when a share above 0 is held out."""
    if not share > 0:
        raise InputError("Where nothing is held out no number of images promises a false-alarm rate: hold a share out.")
    wanted, number = images_needed(rate), 1
    while promising_images([number] * classes, share) < wanted:
        number += 1
    return number


def told_shortage(images: Sequence[int], share: float, rate: float = 0.05) -> str:
    """Say in a sentence how many training images a rate needs, where `images` of each class are too few; else ""."""
    promising = promising_images(images, share)
    if not images or promising >= images_needed(rate):
        return ""
    least = f" below {100 * least_rate(promising):.2g} %" if promising else ""
    if not share:
        return f"Nothing is held out: no false-alarm rate{least} can be promised."
    one, each = training_images_needed(rate, share), training_images_needed(rate, share, len(images))
    needed = f"{one:,}" if len(images) == 1 else f"{each:,} of each of the {len(images)} classes"
    return (f"{sum(images):,} normal training images can promise no false-alarm rate{least}: "
            f"{100 * rate:.0f} % needs {needed}, {100 * share:.0f} % of which are held out.")  # fmt: skip
