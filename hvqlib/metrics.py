"""How good a detector is: AUROC, AP, best F1 and AUPRO, exact, from one sort each.

A curve is drawn by lowering a threshold over the scores and counting what lies at or above it.
Equal scores cross the threshold together, as in scikit-learn. A metric without both kinds of
samples has no value: the functions return None, "not available". A detector that ranks the wrong
way round scores below 0.5 in AUROC and is not flipped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from hvqlib.config import InputError

METRICS = (
    "image_auroc",
    "image_ap",
    "image_f1max",
    "pixel_auroc",
    "pixel_ap",
    "pixel_f1max",
    "aupro",
)


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the receiver operating characteristic.

    Parameters
    ----------
    labels : array of bool or 0/1, any shape
        1 is anomalous.
    scores : array of the same shape
        Higher is more anomalous.

    Returns
    -------
    float in [0, 1], or None
        0.5 is chance: the probability that an anomalous sample scores above a normal one, ties
        counting half. None if only one kind of sample is present.

    Raises
    ------
    InputError
        A score is not finite, or the shapes differ.
    """
    return _auroc(*_counts(labels, scores))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Area under the precision-recall steps, as scikit-learn's `average_precision_score`.

    Parameters, result and errors are those of `auroc`; chance is the share of anomalous samples.
    """
    return _average_precision(*_counts(labels, scores))


def f1_max(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Highest F1 over all thresholds. Parameters, result and errors are those of `auroc`."""
    return _f1_max(*_counts(labels, scores))


def aupro(masks: Iterable[np.ndarray], maps: Iterable[np.ndarray], limit: float = 0.3) -> float | None:
    """Area under the per-region overlap curve, up to a false positive rate.

    The overlap is the share of a defect region's pixels at or above the threshold, averaged over
    all regions (8-connected), so a small defect counts as much as a large one. Its curve over the
    false positive rate of the normal pixels is integrated from 0 to `limit`, linearly interpolated
    there, and divided by `limit`.

    Source: Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021, section 5.2.

    Parameters
    ----------
    masks : N arrays of bool or 0/1, shape (H, W)
    maps : N arrays of numbers, shape (H, W)
        Higher is more anomalous.
    limit : float in (0, 1]

    Returns
    -------
    float in [0, 1], or None
        None if no pixel is defective or none is normal.

    Raises
    ------
    InputError
        A map is not finite, shapes differ, or `limit` is out of its range.
    """
    return _aupro(*_region_counts(masks, maps)[2:], limit)


def summarize(
    labels: ArrayLike,
    scores: ArrayLike,
    masks: Iterable[np.ndarray] | None = None,
    maps: Iterable[np.ndarray] | None = None,
) -> dict[str, float | None]:
    """All seven metrics of one class.

    Parameters
    ----------
    labels, scores : arrays, shape (N,)
        One of each an image.
    masks, maps : N arrays of shape (H, W), optional
        Without masks or without maps the pixel metrics are None.

    Returns
    -------
    dict
        The keys of `METRICS`, each a float or None.
    """
    values: dict[str, float | None] = dict.fromkeys(METRICS)
    true, false = _counts(labels, scores)
    values["image_auroc"] = _auroc(true, false)
    values["image_ap"] = _average_precision(true, false)
    values["image_f1max"] = _f1_max(true, false)
    if masks is not None and maps is not None:
        true, false, overlap, false_rate = _region_counts(masks, maps)
        values["pixel_auroc"] = _auroc(true, false)
        values["pixel_ap"] = _average_precision(true, false)
        values["pixel_f1max"] = _f1_max(true, false)
        values["aupro"] = _aupro(overlap, false_rate, 0.3)
    return values


def mean_over_classes(
    per_class: Mapping[str, Mapping[str, float | None]],
) -> dict[str, float | None]:
    """Mean of every metric over the classes where it is available; None if it nowhere is."""
    result: dict[str, float | None] = {}
    for name in METRICS:
        values = [v for row in per_class.values() if (v := row.get(name)) is not None]
        result[name] = float(np.mean(values)) if values else None
    return result


def _counts(labels: ArrayLike, scores: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives at every distinct threshold, highest first. One sort."""
    positive, scores = np.asarray(labels).ravel().astype(bool), np.asarray(scores).ravel()
    order, last = _falling(scores, len(positive))
    true = np.cumsum(positive[order])[last]
    return true, last + 1 - true


def _falling(scores: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The order from highest to lowest score, and where in it each run of equal scores ends."""
    if len(scores) != count:
        raise InputError(f"There are {count} labels but {len(scores)} scores: give one of each.")
    if not np.isfinite(scores).all():
        raise InputError("A score is not a finite number: check the model that gave it.")
    order = np.argsort(-scores if scores.dtype.kind == "f" else -scores.astype(float))
    ordered = scores[order]
    return order, np.flatnonzero(np.append(ordered[1:] != ordered[:-1], [True] * (count > 0)))


def _region_counts(
    masks: Iterable[np.ndarray], maps: Iterable[np.ndarray]
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """True and false positives, mean overlap of the regions and false positive rate. One sort.

    A defective pixel of a region of s pixels adds 1 / (s x regions) to the mean overlap as soon as
    the threshold falls to its score, so the whole curve is one running sum.
    """
    masks, maps = [np.asarray(m).astype(bool) for m in masks], [np.asarray(m) for m in maps]
    if [m.shape for m in masks] != [m.shape for m in maps]:
        raise InputError("Masks and maps have different shapes: give one map a mask, of its size.")
    shares, regions = [], 0
    for mask in masks:
        numbered, count = ndimage.label(mask, structure=np.ones((3, 3)))
        sizes = np.bincount(numbered.ravel(), minlength=count + 1)
        share = np.append(0.0, 1 / sizes[1:])  # by region; number 0 is the normal pixels
        shares.append(share[numbered].ravel())
        regions += count
    positive = np.concatenate([m.ravel() for m in masks]) if masks else np.zeros(0, bool)
    scores = np.concatenate([m.ravel() for m in maps]) if maps else np.zeros(0)
    order, last = _falling(scores, len(positive))
    true = np.cumsum(positive[order])[last]
    false = last + 1 - true
    if not regions or not false[-1]:
        return true, false, np.zeros(0), np.zeros(0)
    overlap = np.cumsum(np.concatenate(shares)[order])[last] / regions
    return true, false, overlap, false / false[-1]


def _auroc(true: np.ndarray, false: np.ndarray) -> float | None:
    if not _both(true, false):
        return None
    return float(_area(np.append(0, false), np.append(0, true)) / (true[-1] * false[-1]))


def _average_precision(true: np.ndarray, false: np.ndarray) -> float | None:
    if not _both(true, false):
        return None
    return float(np.sum(np.diff(true, prepend=0) * (true / (true + false))) / true[-1])


def _f1_max(true: np.ndarray, false: np.ndarray) -> float | None:
    if not _both(true, false):
        return None
    return float(np.max(2 * true / (true + false + true[-1])))


def _aupro(overlap: np.ndarray, false_rate: np.ndarray, limit: float) -> float | None:
    if not 0 < limit <= 1:
        raise InputError(f"The limit of the false positive rate is {limit}: give 0 < limit <= 1.")
    if not len(overlap):
        return None
    x, y = np.append(0.0, false_rate), np.append(0.0, overlap)
    end = int(np.searchsorted(x, limit))  # the first point at or beyond the limit; x rises to 1
    y[end] = y[end - 1] + (y[end] - y[end - 1]) * (limit - x[end - 1]) / (x[end] - x[end - 1])
    x[end] = limit
    return float(_area(x[: end + 1], y[: end + 1]) / limit)


def _area(x: np.ndarray, y: np.ndarray) -> float:
    """Under the straight lines between points."""
    return np.sum(np.diff(x) * (y[1:] + y[:-1]) / 2)


def _both(true: np.ndarray, false: np.ndarray) -> bool:
    return len(true) > 0 and true[-1] > 0 and false[-1] > 0
