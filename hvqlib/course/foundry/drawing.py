"""Primitives that the bundled data set is drawn with: noise, shapes, light, camera, scratches, blobs.

Pictures are float64 arrays in [0, 1]. Shapes are signed distances in pixels (negative inside), so that every edge
is anti-aliased the same way and a mask is exactly `distance < 0`. Only numpy and scipy.ndimage in float64,
rounded once at the end, and the frozen ``RandomState`` stream: the same seed gives the same picture everywhere.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from scipy import ndimage

SIZE = 256
Array = np.ndarray
Random = np.random.RandomState


def coordinates(angle: float = 0.0, centre: tuple[float, float] = (128.0, 128.0)) -> tuple[Array, Array]:
    """Coordinates (u, v), each (256, 256) in pixels, of an object at `centre` (x, y) turned by `angle` radians."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64) + 0.5
    x, y = x - centre[0], y - centre[1]
    return np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y


def blur(a: Array, sigma: float | tuple[float, float]) -> Array:
    """Gaussian blur of a (256, 256) or (256, 256, 3) picture, edges mirrored."""
    sigmas = np.broadcast_to(sigma, 2)
    return ndimage.gaussian_filter(a, (*sigmas, 0)[: a.ndim], mode="mirror", truncate=3.0)


def noise(random: Random, sigma: float | tuple[float, float], octaves: int = 1) -> Array:
    """Smooth noise (256, 256) of mean 0 and standard deviation 1; each octave is half as wide and half as strong."""
    total = np.zeros((SIZE, SIZE))
    for octave in range(octaves):
        layer = blur(random.standard_normal((SIZE, SIZE)), np.asarray(sigma, float) / 2**octave)
        total += layer / (layer.std() + 1e-12) / 2**octave
    return (total - total.mean()) / (total.std() + 1e-12)


def cover(distance: Array, softness: float = 1.0) -> Array:
    """Share of each pixel that a shape covers, in [0, 1], from its signed distance; `softness` in pixels."""
    return np.clip(0.5 - distance / softness, 0.0, 1.0)


def disc(u: Array, v: Array, radius: float) -> Array:
    """Signed distance to a disc."""
    return np.hypot(u, v) - radius


def box(u: Array, v: Array, width: float, height: float, corner: float = 0.0) -> Array:
    """Signed distance to a box of full `width` x `height` with corners rounded by `corner`."""
    du, dv = np.abs(u) - width / 2 + corner, np.abs(v) - height / 2 + corner
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0) - corner


def stroke(points: Array, u: Array, v: Array) -> Array:
    """Distance in pixels from every pixel to a polyline (n, 2)."""
    best = np.full(u.shape, np.inf)
    for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((u - x0) * dx + (v - y0) * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
        best = np.minimum(best, np.hypot(u - x0 - t * dx, v - y0 - t * dy))
    return best


def paint(picture: Array, colour: Array | tuple[float, ...] | float, alpha: Array) -> Array:
    """`picture` (256, 256, 3) with `colour` (a colour or a picture) laid over it with `alpha` (256, 256)."""
    return picture + (np.asarray(colour, float) - picture) * alpha[..., None]


def light(height: Array, direction: float, relief: float = 1.0, gloss: float = 0.0) -> tuple[Array, Array]:
    """Lambert shading and gloss (each (256, 256)) of a height field in pixels, lit from `direction` (radians).

    Shading is 1 on a flat place; gloss is a Blinn highlight between 0 and `gloss`.
    """
    gy, gx = np.gradient(height)
    normal = np.stack([-gx * relief, -gy * relief, np.ones_like(height)])
    normal /= np.linalg.norm(normal, axis=0)
    lamp = np.array([0.55 * np.cos(direction), 0.55 * np.sin(direction), 0.835])
    half = (lamp + [0, 0, 1]) / np.linalg.norm(lamp + [0, 0, 1])
    shading = np.tensordot(lamp, normal, 1) / lamp[2]
    return np.clip(shading, 0, 2), gloss * np.clip(np.tensordot(half, normal, 1), 0, 1) ** 40


def scratch(random: Random, centre: tuple[float, float], length: float, angle: float, u: Array, v: Array) -> Array:
    """Distance (256, 256) to a wavering line of `length` pixels through `centre`."""
    t = np.linspace(-0.5, 0.5, 9)
    bend = np.cumsum(random.standard_normal(9)) * length * 0.012
    x = centre[0] + t * length * np.cos(angle) - bend * np.sin(angle)
    y = centre[1] + t * length * np.sin(angle) + bend * np.cos(angle)
    return stroke(np.stack([x, y], 1), u, v)


def blob(random: Random, centre: tuple[float, float], radius: float, u: Array, v: Array, rough: float = 0.25) -> Array:
    """Signed distance (approximate) to an irregular blob of about `radius` pixels."""
    x, y = u - centre[0], v - centre[1]
    angle, edge = np.arctan2(y, x), np.zeros_like(x)
    for k in range(2, 7):
        edge += np.cos(k * angle + random.uniform(0, 2 * np.pi)) * random.uniform(0.3, 1.0) / k
    return np.hypot(x, y) - radius * (1 + rough * edge)


def camera(picture: Array, random: Random, exposure: float = 0.06, grain: float = 0.012, soft: float = 0.6) -> Array:
    """What a camera makes of a scene: exposure, colour temperature, vignette, soft focus, sensor grain."""
    u, v = coordinates()
    falloff = 1 - random.uniform(0.02, 0.10) * (np.hypot(u, v) / 181) ** 2
    side = 1 + 0.05 * random.uniform(-1, 1) * u / 128 + 0.05 * random.uniform(-1, 1) * v / 128
    warmth = 1 + 0.012 * random.standard_normal() * np.array([1, 0, -1])
    seen = blur(picture, soft) * (falloff * side)[..., None] * warmth * (1 + exposure * random.uniform(-1, 1))
    shot = random.standard_normal((SIZE, SIZE, 3)) * 0.6 + random.standard_normal((SIZE, SIZE, 1)) * 0.8
    return np.clip(seen + grain * shot * np.sqrt(0.25 + np.clip(seen, 0, 1)), 0, 1)


@cache
def _spline(count: int) -> Array:
    """Smooth interpolation from `count` knots to 256 pixels, as a matrix (256, count)."""
    return ndimage.zoom(np.eye(count), (SIZE / count, 1), order=3, mode="mirror")


def clouds(random: Random, size: float | tuple[float, float]) -> Array:
    """Broad noise (256, 256) of mean 0 and deviation 1 with patches of `size` pixels (across y, x): a fast `noise`."""
    rows, columns = (int(SIZE / s) + 2 for s in np.broadcast_to(size, 2))
    broad = _spline(rows) @ random.standard_normal((rows, columns)) @ _spline(columns).T
    return (broad - broad.mean()) / (broad.std() + 1e-12)


GLYPHS: dict[str, list[list[tuple[float, float]]]] = {  # strokes in a 1 x 2 cell, y down
    "H": [[(0, 0), (0, 2)], [(1, 0), (1, 2)], [(0, 1), (1, 1)]],
    "V": [[(0, 0), (0.5, 2), (1, 0)]],
    "Q": [[(0.5, 0), (1, 0.5), (1, 1.5), (0.5, 2), (0, 1.5), (0, 0.5), (0.5, 0)], [(0.6, 1.4), (1.1, 2.1)]],
    "2": [[(0, 0.4), (0.3, 0), (0.8, 0.05), (1, 0.5), (0, 2), (1, 2)]],
    "5": [[(1, 0), (0.1, 0), (0, 0.9), (0.6, 0.8), (1, 1.3), (0.7, 2), (0, 1.9)]],
    "0": [[(0.5, 0), (1, 0.5), (1, 1.5), (0.5, 2), (0, 1.5), (0, 0.5), (0.5, 0)]],
}


def shift(a: Array, x: float, y: float) -> Array:
    """`a` moved by whole pixels (it wraps round: only for what stays clear of the border)."""
    return np.roll(a, (round(y), round(x)), (0, 1))


def polar(angle: float, length: float = 1.0) -> tuple[float, float]:
    """(x, y) of a vector."""
    return length * np.cos(angle), length * np.sin(angle)


def window(u: Array, v: Array, x: float, y: float, reach: float) -> tuple[slice, slice]:
    """The rows and columns of the picture where (u, v) is within `reach` of (x, y)."""
    near = (np.abs(u - x) < reach) & (np.abs(v - y) < reach)
    rows, columns = np.flatnonzero(near.any(1)), np.flatnonzero(near.any(0))
    return slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)


def lettering(text: str, size: float, u: Array, v: Array) -> Array:
    """Distance to the strokes of `text`, centred at the origin, letters `size` wide and twice as high."""
    best = np.full(u.shape, np.inf)
    for i, letter in enumerate(text):
        left = (i - (len(text) - 1) / 2) * 1.6 - 0.5
        for line in GLYPHS[letter]:
            points = (np.array(line) + (left, -1)) * size
            best = np.minimum(best, stroke(points, u, v))
    return best
