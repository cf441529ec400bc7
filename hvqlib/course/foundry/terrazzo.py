"""Polished terrazzo for the bundled data set: stone chips in cement, ground flat."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from hvqlib.course.foundry.rendering import clouds, cover, noise, paint
from hvqlib.course.foundry.shapes import SIZE, Array, Pair, Random, X, Y, coordinates
from hvqlib.course.foundry.texture_surface import Surface, dyed, finish, pitted, scratched, spot, stained

STONE = np.array([  # white marble, sandstone, red porphyry, basalt, serpentine, granite
    [0.78, 0.76, 0.72], [0.68, 0.62, 0.55], [0.55, 0.45, 0.40],
    [0.43, 0.43, 0.43], [0.51, 0.53, 0.49], [0.60, 0.58, 0.57],
])  # fmt: skip
STAIN_TERRAZZO = np.array([[0.50, 0.38, 0.26], [0.55, 0.42, 0.30], [0.50, 0.52, 0.55], [0.62, 0.40, 0.38]])


class Chips(NamedTuple):
    """Chips of stone, `n` of them."""

    place: Array  # (n, 2) centres, pixels
    radius: Array  # (n,)
    outline: Array  # (n, 2, 8) directions of the eight sides, and how far out they lie, in radii
    stone: Array  # (n,) number of the stone
    tone: Array  # (n,) brightness


def scatter(random: Random, radii: Array, middle: Pair, spread: float, gap: float) -> Chips:
    """Throw chips one by one, largest first; a chip that would lie on another is thrown away.

    They land within `spread` of `middle`; `gap` is the least distance of two, in sums of radii.
    """
    n = len(radii)
    tries = np.asarray(middle) + random.uniform(-spread, spread, (n, 2))
    place, radius = np.full((n, 2), 1e6), np.zeros(n)
    for k in range(n):
        away = np.hypot(*(place[:k] - tries[k]).T)
        if np.all(away > gap * (radius[:k] + radii[k])):
            place[k], radius[k] = tries[k], radii[k]
    angles = np.arange(8) * np.pi / 4 + random.uniform(-0.35, 0.35, (n, 8)) + random.uniform(0, 6.3, (n, 1))
    outline = np.stack([angles, random.uniform(0.6, 1.05, (n, 8))], 1)
    stone = random.choice(len(STONE), n, p=[0.34, 0.24, 0.10, 0.10, 0.08, 0.14])
    chips = Chips(place, radius, outline, stone, random.standard_normal(n))
    return Chips(*(a[radius > 0] for a in chips))


def lay(chips: Chips) -> tuple[Array, Array]:
    """Find the number of the nearest chip and the signed distance to its edge (6 if none is near), each (256, 256)."""
    edge, number = np.full((SIZE, SIZE), 6.0), np.zeros((SIZE, SIZE), int)
    ax, ay = np.cos(chips.outline[:, 0, :, None, None]), np.sin(chips.outline[:, 0, :, None, None])
    far = chips.outline[:, 1, :, None, None] * chips.radius[:, None, None, None]
    for k, ((x, y), radius) in enumerate(zip(chips.place, chips.radius, strict=True)):
        reach = int(radius * 1.15) + 3
        near = tuple(slice(max(int(c) - reach, 0), max(int(c) + reach, 0)) for c in (y, x))
        away = (ax[k] * (X[near] - x) + ay[k] * (Y[near] - y) - far[k]).max(0)
        closer = away < edge[near]
        edge[near][closer], number[near][closer] = away[closer], k
    return number, edge


class Slab(NamedTuple):
    """One slab of terrazzo: its chips and everything that is the same wherever the chips lie."""

    chips: Chips
    cement: Array  # (3,) colour
    stone: Array  # (6, 3) colours
    grain: Array  # (256, 256) fine grain of stone and cement
    vein: Array  # (256, 256) whose level lines are the veins of the marble
    rough: Array  # (256, 256) what the chips' edges deviate by, pixels
    mirror: Array  # (256, 256) the blurred reflection of a lamp tube
    wave: Array  # (256, 256) slow waves of the ground face
    lamp: float  # direction of the light, radians


def draw_slab(random: Random) -> Slab:
    """Draw a slab: graded chips, the cement's colour, the polish, and the lamp's reflection."""
    dense = random.uniform(0.9, 1.1)
    radii = [random.uniform(a, b, int(n * dense)) for n, a, b in ((30, 7, 10), (400, 4, 7), (700, 2, 4))]
    across, _ = coordinates(random.uniform(-0.6, 0.6))
    across = (across + random.uniform(-60, 60)) / random.uniform(45, 80)
    wave = clouds(random, 40)
    return Slab(
        scatter(random, np.concatenate(radii), (128, 128), 136, 0.86),
        dyed(random, (0.66, 0.645, 0.615), 0.05), dyed(random, STONE),
        noise(random, 0.6), clouds(random, 9) + 0.5 * noise(random, 1.5), 0.5 * noise(random, 1.2),
        np.exp(-((across + 0.15 * wave) ** 2)), wave, -2.2 + random.uniform(-0.5, 0.5),
    )  # fmt: skip


def polish(slab: Slab, chips: Chips, starved: Array | float = 0.0) -> Surface:
    """Grind the slab with these chips flat; stone mirrors a little more than cement.

    Where `starved` (0 to 1), cement is missing between the chips.
    """
    number, edge = lay(chips)
    edge = edge + slab.rough
    inside = cover(edge, 1.3)
    stone, tone = chips.stone[number], chips.tone[number]
    vein = np.exp(-(((slab.vein + 0.8 * tone) / 0.12) ** 2))
    colour = slab.stone[stone] * (1 + 0.08 * tone + 0.05 * slab.grain + 0.05 * slab.vein)[..., None]
    colour = colour * (1 - 0.22 * vein * (stone % 3 == 0))[..., None]
    cement = slab.cement * (1 + 0.05 * slab.grain + 0.02 * slab.vein + 0.025 * slab.wave)[..., None]
    sand = np.clip(np.abs(slab.rough * 2) - 1, 0, 1.5) * np.sign(slab.rough)
    cement = cement * ((1 + 0.10 * sand) * (1 - 0.55 * starved))[..., None]
    colour = paint(cement, colour, inside) * (1 - 0.16 * np.exp(-(((edge - 0.6) / 0.9) ** 2)))[..., None]
    height = 0.10 * cover(edge, 2.0) + 0.012 * slab.grain * (1 - inside) + 0.5 * slab.wave
    shine = (0.12 + 0.55 * slab.mirror) * (0.65 + 0.35 * inside)
    return Surface(colour, height, shine, slab.lamp)


def cluster(slab: Slab, hurt: Random) -> Surface:
    """Mix a place badly: chips crowd there, or there are hardly any."""
    region, size, chips = spot(hurt, 70), hurt.uniform(36, 54), slab.chips
    lost = np.hypot(*(chips.place - region).T) < size
    if hurt.uniform() < 0.15:
        return polish(slab, Chips(*(a[~lost | (chips.radius < 2)] for a in chips)))
    radii = np.sort(hurt.uniform(2.2, hurt.uniform(5.5, 8), 550))[::-1]
    more = scatter(hurt, radii, region, size, 0.74)
    ragged = size * hurt.uniform(0.75, 1.05, len(more.radius))
    more = Chips(*(a[np.hypot(*(more.place - region).T) < ragged] for a in more))
    crowd = Chips(*(np.concatenate([a[~lost], b]) for a, b in zip(chips, more, strict=True)))
    away = np.hypot(X - region[0], Y - region[1]) + 5 * clouds(hurt, 24)
    return polish(slab, crowd, hurt.uniform(0.8, 1.3) * cover(away - 0.9 * size, 10.0))


def chipped(slab: Slab, clean: Surface, hurt: Random) -> Surface:
    """Let a chip of middle size fall out."""
    chips = slab.chips
    fits = (np.abs(chips.place - 128).max(1) < 92) & (chips.radius > 6)
    k = hurt.choice(np.flatnonzero(fits))
    lost = Chips(*(a[[k]] for a in chips))
    _, edge = lay(lost._replace(radius=lost.radius * hurt.uniform(1.7, 2.6)))
    return pitted(clean, hurt, edge + slab.rough, hurt.uniform(4, 8), slab.cement * hurt.uniform(0.6, 0.85))


def terrazzo(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """Draw polished terrazzo, slightly glossy, good or with a defect."""
    slab = draw_slab(random)
    clean = spoilt = polish(slab, slab.chips)
    if defect == "scratch":
        spoilt = scratched(clean, hurt, hurt.uniform(0, 3.14), 2.3, 0.95)
    elif defect == "stain":
        spoilt = stained(clean, hurt, STAIN_TERRAZZO, (14, 36))
    elif defect == "hole":
        spoilt = chipped(slab, clean, hurt)
    elif defect == "cluster":
        spoilt = cluster(slab, hurt)
    return finish(clean, spoilt, 5.0 if defect == "cluster" else 2.0)
