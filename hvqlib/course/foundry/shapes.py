"""Shapes that the bundled data set is drawn with: coordinates, and distances in them.

Signed distances are in pixels and negative inside, so that every edge is anti-aliased the same way and a mask is
exactly `distance < 0`.
"""

from __future__ import annotations

import numpy as np

SIZE = 256
Array = np.ndarray
Pair = tuple[float, float]  # a point (x, y), or a range
Random = np.random.RandomState  # its stream is frozen: the same seed gives the same picture everywhere


def rotated(angle: float, x: Array, y: Array) -> tuple[Array, Array]:
    """Express points (x, y) in axes turned by `angle` radians."""
    return np.cos(angle) * x + np.sin(angle) * y, -np.sin(angle) * x + np.cos(angle) * y


def coordinates(angle: float = 0.0, centre: Pair = (128.0, 128.0)) -> tuple[Array, Array]:
    """Make the coordinates (u, v), each (256, 256) in pixels, of an object at `centre` turned by `angle` radians."""
    y, x = np.mgrid[0:SIZE, 0:SIZE].astype(np.float64) + 0.5
    return rotated(angle, x - centre[0], y - centre[1])


X, Y = coordinates(0.0, (0.0, 0.0))  # of the picture itself


def polar(angle: float, length: float = 1.0) -> Pair:
    """Compute the (x, y) of a vector."""
    return length * np.cos(angle), length * np.sin(angle)


def disc(u: Array, v: Array, radius: float) -> Array:
    """Measure the signed distance to a disc."""
    return np.hypot(u, v) - radius


def box(u: Array, v: Array, width: float, height: float, corner: float = 0.0) -> Array:
    """Measure the signed distance to a box of full `width` x `height` with corners rounded by `corner`."""
    du, dv = np.abs(u) - width / 2 + corner, np.abs(v) - height / 2 + corner
    return np.hypot(np.maximum(du, 0), np.maximum(dv, 0)) + np.minimum(np.maximum(du, dv), 0) - corner


def blob(random: Random, centre: Pair, radius: float, u: Array, v: Array, rough: float = 0.25) -> Array:
    """Measure the signed distance, nearly, to an irregular blob of about `radius` pixels."""
    x, y = u - centre[0], v - centre[1]
    angle, edge = np.arctan2(y, x), np.zeros_like(x)
    for k in range(2, 7):
        edge += np.cos(k * angle + random.uniform(0, 2 * np.pi)) * random.uniform(0.3, 1.0) / k
    return np.hypot(x, y) - radius * (1 + rough * edge)


def stroke(points: Array, u: Array, v: Array) -> Array:
    """Measure the distance in pixels from every pixel to a polyline (n, 2)."""
    best = np.full(u.shape, np.inf)
    for (x0, y0), (x1, y1) in zip(points[:-1], points[1:], strict=True):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((u - x0) * dx + (v - y0) * dy) / (dx * dx + dy * dy + 1e-12), 0, 1)
        best = np.minimum(best, np.hypot(u - x0 - t * dx, v - y0 - t * dy))
    return best


def scratch(random: Random, centre: Pair, length: float, angle: float, u: Array, v: Array) -> Array:
    """Measure the distance (256, 256) to a wavering line of `length` pixels through `centre`."""
    t = np.linspace(-0.5, 0.5, 9)
    bend = np.cumsum(random.standard_normal(9)) * length * 0.012
    x = centre[0] + t * length * np.cos(angle) - bend * np.sin(angle)
    y = centre[1] + t * length * np.sin(angle) + bend * np.cos(angle)
    return stroke(np.stack([x, y], 1), u, v)


GLYPHS: dict[str, list[list[Pair]]] = {  # strokes in a 1 x 2 cell, y down
    "H": [[(0, 0), (0, 2)], [(1, 0), (1, 2)], [(0, 1), (1, 1)]],
    "V": [[(0, 0), (0.5, 2), (1, 0)]],
    "Q": [[(0.5, 0), (1, 0.5), (1, 1.5), (0.5, 2), (0, 1.5), (0, 0.5), (0.5, 0)], [(0.6, 1.4), (1.1, 2.1)]],
    "2": [[(0, 0.4), (0.3, 0), (0.8, 0.05), (1, 0.5), (0, 2), (1, 2)]],
    "5": [[(1, 0), (0.1, 0), (0, 0.9), (0.6, 0.8), (1, 1.3), (0.7, 2), (0, 1.9)]],
    "0": [[(0.5, 0), (1, 0.5), (1, 1.5), (0.5, 2), (0, 1.5), (0, 0.5), (0.5, 0)]],
}


def lettering(text: str, size: float, u: Array, v: Array) -> Array:
    """Measure the distance to the strokes of `text`, centred at the origin, letters `size` wide and twice as high."""
    best = np.full(u.shape, np.inf)
    for i, letter in enumerate(text):
        left = (i - (len(text) - 1) / 2) * 1.6 - 0.5
        for line in GLYPHS[letter]:
            best = np.minimum(best, stroke((np.array(line) + (left, -1)) * size, u, v))
    return best
