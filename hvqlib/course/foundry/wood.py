"""A planed softwood board for the bundled data set: year rings, fibres, pores, tight knots."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.rendering import blur, clouds, cover, noise, paint
from hvqlib.course.foundry.shapes import SIZE, Array, Random, X, Y, blob, coordinates
from hvqlib.course.foundry.texture_surface import Surface, dyed, finish, pitted, scratched, spot, stained

STAIN_WOOD = np.array([[0.45, 0.33, 0.24], [0.42, 0.44, 0.48], [0.62, 0.50, 0.42], [0.60, 0.42, 0.38]])


def flow(u: Array, v: Array, knots: list[tuple[float, float, float]]) -> tuple[Array, Array, Array]:
    """Push the grain coordinate `v` aside by `knots` (x, y, radius) as pillars do a stream.

    Returns it, the distance to the nearest knot in its radii, and the knots' own rings, each (256, 256).
    """
    nearest, rings = np.full(u.shape, 9.0), np.zeros(u.shape)
    for x, y, radius in knots:
        far = np.hypot((u - x) / 1.25, v - y) / radius
        stretched = ((u - x) / 2.2) ** 2 + (v - y) ** 2
        v = y + (v - y) * (1 - radius**2 / np.maximum(stretched, 1.05 * radius**2))
        rings = np.where(far < nearest, np.sin(far * radius * 1.7), rings)
        nearest = np.minimum(nearest, far)
    return v, nearest, rings


def grown_rings(random: Random, u: Array, v: Array) -> tuple[Array, Array]:
    """Draw latewood (0 to 1) and tone of the year rings, each (256, 256): distorted cones in space, cut by the face."""
    pith, depth = random.uniform(-90, 90), random.uniform(25, 90)
    taper = random.uniform(0.10, 0.35) * random.choice([-1, 1])
    sway = 5.0 * clouds(random, 120) + 0.8 * clouds(random, (30, 70))
    radius = np.hypot(v - pith + sway, depth + taper * u + 40) + 0.35 * clouds(random, (7, 24))
    years = np.cumsum(random.uniform(5.0, 15.0, 60) * random.uniform(0.8, 1.2))
    year = np.searchsorted(years, radius)
    start = np.concatenate([[0.0], years])[year]
    age = (radius - start) / (years[year] - start)
    late = np.clip((age - 0.3) / 0.62, 0, 1) ** 2.2 * np.clip((1.0 - age) * 9, 0, 1)
    strength = random.uniform(0.55, 1.0, 61)
    return late * strength[year], random.standard_normal(61)[year]


def with_knots(colour: Array, near: Array, rings: Array) -> Array:
    """Lay the knots into `colour`: brown heart with rings, rim of bark, darker halo around."""
    heart = cover((near - 1) * 6, 2.5)
    bark = np.exp(-(((near - 1.0) / 0.16) ** 2))
    halo = np.exp(-np.clip(near - 1, 0, None) / 0.7)
    core = np.array([0.50, 0.30, 0.17]) * (1 + 0.12 * rings)[..., None]
    colour = paint(colour * (1 - 0.22 * halo)[..., None], core, 0.85 * heart)
    return colour * (1 - 0.45 * bark)[..., None]


def board(random: Random) -> Surface:
    """Draw a board: year rings, fibres, pores, slow colour changes, sometimes tight knots."""
    u, v = coordinates(random.uniform(-0.07, 0.07))
    v = v + 2.5 * clouds(random, 100)
    knots = [
        (random.uniform(-95, 95), random.uniform(-95, 95), random.uniform(4.0, 8.5))
        for _ in range(random.choice(3, p=[0.55, 0.33, 0.12]))
    ]
    v, near, rings = flow(u, v, knots)
    late, tone = grown_rings(random, u, v)
    along = [v + 128, u + 128]
    fibre = noise(random, (0.55, 11.0)) + 0.7 * clouds(random, (2.5, 70))
    seeds = (random.uniform(0, 1, (SIZE, SIZE)) < 0.012) * random.uniform(0.4, 1.0)
    pores = 9 * blur(seeds, (0.4, 4.5))
    fibre = ndimage.map_coordinates(fibre, along, order=1, mode="mirror")
    pores = np.clip(ndimage.map_coordinates(pores, along, order=1, mode="mirror"), 0, 1.2) * (1.1 - 0.7 * late)
    early, summer = dyed(random, (0.79, 0.65, 0.48), 0.05), dyed(random, (0.56, 0.37, 0.22), 0.05)
    brown = np.clip(0.9 * late + 0.05 * tone + 0.05 * fibre, 0, 1)
    colour = paint(early, summer, brown) * random.uniform(0.9, 1.02) * (1 + 0.035 * clouds(random, 60))[..., None]
    colour = colour * (1 + clouds(random, 45)[..., None] * np.array([0.012, 0.0, -0.02]))  # redder here and there
    colour = colour * (1 + 0.045 * fibre - 0.16 * pores)[..., None]
    colour = with_knots(colour, near + 0.08 * clouds(random, 5), rings)
    cutter = 2 * np.pi * u / random.uniform(9, 15) + random.uniform(0, 6.3)
    planing = 0.025 * np.sin(cutter + 0.5 * clouds(random, 50))
    height = 0.08 * fibre - 0.30 * pores + 0.25 * late + planing + 1.5 * clouds(random, 90)
    shine = 0.18 * (1 - 0.4 * pores) * (1 + 0.12 * fibre)
    return Surface(colour, height, shine, -2.0 + random.uniform(-0.5, 0.5))


def inlay(s: Surface, hurt: Random) -> Surface:
    """Let in a patch of the same board, its grain turned or only displaced; a hairline seam."""
    wide, high = hurt.uniform(40, 96), hurt.uniform(34, 70)
    x, y = spot(hurt, 70)
    du, dv = coordinates(hurt.uniform(-0.3, 0.3), (x, y))
    edge = np.maximum(np.abs(du) - wide / 2, np.abs(dv) - high / 2)
    turn = hurt.choice([0.0, hurt.uniform(0.25, 1.57)]) * hurt.choice([-1, 1])
    sx, sy = hurt.uniform(70, 186), hurt.uniform(70, 186)
    inside = edge < 1
    ix, iy = X[inside] - x, Y[inside] - y
    where = sy + np.sin(turn) * ix + np.cos(turn) * iy, sx + np.cos(turn) * ix - np.sin(turn) * iy

    def take(a: Array) -> Array:
        out = a.copy()
        out[inside] = ndimage.map_coordinates(a, where, order=3, mode="mirror")
        return a + (out - a) * cover(edge)

    colour = np.stack([take(s.colour[..., k]) for k in range(3)], -1)
    seam = np.exp(-((edge / 0.9) ** 2)) * hurt.uniform(0.05, 0.25)
    height = take(s.height)
    height[inside] -= (height - s.height)[inside].mean()  # flush with the board
    return s._replace(colour=colour * (1 - seam)[..., None], height=height - 0.3 * seam, shine=take(s.shine))


def bored(s: Surface, hurt: Random) -> Surface:
    """Bore one to three small worm holes, or drill one hole."""
    drilled = hurt.uniform() < 0.4
    x, y = spot(hurt, 50)
    edge = np.full(X.shape, 99.0)
    for _ in range(1 if drilled else hurt.randint(1, 4)):
        radius = hurt.uniform(6, 12) if drilled else hurt.uniform(2.6, 5.0)
        edge = np.minimum(edge, blob(hurt, (x, y), radius, X, Y, 0.02 if drilled else 0.15))
        x, y = x + hurt.uniform(-28, 28), y + hurt.uniform(-28, 28)
    return pitted(s, hurt, edge, 11.0, np.array([0.30, 0.19, 0.11]))


def wood(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """Draw a planed softwood board (knots are normal), good or with a defect."""
    clean = spoilt = board(random)
    if defect == "scratch":
        spoilt = scratched(clean, hurt, hurt.uniform(0.25, 2.9), 1.5, 0.85)
    elif defect == "stain":
        spoilt = stained(clean, hurt, STAIN_WOOD, (15, 36))
    elif defect == "hole":
        spoilt = bored(clean, hurt)
    elif defect == "inlay":
        spoilt = inlay(clean, hurt)
    return finish(clean, spoilt)
