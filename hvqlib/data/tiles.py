"""Place tiles on an image, and cut them out of it."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from hvqlib.config import Config
from hvqlib.data.images import Picture

FAR_FROM_SQUARE = 1.5  # times as wide as high, or as high as wide


class Tile(NamedTuple):
    """Name a part of an image: left, top, right, bottom in pixels. Beyond the image its edge is repeated."""

    image: Picture
    box: tuple[int, int, int, int]

    def of(self, pixels: np.ndarray) -> np.ndarray:
        """Cut the tile (h, w, 3) out of the image's pixels (H, W, 3)."""
        left, top, right, bottom = self.box
        height, width = pixels.shape[:2]
        inside = pixels[max(0, top) : bottom, max(0, left) : right]
        rim = (max(0, -top), max(0, bottom - height)), (max(0, -left), max(0, right - width)), (0, 0)
        return np.pad(inside, rim, mode="edge")


def squares(width: int, height: int, config: Config) -> tuple[int, list[int], list[int]]:
    """Place the squares that show an image: their side, where the rows begin, and where the columns, in pixels."""
    if config.fit == "letterbox":
        side = max(width, height)
        return side, [(height - side) // 2], [(width - side) // 2]
    side = min(width, height, config.tile or width)
    return side, _starts(height, side, config.overlap), _starts(width, side, config.overlap)


def _starts(length: int, side: int, overlap: float) -> list[int]:
    """Spread as few tiles over a length as overlap by at least a share of their side."""
    number = 1 + math.ceil((length - side) / max(1, side * (1 - overlap)) - 1e-9)
    return [round(i * (length - side) / max(1, number - 1)) for i in range(number)]
