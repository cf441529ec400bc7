"""How many images a promised false-alarm rate needs: against the definition, with numbers of images tried in turn."""

from __future__ import annotations

import pytest

from hvqlib.false_alarms import held_out_numbers, told_shortage, training_images_needed


def promises(classes: list[int], rate: float, share: float) -> bool:
    """Whether four of five calibrations of a worse rate would have shown it: (1 - rate) ^ n <= 1 - 0.8."""
    return (1 - rate) ** sum(held_out_numbers(n, share)[1] for n in classes) <= 0.2


@pytest.mark.parametrize("classes", [1, 2, 7])
@pytest.mark.parametrize(("rate", "share"), [(0.05, 0.2), (0.1, 0.5)])
def test_the_number_needed_suffices_and_one_fewer_does_not(classes, rate, share):
    number = training_images_needed(rate, share, classes)
    assert promises([number] * classes, rate, share) and told_shortage([number] * classes, share, rate) == ""
    assert not promises([number - 1] * classes, rate, share)
    told = told_shortage([number - 1] * classes, share, rate)
    assert f"{100 * rate:.0f} % needs {number:,}" in told and f"{classes * (number - 1):,} normal" in told


def test_one_image_promises_nothing():
    assert "promise no false-alarm rate: 5 % needs 208, 20 % of which" in told_shortage([1], 0.2)
