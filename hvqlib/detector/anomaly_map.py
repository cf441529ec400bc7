"""From a small map to one of the image's size, and to a score."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Maps (B, H, W) -> (B, *size), bilinear, corners aligned."""
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=True)[:, 0]


def image_score(maps: Tensor, window: int = 16) -> Tensor:
    """Highest value (B,) of each map (B, H, W) after a `window` x `window` mean filter, as in UniAD and the release."""
    window = min(window, *maps.shape[1:])
    # A square's mean is the mean of its rows' means: 2 x 16 additions a place in place of 256.
    return F.avg_pool2d(F.avg_pool2d(maps[:, None], (1, window), 1), (window, 1), 1).amax((1, 2, 3))
