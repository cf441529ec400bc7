"""From shapes to a picture that looks real: coverage, paint, noise, light, the camera.

Pictures are float64 arrays in [0, 1], rounded once, when they are saved.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.shapes import SIZE, Array, Pair, Random, coordinates


def cover(distance: Array, softness: float = 1.0) -> Array:
    """Compute the share in [0, 1] of each pixel that a shape covers; its edge is `softness` pixels wide."""
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


def paint(picture: Array, colour: Array | tuple[float, ...] | float, alpha: Array) -> Array:
    """Lay `colour` (a colour or a picture) over `picture` (256, 256, 3) or a colour (3,), with `alpha` (256, 256)."""
    return picture + (np.asarray(colour, float) - picture) * alpha[..., None]


def window(u: Array, v: Array, x: float, y: float, reach: float) -> tuple[slice, slice]:
    """Find the rows and columns of the picture where (u, v) is within `reach` of (x, y)."""
    near = (np.abs(u - x) < reach) & (np.abs(v - y) < reach)
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def shift(a: Array, x: float, y: float) -> Array:
    """Move `a` by whole pixels; it wraps round, so this is only for what stays clear of the border."""
    return np.roll(a, (round(y), round(x)), (0, 1))


def blur(a: Array, sigma: float | Pair) -> Array:
    """Blur a (256, 256) or (256, 256, 3) picture with a Gaussian of `sigma` pixels, edges mirrored."""
    return ndimage.gaussian_filter(a, (*np.broadcast_to(sigma, 2), 0)[: a.ndim], mode="mirror", truncate=3.0)


def noise(random: Random, sigma: float | Pair) -> Array:
    """Draw noise (256, 256), smooth over `sigma` pixels, mean 0 and deviation 1."""
    layer = blur(random.standard_normal((SIZE, SIZE)), sigma)
    layer = layer / (layer.std() + 1e-12)
    return (layer - layer.mean()) / (layer.std() + 1e-12)


def clouds(random: Random, size: float | Pair) -> Array:
    """Draw broad noise (256, 256), mean 0 and deviation 1, in patches of `size` pixels (y, x): a fast `noise`."""
    rows, columns = (int(SIZE / s) + 2 for s in np.broadcast_to(size, 2))
    broad = _spline(rows) @ random.standard_normal((rows, columns)) @ _spline(columns).T
    return (broad - broad.mean()) / (broad.std() + 1e-12)


@cache
def _spline(count: int) -> Array:
    """Make the matrix (256, count) that interpolates `count` knots smoothly to 256 pixels."""
    return ndimage.zoom(np.eye(count), (SIZE / count, 1), order=3, mode="mirror")


def light(height: Array, direction: float, relief: float = 1.0, gloss: float = 0.0) -> tuple[Array, Array]:
    """Compute Lambert shading and gloss (each (256, 256)) of a height field in pixels, lit from `direction` (radians).

    Shading is 1 on a flat place; gloss is a Blinn highlight between 0 and `gloss`.
    """
    gy, gx = np.gradient(height)
    normal = np.stack([-gx * relief, -gy * relief, np.ones_like(height)])
    normal /= np.linalg.norm(normal, axis=0)
    lamp = np.array([0.55 * np.cos(direction), 0.55 * np.sin(direction), 0.835])
    half = (lamp + [0, 0, 1]) / np.linalg.norm(lamp + [0, 0, 1])
    shading = np.tensordot(lamp, normal, 1) / lamp[2]
    return np.clip(shading, 0, 2), gloss * np.clip(np.tensordot(half, normal, 1), 0, 1) ** 40


def camera(picture: Array, random: Random, exposure: float = 0.06, grain: float = 0.012, soft: float = 0.6) -> Array:
    """Photograph a scene: exposure, colour temperature, vignette, soft focus, sensor grain."""
    u, v = coordinates()
    falloff = 1 - random.uniform(0.02, 0.10) * (np.hypot(u, v) / 181) ** 2
    side = 1 + 0.05 * random.uniform(-1, 1) * u / 128 + 0.05 * random.uniform(-1, 1) * v / 128
    warmth = 1 + 0.012 * random.standard_normal() * np.array([1, 0, -1])
    seen = blur(picture, soft) * (falloff * side)[..., None] * warmth * (1 + exposure * random.uniform(-1, 1))
    shot = random.standard_normal((SIZE, SIZE, 3)) * 0.6 + random.standard_normal((SIZE, SIZE, 1)) * 0.8
    return np.clip(seen + grain * shot * np.sqrt(0.25 + np.clip(seen, 0, 1)), 0, 1)
