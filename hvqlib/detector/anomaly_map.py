"""Enlarge maps to the image's size, and score them."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F


def upsample(maps: Tensor, size: tuple[int, int]) -> Tensor:
    """Enlarge maps (B, H, W) to (B, *size), bilinearly, corners aligned."""
    return F.interpolate(maps[:, None], size, mode="bilinear", align_corners=True)[:, 0]


def image_score(maps: Tensor, window: int = 16) -> Tensor:
    """Score maps (B, H, W): the highest value (B,) after a `window` x `window` mean filter, as in UniAD."""
    window = min(window, *maps.shape[1:])
    # A square's mean is the mean of its rows' means: 2 x 16 additions a pixel in place of 256.
    return F.avg_pool2d(F.avg_pool2d(maps[:, None], (1, window), 1), (window, 1), 1).amax((1, 2, 3))
