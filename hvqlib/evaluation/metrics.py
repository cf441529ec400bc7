"""Measure how good a detector is: AUROC, AP, best F1 and AUPRO, exact, in the memory of the anomalous samples.

A curve is drawn by lowering a threshold over the scores and counting what lies at or above it.
Equal scores cross the threshold together, as in scikit-learn. A metric without both kinds of
samples has no value: the functions return None, "not available". A detector that ranks the wrong
way round scores below 0.5 in AUROC and is not flipped.

Every curve bends only where an anomalous sample crosses the threshold. So only the scores of the
anomalous samples, a few in a hundred of the pixels, are kept and sorted; the normal ones are
counted between them, one image at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage
from scipy.integrate import trapezoid

from hvqlib.errors import InputError

Arrays = Sequence[np.ndarray] | np.ndarray

METRICS = ("image_auroc", "image_ap", "image_f1max", "pixel_auroc", "pixel_ap", "pixel_f1max", "aupro")


def auroc(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Compute the area under the receiver operating characteristic.

    Parameters
    ----------
    labels, scores : arrays of one shape; label 1 (or True) is anomalous, a higher score more anomalous.

    Returns
    -------
    The probability that an anomalous sample scores above a normal one, ties counting half, in [0, 1]: 0.5 is chance.
    None if only one kind of sample is present. Raises InputError where a score is not finite, or the shapes differ.
    """
    return _auroc(_ranking(labels, scores))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Compute the area under the precision-recall steps, as scikit-learn's `average_precision_score`.

    Parameters, result and errors are those of `auroc`; chance is the share of anomalous samples.
    """
    return _average_precision(_ranking(labels, scores))


def f1_max(labels: ArrayLike, scores: ArrayLike) -> float | None:
    """Compute the highest F1 over all thresholds. Parameters, result and errors are those of `auroc`."""
    return _f1_max(_ranking(labels, scores))


def aupro(masks: Iterable[np.ndarray], maps: Iterable[np.ndarray], limit: float = 0.3) -> float | None:
    """Compute the area under the per-region overlap curve, up to a false positive rate.

    The overlap is the share of a defect region's pixels at or above the threshold, averaged over
    all regions (8-connected), so a small defect counts as much as a large one. Its curve over the
    false positive rate of the normal pixels is integrated from 0 to `limit`, linearly interpolated
    there, and divided by `limit`.

    Source: Bergmann et al., "The MVTec Anomaly Detection Dataset", IJCV 2021, section 5.2.

    Parameters
    ----------
    masks, maps : N arrays (H, W) each, gone through twice, an image at a time, so they may lie on disk.
    limit : in (0, 1]

    Returns
    -------
    A share in [0, 1]; None if no pixel is defective or none is normal. Raises InputError where a map is not finite,
    shapes differ, or `limit` is out of its range.
    """
    return _aupro(_pixels(masks, maps), limit)


def all_metrics(
    labels: ArrayLike,
    scores: ArrayLike,
    masks: Iterable[np.ndarray] | None = None,
    maps: Iterable[np.ndarray] | None = None,
) -> dict[str, float | None]:
    """Compute all seven metrics of one class, by the names of `METRICS`, each a float or None.

    Parameters
    ----------
    labels, scores : arrays (N,), one of each per image.
    masks, maps : N arrays (H, W) each, as in `aupro`; without either the pixel metrics are None.
    """
    ranking = _ranking(labels, scores)
    values = [_auroc(ranking), _average_precision(ranking), _f1_max(ranking)]
    if masks is not None and maps is not None:
        pixels = _pixels(masks, maps)
        values += [_auroc(pixels), _average_precision(pixels), _f1_max(pixels), _aupro(pixels, 0.3)]
    return dict.fromkeys(METRICS) | dict(zip(METRICS, values, strict=False))


def mean_over_classes(per_class: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
    """Average every metric over the classes where it is available; None if it nowhere is."""
    result: dict[str, float | None] = {}
    for name in METRICS:
        values = [v for row in per_class.values() if (v := row.get(name)) is not None]
        result[name] = float(np.mean(values)) if values else None
    return result


@dataclass
class _Curve:
    """Counts at each distinct score of an anomalous sample, highest first, all of shape (P,)."""

    true: np.ndarray  # anomalous samples at or above the score
    above: np.ndarray  # normal samples above it
    false: np.ndarray  # normal samples at or above it
    overlap: np.ndarray  # share of a region at or above it, mean over regions (of one sample each if there are none)
    normal: int  # how many there are in all

    def bends(self, heights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The points (2 P + 2,) of the curve of `heights` (P,) over the number of normal samples."""
        x = np.stack([self.above, self.false], 1).ravel()
        y = np.stack([np.append(0, heights[:-1]), heights], 1).ravel()
        return np.concatenate([[0], x, [self.normal]]), np.concatenate([[0], y, heights[-1:]])


def _ranking(labels: ArrayLike, scores: ArrayLike) -> _Curve | None:
    """The curve of samples that each count alike; None if only one kind is present."""
    positive, scores = np.asarray(labels).ravel().astype(bool), np.asarray(scores).ravel()
    if len(scores) != len(positive):
        raise InputError(f"There are {len(positive)} labels but {len(scores)} scores: give one of each.")
    return _curve([positive], [scores])


def _pixels(masks: Iterable[np.ndarray], maps: Iterable[np.ndarray]) -> _Curve | None:
    """The curve of pixels, where every region of defective ones counts alike."""
    masks, maps = _again(masks), _again(maps)
    if len(masks) != len(maps):
        raise InputError(f"There are {len(masks)} masks but {len(maps)} maps: give one of each.")
    return _curve(masks, maps, _shares)


def _again(arrays: Iterable[np.ndarray]) -> Arrays:
    """Arrays that can be gone through more than once."""
    return arrays if isinstance(arrays, (Sequence, np.ndarray)) else list(arrays)


def _shares(mask: np.ndarray) -> np.ndarray:
    """For each defective pixel of a mask, one over the number of pixels of its region."""
    numbered, _ = ndimage.label(mask, structure=np.ones((3, 3)))
    numbered = numbered[mask]
    return 1 / np.bincount(numbered)[numbered]


def _curve(
    masks: Arrays, maps: Arrays, shares: Callable[[np.ndarray], np.ndarray] = lambda mask: np.ones(mask.sum())
) -> _Curve | None:
    """From anomalous or not, and scores; None if only one kind is present."""
    marked, weights, normal = [np.zeros(0, np.float32)], [np.zeros(0)], 0
    for mask, scores in _pairs(masks, maps):
        if not np.isfinite(scores).all():
            raise InputError("A score is not a finite number: check the model that gave it.")
        if mask.any():
            marked.append(scores[mask])
            weights.append(shares(mask))
        normal += mask.size - int(mask.sum())
    thresholds, group, true = np.unique(np.concatenate(marked), return_inverse=True, return_counts=True)
    if not len(thresholds) or not normal:
        return None
    overlap = np.bincount(group, np.concatenate(weights))
    del marked, weights, group
    false, tied = np.zeros((2, len(thresholds) + 1), np.int64)
    for mask, scores in _pairs(masks, maps):
        scores = np.sort(scores[~mask])
        reached = np.searchsorted(thresholds, scores, side="right")  # thresholds at or below each normal score
        false += np.bincount(reached, minlength=len(false))
        tied += np.bincount(reached[thresholds[reached - 1] == scores], minlength=len(false))
    true, false, tied, overlap = true[::-1].cumsum(), false[:0:-1].cumsum(), tied[:0:-1], overlap[::-1].cumsum()
    return _Curve(true, false - tied, false, overlap / round(overlap[-1]), normal)


def _pairs(masks: Arrays, maps: Arrays) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Mask and map of each image, checked to be of one shape."""
    for mask, scores in zip(masks, maps, strict=True):
        mask, scores = np.asarray(mask).astype(bool), np.asarray(scores)
        if mask.shape != scores.shape:
            raise InputError("Masks and maps have different shapes: give one map a mask, of its size.")
        yield mask, scores if scores.dtype.kind == "f" else scores.astype(float)


def _auroc(curve: _Curve | None) -> float | None:
    if curve is None:
        return None
    x, y = curve.bends(curve.true)
    return float(trapezoid(y, x) / (curve.true[-1] * curve.normal))


def _average_precision(curve: _Curve | None) -> float | None:
    if curve is None:
        return None
    precision = curve.true / (curve.true + curve.false)
    return float(np.sum(np.diff(curve.true, prepend=0) * precision) / curve.true[-1])


def _f1_max(curve: _Curve | None) -> float | None:
    if curve is None:
        return None
    return float(np.max(2 * curve.true / (curve.true + curve.false + curve.true[-1])))


def _aupro(curve: _Curve | None, limit: float) -> float | None:
    if not 0 < limit <= 1:
        raise InputError(f"The limit of the false positive rate is {limit}: give 0 < limit <= 1.")
    if curve is None:
        return None
    x, y = curve.bends(curve.overlap)
    x = x / curve.normal
    end = int(np.searchsorted(x, limit))  # the first point at or beyond the limit; x rises to 1
    y[end] = y[end - 1] + (y[end] - y[end - 1]) * (limit - x[end - 1]) / (x[end] - x[end - 1])
    x[end] = limit
    return float(trapezoid(y[: end + 1], x[: end + 1]) / limit)
