"""Defects on the surface of a finished picture: what the three objects share."""

from __future__ import annotations

import numpy as np

from hvqlib.course.foundry.drawing import Array, Random, blob, clouds, coordinates, cover, paint, scratch

X, Y = coordinates(0.0, (0.0, 0.0))
Colour = tuple[float, float, float]
Range = tuple[float, float]


def scratched(scene: Array, hurt: Random, spot: Range, on: Array, lamp: float, length: Range, floor: Colour) -> Array:
    """`scene` with a scratch through `spot` (x, y), on the part that `on` (256, 256) covers.

    The groove lays `floor` bare, a multiple of the grey of the surface; its far lip catches the
    light that comes from `lamp`.
    """
    d = scratch(hurt, spot, hurt.uniform(*length), hurt.uniform(0, np.pi), X, Y)
    width, depth = hurt.uniform(1.7, 2.8), hurt.uniform(0.75, 1.0)
    press = np.clip(0.8 + 0.3 * clouds(hurt, 9), 0.3, 1)
    groove = np.exp(-((d / width) ** 2)) * press * on
    gy, gx = np.gradient(groove)
    lip = -(gx * np.cos(lamp) + gy * np.sin(lamp))
    bare = np.asarray(floor) * (0.1 + scene.mean(2, keepdims=True))
    return np.clip(paint(scene, bare, groove * depth) + (lip * depth * 0.45)[..., None], 0, 1)


def stained(
    scene: Array,
    hurt: Random,
    spot: Range,
    on: Array,
    radius: Range,
    tint: Colour,
    strength: Range,
    speckle: float = 0.0,
    haze: Colour = (0.0, 0.0, 0.0),
) -> Array:
    """`scene` with a translucent stain about `spot`, on the part that `on` covers.

    It filters the light by `tint`, most at its rim, and scatters some (the colour `haze`); the
    higher `speckle`, the more ragged it is.
    """
    size = hurt.uniform(*radius)
    cloud = 0.7 * clouds(hurt, 14) + 0.5 * clouds(hurt, 4)
    d = blob(hurt, spot, size, X, Y, 0.25) + cloud * (0.06 + 0.25 * speckle) * size
    body = cover(d, 3) * (0.6 + 0.12 * cloud) + 0.4 * np.exp(-(((d + 2) / 2.2) ** 2))
    amount = (np.clip(body, 0, 1) * on * hurt.uniform(*strength))[..., None]
    return np.clip(scene * (1 - amount * (1 - np.asarray(tint))) + np.asarray(haze) * amount, 0, 1)
