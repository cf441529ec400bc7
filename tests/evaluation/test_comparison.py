"""Comparisons by the paired bootstrap, against scikit-learn, scipy's bootstrap, and published arithmetic."""

import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from hvqlib.errors import InputError
from hvqlib.evaluation.comparison import holm, paired_bootstrap, pairs


def scores(seed, shift, good=20, defective=30):
    random = np.random.default_rng(seed)
    return random.normal(0, 1, good).round(1), random.normal(shift, 1, defective).round(1)  # with ties


def test_pairs_give_the_auroc():
    good, defective = scores(0, 1.0)
    truth = np.r_[np.zeros(20), np.ones(30)]
    assert abs(pairs(good, defective).mean() - roc_auc_score(truth, np.r_[good, defective])) < 1e-12


def test_the_difference_is_that_of_mean_aurocs_and_its_interval_that_of_scipy():
    first = [{"a": scores(1, 1.5), "b": scores(2, 1.0)}, {"a": scores(3, 1.5), "b": scores(4, 1.0)}]
    second = [{"a": scores(5, 1.0), "b": scores(6, 0.5)}]
    auroc = lambda good, bad: roc_auc_score(np.r_[np.zeros(len(good)), np.ones(len(bad))], np.r_[good, bad])  # noqa: E731
    mean = lambda runs: np.mean([np.mean([auroc(*one[c]) for one in runs]) for c in ("a", "b")])  # noqa: E731
    found = paired_bootstrap(first, second)
    assert abs(found.mean - (mean(first) - mean(second))) < 1e-12

    def statistic(*drawn):
        """The same difference, from indices of images: good and defective ones of a, then of b."""
        take = dict(a=drawn[:2], b=drawn[2:])
        chosen = lambda runs: [{c: [run[c][k][take[c][k].astype(int)] for k in (0, 1)] for c in run} for run in runs]  # noqa: E731
        return mean(chosen(first)) - mean(chosen(second))

    indices = (np.arange(20), np.arange(30), np.arange(20), np.arange(30))
    interval = stats.bootstrap(indices, statistic, vectorized=False, n_resamples=300, method="percentile", rng=0)
    assert np.allclose([found.low, found.high], interval.confidence_interval, atol=0.025)
    assert found.p_value < 0.05 and found.low > 0
    turned = paired_bootstrap(second, first)
    assert np.allclose([turned.mean, turned.low, turned.high], [-found.mean, -found.high, -found.low], atol=1e-9)


def test_with_trainings_drawn_the_interval_is_that_of_scipy():
    runs = [[{"a": scores(10 * which + i, shift + spread)} for i, spread in enumerate((0.0, 0.8, 1.6))]
            for which, shift in ((1, 1.0), (2, 0.5))]  # fmt: skip
    auroc = lambda good, bad: roc_auc_score(np.r_[np.zeros(len(good)), np.ones(len(bad))], np.r_[good, bad])  # noqa: E731

    def statistic(trainings, *take):
        """The difference, from indices of trainings, of good images, and of defective ones."""
        chosen = [[[run["a"][k][take[k].astype(int)] for k in (0, 1)] for run in some] for some in runs]
        each = [auroc(*one) - auroc(*other) for one, other in zip(*chosen, strict=True)]
        return np.mean([each[i] for i in trainings.astype(int)])

    found = paired_bootstrap(*runs, trainings=True)
    indices = (np.arange(3), np.arange(20), np.arange(30))
    interval = stats.bootstrap(indices, statistic, vectorized=False, n_resamples=1000, method="percentile", rng=0)
    assert abs(found.mean - statistic(*indices)) < 1e-12
    assert np.allclose([found.low, found.high], interval.confidence_interval, atol=0.02)
    images = paired_bootstrap(*runs)
    assert images.mean == pytest.approx(found.mean) and images.high - images.low < found.high - found.low
    one = [some[:1] for some in runs]
    assert paired_bootstrap(*one, trainings=True) == paired_bootstrap(*one)  # a single pair: nothing to draw
    with pytest.raises(InputError, match="3 of one and 1 of the other"):
        paired_bootstrap(runs[0], runs[1][:1], trainings=True)


def test_equal_methods_differ_by_nothing():
    one = [{"a": scores(1, 1.0)}]
    assert paired_bootstrap(one, one) == (0, 0, 0, 1)


def test_without_a_difference_p_values_are_seldom_small():
    small = [paired_bootstrap([{"a": scores(i, 1.0)}], [{"a": scores(i + 1000, 1.0)}], 200).p_value < 0.1
             for i in range(200)]  # fmt: skip
    assert 0.05 < np.mean(small) < 0.16  # the percentile bootstrap of 50 images is a little too sure


def test_what_cannot_be_compared_is_said():
    one = {"a": scores(1, 1.0)}
    for first, second in (([one], []), ([one], [{"b": one["a"]}]), ([one], [{"a": scores(1, 1.0, 19)}])):
        with pytest.raises(InputError, match="same test images"):
            paired_bootstrap(first, second)
    with pytest.raises(InputError, match="needs good and defective"):
        paired_bootstrap([{"a": ([], [1.0])}], [{"a": ([], [1.0])}])


def test_holm_by_its_definition():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0] and holm([]) == []
