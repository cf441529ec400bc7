"""What a number of held-out images promises, against the binomial distribution and by hand."""

import math

import numpy as np
import pytest
from scipy.stats import beta, binom

from hvqlib.errors import InputError
from hvqlib.false_alarms import (
    images_needed,
    least_rate,
    level_numbers,
    promising_images,
    threshold_rank,
    told_shortage,
    training_images_needed,
)


@pytest.mark.parametrize("number", [1, 5, 32, 1000])
def test_the_least_rate_is_clopper_and_pearsons_bound_of_none(number):
    rate = least_rate(number)
    assert rate == pytest.approx(beta.ppf(0.8, 1, number)) and binom.cdf(0, number, rate) == pytest.approx(0.2)
    assert images_needed(rate) == number and images_needed(rate - 1e-6) == number + 1


def test_nothing_promises_nothing():
    assert least_rate(0) == 1 and promising_images([], 0.2) == promising_images([100], 0) == 0


def test_some_held_out_images_set_the_level_and_the_others_promise():
    assert level_numbers([12, 5, 1, 0]) == [6, 2, 0, 0] and level_numbers([43]) == [10]
    assert promising_images([60, 25], 0.2) == 6 + 3 and promising_images([60], 0.2) == 9
    assert promising_images([2], 0.9) == 1  # one image of a class is always trained on


@pytest.mark.parametrize("classes", [1, 2, 7])
@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.2), (0.1, 0.5)])
def test_the_number_needed_suffices_and_one_fewer_does_not(classes, rate, share):
    number = training_images_needed(rate, share, classes)
    assert (
        promising_images([number] * classes, share) >= images_needed(rate)
        and told_shortage([number] * classes, share, rate) == ""
    )
    assert promising_images([number - 1] * classes, share) < images_needed(rate)
    told = told_shortage([number - 1] * classes, share, rate)
    assert f"{100 * rate:.0f} % needs {number:,}" in told and f"{classes * (number - 1):,} normal" in told


def test_one_image_promises_nothing():
    assert "promise no false-alarm rate: 5 % needs 208, 20 % of which" in told_shortage([1], 0.2)
    assert "promise no false-alarm rate below 5.4 %: 5 % needs 208" in told_shortage([188], 0.2)
    assert "Nothing is held out" in told_shortage([500], 0)


@pytest.mark.parametrize("number", [1, 7, 40])
def test_the_threshold_is_the_lowest_score_at_which_the_rate_is_promised(number):
    bounds = [*beta.ppf(0.8, np.arange(number) + 1, number - np.arange(number)), 1.0]
    assert threshold_rank(None, bounds, "") == number - 1
    for rate in np.linspace(0.01, 0.99, 50):
        fine = [rank for rank in range(number) if bounds[number - 1 - rank] <= rate]  # so many scores are above it
        if fine:
            assert threshold_rank(rate, bounds, "") == fine[0]
        else:
            with pytest.raises(InputError, match="cannot be promised. Only more."):
                threshold_rank(rate, bounds, "Only more.")
    for rate in (0.0, 1.0, -1.0, math.nan):
        with pytest.raises(InputError, match="above 0 and below 1"):
            threshold_rank(rate, bounds, "")


def test_where_nothing_is_held_out_no_number_is_enough():
    with pytest.raises(InputError, match="hold a share out"):
        training_images_needed(0.05, 0.0)
