"""What the three textures share: a surface under a lamp, its clean twin, and the common defects.

Each product first draws its piece of material from `random`, then renders it to a ``Surface``. A defect, drawn from
`hurt` alone, renders the same piece again with something changed; ``compare`` keeps the changed pixels and their mask,
so everything else equals the clean twin bit for bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.rendering import clouds, cover, light, noise, paint
from hvqlib.course.foundry.shapes import SIZE, Array, Pair, Random, X, Y, blob, scratch


class Surface(NamedTuple):
    """A material under a lamp."""

    colour: Array  # (256, 256, 3)
    height: Array  # (256, 256) pixels
    shine: Array  # (256, 256) how much of the lamp it mirrors
    lamp: float  # direction of the light, radians


def picture(surface: Surface) -> Array:
    """Render the surface as seen from above, (256, 256, 3) in [0, 1]."""
    shading, gloss = light(surface.height, surface.lamp, 1.0, 1.0)
    seen = surface.colour * (0.3 + 0.7 * shading)[..., None] + (surface.shine * gloss)[..., None]
    return np.clip(seen, 0.0, 1.0)


def compare(clean: Array, spoilt: Array, gap: float = 2.0) -> tuple[Array, Array]:
    """Return scene and mask: `spoilt` where it visibly differs from `clean`; gaps closed, specks gone.

    `gap` is the radius of the closing: wider for a defect that is a whole region.
    """
    changed = np.abs(spoilt - clean).max(-1) > 2 / 255
    if not changed.any():
        return clean, changed
    reach = int(gap)
    ball = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1]) < gap + 0.1
    changed = ndimage.binary_closing(np.pad(changed, reach), ball)[reach:-reach, reach:-reach]
    changed = ndimage.binary_fill_holes(changed)
    parts, count = ndimage.label(changed, np.ones((3, 3)))
    area = ndimage.sum(changed, parts, np.arange(count + 1))
    mask = (area >= max(12.0, 0.02 * area.max()))[parts] & changed
    return np.where(mask[..., None], spoilt, clean), mask


def finish(clean: Surface, spoilt: Surface, gap: float = 2.0) -> tuple[Array, Array]:
    """Return scene and mask of a piece, from its clean and its spoilt surface (the same if it has no defect)."""
    return compare(picture(clean), picture(spoilt), gap)


def spot(hurt: Random, margin: float) -> Pair:
    """Draw a place (x, y) at least `margin` pixels inside the picture."""
    return hurt.uniform(margin, SIZE - margin), hurt.uniform(margin, SIZE - margin)


def dyed(random: Random, colour: tuple[float, ...] | Array, spread: float = 0.05) -> Array:
    """Draw `colour` (..., 3) of another batch: lighter or darker, warmer or cooler, never greener."""
    size = (*np.shape(colour)[:-1], 1)
    bright, warm = random.uniform(-spread, spread, size), random.uniform(-spread, spread, size)
    return np.asarray(colour) * (1 + bright + 0.5 * warm * np.array([1.0, 0.1, -1.1]))


def scratched(s: Surface, hurt: Random, angle: float, width: float, pale: float) -> Surface:
    """Scratch a groove with raised lips, its pressure waxing and waning; `pale` is the grey of the lips."""
    x, y = spot(hurt, 75)
    length = hurt.uniform(65, 150)
    away = scratch(hurt, (x, y), length, angle, X, Y) + 0.3 * noise(hurt, 1.5)
    taper = np.sqrt(np.clip(1.05 - (np.hypot(X - x, Y - y) * 2 / length) ** 2, 0, 1))
    press = np.clip(0.8 + 0.3 * clouds(hurt, 20) + 0.2 * clouds(hurt, 5), 0.2, 1.3) * taper * hurt.uniform(0.7, 1.1)
    width *= hurt.uniform(0.7, 1.3)
    groove = np.exp(-((away / width) ** 2)) * press
    lip = np.exp(-(((away - 1.9 * width) / (0.8 * width)) ** 2)) * press
    colour = paint(s.colour * (1 - 0.55 * groove)[..., None], pale, 0.5 * lip)
    return s._replace(colour=colour, height=s.height + 0.7 * width * (0.5 * lip - 0.9 * groove))


def stained(s: Surface, hurt: Random, tints: Array, sizes: Pair) -> Surface:
    """Let a liquid dry that absorbs by Beer's law: uneven, darker at its rim, the material shows."""
    radius = hurt.uniform(*sizes)
    edge = blob(hurt, spot(hurt, 30 + radius), radius, X, Y, 0.18) + 1.5 * clouds(hurt, 14) + 0.4 * clouds(hurt, 4)
    soft = hurt.uniform(2, 9)
    body = cover(edge, soft) * (0.7 + 0.2 * clouds(hurt, 24))
    rim = np.exp(-np.clip(-edge, 0, None) / 5) * cover(edge, soft) * (0.6 + 0.25 * clouds(hurt, 30))
    dose = hurt.uniform(0.6, 1.1) * np.clip(body + hurt.uniform(0.3, 1.0) * rim, 0, 2)
    tint = tints[hurt.randint(len(tints))]
    dull = 1 - 0.5 * np.minimum(dose, 1)
    return s._replace(colour=s.colour * tint ** dose[..., None], shine=s.shine * dull)


def pitted(s: Surface, hurt: Random, edge: Array, depth: float, floor: Array) -> Surface:
    """Sink a hole of signed distance `edge`: a rough floor, the shadow of the wall near the lamp."""
    inside = cover(edge, 1.5)
    toward = (-0.5 * depth * np.sin(s.lamp), -0.5 * depth * np.cos(s.lamp))
    wall = ndimage.shift(edge, toward, order=1, mode="nearest")  # `edge` a step nearer the lamp
    shadow = cover(-wall, 3.0) * inside
    rough = noise(hurt, 1.2) * 0.35 + clouds(hurt, 8) * 0.3
    height = s.height * (1 - inside) + inside * (rough - 0.5 * np.clip(-edge, 0, depth))
    dark = (1 - 0.6 * shadow) * (1 - 0.25 * np.exp(-((edge / 2.0) ** 2)))
    lit = np.exp(-(((edge - 0.8) / 0.9) ** 2)) * 0.10 * cover(wall - edge, 2.0)
    colour = paint(s.colour, floor * (1 + 0.1 * rough)[..., None], inside)
    colour = colour * np.where(edge < 2, dark, 1.0)[..., None] + lit[..., None]
    return s._replace(colour=colour, height=height, shine=s.shine * (1 - inside))
