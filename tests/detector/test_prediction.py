"""Verdicts by hand, and which classes were asked for."""

from pathlib import Path

import numpy as np
import pytest

from hvqlib.detector.prediction import Prediction, given_classes
from hvqlib.errors import InputError


def test_a_verdict_by_hand():
    one = Prediction(Path("a.png"), "gear", 3.0, 2.5, 0.05, 0.05, 1.0, 2.0, 0.3, np.zeros((2, 2)), 3.0)
    assert one.defective and one.spoke == "the picture as a whole"
    assert one.row()["verdict"] == "defective" and one.row()["image"] == "a.png"
    other = Prediction(None, "gear", 2.0, 2.5, 0.05, 0.051, 2.0, 2.0, 0.3, np.zeros((2, 2)), 3.0)
    assert not other.defective and other.spoke == "a spot here" and other.row()["image"] is None


def test_classes_asked_for():
    assert given_classes(["x", "y", "z"], None, ("a", "b")) == [-1, -1, -1]
    assert given_classes(["x", "y"], "b", ("a", "b")) == [1, 1]
    assert given_classes(["x", "y", "z"], ["b", None, "a"], ("a", "b")) == [1, -1, 0]
    with pytest.raises(InputError, match="1 images and 2 class names"):
        given_classes(["x"], ["a", "b"], ("a", "b"))
    with pytest.raises(InputError, match="knows no class 'c': choose from a, b"):
        given_classes(["x"], "c", ("a", "b"))
    with pytest.raises(InputError, match="as a list"):
        given_classes("x", None, ("a", "b"))
