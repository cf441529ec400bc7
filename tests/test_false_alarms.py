"""What a number of held-out images promises, against the binomial distribution and by hand."""

import pytest
from scipy.stats import beta, binom

from hvqlib.false_alarms import images_needed, least_rate, level_numbers, promising_images, training_images_needed


@pytest.mark.parametrize("number", [1, 5, 32, 1000])
def test_the_least_rate_is_clopper_and_pearsons_bound_of_none(number):
    rate = least_rate(number)
    assert rate == pytest.approx(beta.ppf(0.8, 1, number)) and binom.cdf(0, number, rate) == pytest.approx(0.2)
    assert images_needed(rate) == number and images_needed(rate - 1e-6) == number + 1


def test_nothing_promises_nothing():
    assert least_rate(0) == 1 and promising_images([], 0.2) == promising_images([100], 0) == 0


def test_some_held_out_images_set_the_level_and_the_others_promise():
    assert level_numbers([12, 5, 3, 40]) == [3, 2, 3, 10]
    assert level_numbers([3, 2]) == [0, 0]  # all promise, rather than none
    assert promising_images([60, 25], 0.2) == 9 + 3
    assert promising_images([2, 1], 0.9) == 1  # one image of a class is always trained on


def test_training_images_needed_are_the_fewest():
    number = training_images_needed(0.05, 0.2)
    assert promising_images([number], 0.2) >= 32 > promising_images([number - 1], 0.2)
