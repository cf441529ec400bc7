"""Compare two methods on the same test images: is the difference more than the luck of the images?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from hvqlib.errors import InputError

Scores = Mapping[str, Sequence[Sequence[float]]]  # by class: the image scores of good images, and of defective ones


class Difference(NamedTuple):
    """Hold how far one method's mean image AUROC is above another's, from -1 to 1, and how sure that is."""

    mean: float
    low: float  # the middle 95 % of what other test images might have given
    high: float
    p_value: float  # two-sided: how often images alone make so large a difference, if there is none


def paired_bootstrap(
    first: Sequence[Scores], second: Sequence[Scores], resamples: int = 10_000, seed: int = 0, trainings: bool = False
) -> Difference:
    """Compare the mean image AUROC of two methods by drawing test images anew, the same ones for both.

    Parameters
    ----------
    first, second : for each training (a seed, say) the image scores by class, of the same images in the same order. The
        AUROC of a class is averaged over a method's trainings, then over the classes.
    resamples : how often images are drawn, with replacement, good and defective ones of each class for themselves.
    trainings : draw trainings as well, in pairs: the first method's n-th goes with the second's.

    Returns
    -------
    Difference, positive where the first is ahead. Without `trainings` the interval is that of the images alone: what
    another training would change is not in it. With few trainings it is too narrow: from three alone one cannot tell
    much of a fourth. Source: Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapters 13, 16.

    Raises InputError where the two were not measured on the same images, or trainings that are drawn form no pairs.
    """
    numbers = [{name: tuple(len(kind) for kind in both) for name, both in one.items()} for one in (*first, *second)]
    if not first or not second or any(one != numbers[0] for one in numbers):
        raise InputError("Both methods need the scores of the same test images, at least one training of each.")
    if trainings and len(first) != len(second):
        raise InputError(
            f"Trainings are compared in pairs: there are {len(first)} of one and {len(second)} of the other."
        )
    random = np.random.default_rng(seed)
    n = len(first)
    shares = random.multinomial(n, np.full(n, 1 / n), resamples) / n if trainings else np.ones((resamples, 1))
    drawn, exact = np.zeros(resamples), 0.0
    for name, (good, defective) in numbers[0].items():
        if not good or not defective:
            raise InputError(f"The class {name} needs good and defective test images.")
        ours, theirs = (np.stack([pairs(*one[name]) for one in some]) for some in (first, second))
        won = ours - theirs if trainings else (ours.mean(0) - theirs.mean(0))[None]  # (trainings or 1, good, defective)
        weights = [random.multinomial(n, np.full(n, 1 / n), resamples) / n for n in (good, defective)]
        for share, of_one in zip(shares.T, won, strict=True):
            drawn += share * ((weights[0] @ of_one) * weights[1]).sum(1) / len(numbers[0])
        exact += won.mean() / len(numbers[0])
    low, high = np.quantile(drawn, (0.025, 0.975))
    # How many resamples fall on the other side of 0 stands for how rare such a difference is where there is none.
    tail = min((np.sum(drawn <= 0) + 1, np.sum(drawn >= 0) + 1)) / (resamples + 1)
    return Difference(float(exact), float(low), float(high), float(min(1.0, 2 * tail)))


def pairs(good: Sequence[float], defective: Sequence[float]) -> np.ndarray:
    """Say for each pair (good, defective) whether the defective image scores higher: 1, 0, or 1/2 in a tie."""
    a, b = np.asarray(good)[:, None], np.asarray(defective)[None]
    won: np.ndarray = (b > a) + (b == a) / 2
    return won


def holm(p_values: Sequence[float]) -> list[float]:
    """Raise the p-values of several questions, so that the chance of any false answer among them stays as stated.

    Source: Holm, "A simple sequentially rejective multiple test procedure", 1979.
    """
    order = np.argsort(p_values, kind="stable")
    raised = np.asarray(p_values, float)[order] * np.arange(len(order), 0, -1)
    result = np.empty(len(order))
    result[order] = np.minimum(np.maximum.accumulate(raised), 1)
    values: list[float] = result.tolist()
    return values
