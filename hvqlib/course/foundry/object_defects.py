"""Scratches and stains on a finished picture: what the three objects share."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hvqlib.course.foundry.rendering import clouds, cover, paint
from hvqlib.course.foundry.shapes import Array, Pair, Random, X, Y, blob, scratch

Colour = tuple[float, float, float]


class Stain(NamedTuple):
    """A translucent stain."""

    radius: Pair  # range in pixels
    tint: Colour  # the share of the light that it lets through
    strength: Pair  # range
    speckle: float = 0.0  # how ragged it is
    haze: Colour = (0.0, 0.0, 0.0)  # the light that it scatters


def scratched(scene: Array, hurt: Random, spot: Pair, on: Array, lamp: float, length: Pair, floor: Colour) -> Array:
    """Scratch `scene` through `spot`, on the part that `on` (256, 256) covers.

    The groove lays `floor` bare, a multiple of the grey of the surface; its far lip catches the light from `lamp`.
    """
    d = scratch(hurt, spot, hurt.uniform(*length), hurt.uniform(0, np.pi), X, Y)
    width, depth = hurt.uniform(1.7, 2.8), hurt.uniform(0.75, 1.0)
    press = np.clip(0.8 + 0.3 * clouds(hurt, 9), 0.3, 1)
    groove = np.exp(-((d / width) ** 2)) * press * on
    gy, gx = np.gradient(groove)
    lip = -(gx * np.cos(lamp) + gy * np.sin(lamp))
    bare = np.asarray(floor) * (0.1 + scene.mean(2, keepdims=True))
    return np.clip(paint(scene, bare, groove * depth) + (lip * depth * 0.45)[..., None], 0, 1)


def stained(scene: Array, hurt: Random, spot: Pair, on: Array, stain: Stain) -> Array:
    """Stain `scene` about `spot`, on the part that `on` (256, 256) covers, most at the rim of the stain."""
    size = hurt.uniform(*stain.radius)
    cloud = 0.7 * clouds(hurt, 14) + 0.5 * clouds(hurt, 4)
    d = blob(hurt, spot, size, X, Y, 0.25) + cloud * (0.06 + 0.25 * stain.speckle) * size
    body = cover(d, 3) * (0.6 + 0.12 * cloud) + 0.4 * np.exp(-(((d + 2) / 2.2) ** 2))
    amount = (np.clip(body, 0, 1) * on * hurt.uniform(*stain.strength))[..., None]
    return np.clip(scene * (1 - amount * (1 - np.asarray(stain.tint))) + np.asarray(stain.haze) * amount, 0, 1)
