"""What the benchmark of speed measures is a detector that judges."""

import numpy as np

from benchmarks.inference import CLASSES, untrained


def test_a_detector_that_has_learned_nothing_judges():
    detector = untrained("tiny", "random")
    (verdict,) = detector.judge([np.zeros((30, 40, 3), np.uint8)], "3")
    assert verdict.class_name == "3" and len(detector.classes) == CLASSES and np.isfinite(verdict.score)
