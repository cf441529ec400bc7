from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage
from sklearn.metrics import average_precision_score, precision_recall_curve, roc_auc_score

from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import METRICS, all_metrics, aupro, auroc, average_precision, f1_max, mean_over_classes


def sklearn_f1_max(labels, scores):
    precision, recall, _ = precision_recall_curve(labels, scores)
    return np.max(2 * precision * recall / np.maximum(precision + recall, 1e-300))


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("decimals", [0, 1, 7])  # from nearly all scores tied to hardly any
def test_ranking_metrics_equal_scikit_learn(seed, decimals):
    rng = np.random.default_rng(seed)
    labels = rng.random(700) < 0.2
    scores = np.round(rng.normal(size=700) + labels, decimals).astype(np.float32)
    assert auroc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
    assert average_precision(labels, scores) == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
    assert f1_max(labels, scores) == pytest.approx(sklearn_f1_max(labels, scores), abs=1e-9)


def test_by_hand():
    labels, scores = [0, 0, 1, 1], [1, 3, 2, 4]
    assert auroc(labels, scores) == 0.75  # of four pairs, three are the right way round
    assert average_precision(labels, scores) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert f1_max(labels, scores) == pytest.approx(0.8)  # three called anomalous, two rightly
    assert auroc([0, 1], [5, 5]) == 0.5


def test_inverted_scores_are_not_flipped():
    assert auroc([0, 0, 1, 1], [4, 3, 2, 1]) == 0.0
    mask = np.zeros((4, 4), bool)
    mask[0] = True
    assert aupro([mask], [1.0 - mask]) == 0.0


def slow_aupro(masks, maps, limit):
    """The definition: every threshold, every region, one by one."""
    regions = []
    for mask, amap in zip(masks, maps, strict=True):
        numbered, count = ndimage.label(mask, structure=np.ones((3, 3), int))
        regions += [amap[numbered == r] for r in range(1, count + 1)]
    normal = np.concatenate([a[~m] for m, a in zip(masks, maps, strict=True)])
    points = [(0.0, 0.0)]
    for t in sorted(set(np.concatenate([a.ravel() for a in maps]).tolist()), reverse=True):
        points.append(((normal >= t).mean(), np.mean([(r >= t).mean() for r in regions])))
    area = 0.0
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        if x0 >= limit or x1 == x0:
            continue
        if x1 > limit:
            y1, x1 = y0 + (y1 - y0) * (limit - x0) / (x1 - x0), limit
        area += (x1 - x0) * (y0 + y1) / 2
    return area / limit


@pytest.mark.parametrize("limit", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_aupro_equals_the_slow_definition(limit, decimals):
    rng = np.random.default_rng(int(limit * 100) + decimals)
    masks = np.stack([ndimage.uniform_filter(rng.normal(size=(20, 24)), 3) > 0.45 for _ in range(4)])
    masks[3] = False  # a normal image
    maps = np.round(rng.normal(size=masks.shape) + masks, decimals).astype(np.float32)
    assert aupro(masks, maps, limit) == pytest.approx(slow_aupro(masks, maps, limit), abs=1e-9)


def test_aupro_by_hand():
    # Two regions, of 1 and 4 pixels, and 11 normal ones. The small one is found first, then one
    # normal pixel alarms, then the large one is found, then everything alarms.
    mask = np.zeros((4, 4), bool)
    mask[0, 0] = mask[2:, 2:] = True
    amap = np.zeros((4, 4))
    amap[0, 0], amap[0, 3], amap[2:, 2:] = 3, 2, 1
    # (0, 1/2), (1/11, 1/2), (1/11, 1), (1, 1)
    assert aupro([mask], [amap], limit=1.0) == pytest.approx(1 - 0.5 / 11)
    assert aupro([mask], [amap], limit=0.5) == pytest.approx((0.5 - 0.5 / 11) / 0.5)
    assert aupro([mask], [amap], limit=1 / 11) == pytest.approx(0.5)  # the rise at the limit is out


def test_regions_touching_at_a_corner_are_one():
    mask = np.eye(4, dtype=bool)
    amap = np.zeros((4, 4))
    amap[0, 0] = 1
    # One region, a quarter found: from (0, 1/4) straight to (1, 1).
    assert aupro([mask], [amap], limit=1.0) == pytest.approx((0.25 + 1) / 2)


def test_only_one_kind_is_not_available():
    for labels in ([0, 0], [1, 1], []):
        scores = np.arange(len(labels))
        assert auroc(labels, scores) is None
        assert average_precision(labels, scores) is None
        assert f1_max(labels, scores) is None
    assert aupro(np.zeros((2, 4, 4), bool), np.ones((2, 4, 4))) is None
    assert aupro(np.ones((2, 4, 4), bool), np.ones((2, 4, 4))) is None
    assert aupro([], []) is None


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite(bad):
    for metric in (auroc, average_precision, f1_max):
        with pytest.raises(InputError, match="not a finite number"):
            metric([0, 1], [0.0, bad])
    with pytest.raises(InputError, match="not a finite number"):
        aupro(np.eye(2, dtype=bool)[None], np.full((1, 2, 2), bad))


def test_shapes_and_limit_are_checked():
    with pytest.raises(InputError, match="2 labels but 3 scores"):
        auroc([0, 1], [1, 2, 3])
    with pytest.raises(InputError, match="different shapes"):
        aupro(np.zeros((1, 4, 4), bool), np.zeros((1, 5, 5)))
    with pytest.raises(InputError, match="limit"):
        aupro(np.eye(4, dtype=bool)[None], np.zeros((1, 4, 4)), limit=0)


def test_summarize_is_the_single_metrics():
    rng = np.random.default_rng(0)
    masks = np.zeros((6, 16, 16), bool)
    masks[:3, 4:9, 4:9] = True
    maps = (rng.normal(size=masks.shape) + masks).astype(np.float32)
    labels, scores = masks.any((1, 2)), maps.max((1, 2))
    values = all_metrics(labels, scores, masks, maps)
    assert list(values) == list(METRICS) and len(METRICS) == 7
    for prefix, args in (("image", (labels, scores)), ("pixel", (masks, maps))):
        assert values[f"{prefix}_auroc"] == auroc(*args)
        assert values[f"{prefix}_ap"] == average_precision(*args)
        assert values[f"{prefix}_f1max"] == f1_max(*args)
    assert values["aupro"] == aupro(masks, maps)
    without = all_metrics(labels, scores)
    assert [without[name] for name in METRICS[3:]] == [None] * 4
    assert without["image_auroc"] == values["image_auroc"]


def test_mean_over_classes_skips_what_is_not_available():
    rows = {
        "a": dict.fromkeys(METRICS, 0.5) | {"aupro": None, "pixel_ap": None},
        "b": dict.fromkeys(METRICS, 1.0) | {"aupro": None},
    }
    mean = mean_over_classes(rows)
    assert list(mean) == list(METRICS)
    assert mean["image_auroc"] == 0.75
    assert mean["pixel_ap"] == 1.0
    assert mean["aupro"] is None
