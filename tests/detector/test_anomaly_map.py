"""Maps enlarged and scored, against NumPy."""

import numpy as np
import torch

from hvqlib.detector.anomaly_map import image_score, upsample


def test_upsampling_keeps_corners_and_is_linear_between():
    small = torch.tensor([[[0.0, 1.0], [2.0, 3.0]]])
    expected = np.linspace(0, 2, 5)[:, None] + np.linspace(0, 1, 9)
    np.testing.assert_allclose(upsample(small, (5, 9))[0], expected, atol=1e-6)


def test_image_score_is_the_highest_window_mean():
    maps = torch.rand(2, 20, 20, dtype=torch.float64)
    windows = np.lib.stride_tricks.sliding_window_view(maps.numpy(), (16, 16), (1, 2)).mean((-1, -2))
    np.testing.assert_allclose(image_score(maps), windows.max((1, 2)), rtol=1e-12)
    assert torch.equal(image_score(maps, 99), image_score(maps, 20))  # no window is larger than the map
