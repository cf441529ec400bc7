"""A machined spur gear on a rubber belt."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.object_defects import Stain, scratched, stained
from hvqlib.course.foundry.rendering import blur, clouds, cover, light, noise, paint, shift
from hvqlib.course.foundry.shapes import Array, Random, blob, box, coordinates, disc, polar, rotated
from hvqlib.course.foundry.texture_surface import compare

TEETH, HOLES = 24, 5
AS_DESIGNED = np.zeros((HOLES, 2))
OIL = Stain((18, 32), (0.42, 0.33, 0.21), (0.55, 0.9))
RUST = Stain((13, 24), (0.75, 0.36, 0.16), (0.55, 0.9), 1.0)


def outline(look: dict, keyway: float = 0.0, moved: Array = AS_DESIGNED, broken: Array | float = np.inf) -> Array:
    """Measure the signed distance to the metal seen from above.

    The keyway is turned by `keyway` radians, each hole by moved[:, 0] radians and outwards by moved[:, 1] of the gear's
    size; `broken` is the signed distance to what is broken off.
    """
    u, v, r, theta, size = (look[k] for k in ("u", "v", "r", "theta", "size"))
    arc = np.abs((theta * TEETH / (2 * np.pi)) % 1 - 0.5) * (2 * np.pi / TEETH) * r
    tooth = np.maximum((arc - 0.06 * size + 0.36 * (r - 0.92 * size)) * 0.94, r - size)
    root = r - 0.85 * size
    blend = np.clip(0.5 + 0.5 * (tooth - root) / 2.5, 0, 1)  # a fillet where tooth meets body
    shape = np.maximum(tooth + (root - tooth) * blend - 2.5 * blend * (1 - blend), -broken)
    along, across = rotated(keyway, u, v)
    slot = box(along - 0.14 * size, across, 0.2 * size, 0.09 * size, 1)
    shape = np.maximum(shape, -np.minimum(r - 0.16 * size, slot))
    for k, (turn, push) in enumerate(moved):
        x, y = polar(2 * np.pi * (k + 0.5) / HOLES + turn, (0.585 + push) * size)
        shape = np.maximum(shape, -disc(u - x, v - y, 0.115 * size))
    return shape


def render(look: dict, shape: Array) -> Array:
    """Render a gear of outline `shape` on its belt (256, 256, 3): turned rim and hub, a cast web between them."""
    r, size, lamp = look["r"], look["size"], look["lamp"]
    top = cover(shape)
    web = cover(np.abs(r - 0.585 * size) - 0.19 * size, 4)
    hub = cover(r - 0.33 * size, 3)
    height = blur(np.clip(-shape, 0, 2.4) + 3.0 * hub - 3.5 * web, 0.7)
    shading, gloss = light(height, lamp, 0.9, 0.5)
    corner = np.clip((blur(height, 5) - height) * 0.08, 0, 0.4)  # little light reaches corners
    metal = look["turned"] + (look["cast"] - look["turned"]) * web
    metal = metal * (0.15 + 0.85 * shading) * (1 - corner) + 0.45 * gloss * (shading > 1.05)
    wall = np.max([shift(top, *polar(look["tilt"], k)) for k in (1, 2, 3, 4)], 0)
    shade = 0.50 * blur(shift(top, *polar(lamp, -9)), 4)
    shade += 0.42 * blur(np.maximum(shift(top, *polar(lamp, -3)), wall), 2)
    scene = look["belt"] * (1 - np.clip(shade, 0, 0.9))[..., None]
    side = 0.15 + 0.15 * np.cos(look["theta"] + look["angle"] - lamp)
    scene = paint(scene, side[..., None] * look["steel"], wall)
    return np.clip(paint(scene, metal[..., None] * look["steel"], top), 0, 1)


def finish(random: Random, r: Array, facing: Array) -> tuple[Array, Array]:
    """Draw the brightness (256, 256) of turned and of cast metal: grooves fan the lamp out into two bright sectors.

    `r` is the distance from the axis, `facing` the angle from the direction of the lamp.
    """
    lines = ndimage.gaussian_filter1d(random.standard_normal((2, 700)), 1.0, axis=1)
    swell = ndimage.gaussian_filter1d(random.standard_normal(700), 9.0) * 4
    line, wobble, slow = (np.interp(r * 4, np.arange(700), g) for g in (*lines, swell))
    grain, cloud = noise(random, 0.7), clouds(random, 40)
    lobe = 0.5 + 0.5 * np.cos(2 * (facing + 0.25 * wobble + 0.12 * slow))
    sheen = lobe ** random.uniform(2.5, 4.5)
    sheen += 0.4 * (0.5 + 0.5 * np.cos(2 * (facing - 1.2 + 0.2 * wobble))) ** 6
    turned = 0.45 + random.uniform(0.32, 0.42) * sheen + 0.06 * line + 0.03 * slow
    turned += 0.015 * grain + 0.03 * cloud
    pits = np.clip(noise(random, 1.1) - 1.9, 0, 1)
    rough = 0.08 * grain + 0.07 * clouds(random, 6) + 0.07 * cloud + 0.2 * sheen - 0.35 * pits
    return turned, random.uniform(0.35, 0.41) * (1 + rough)


def belt(random: Random) -> Array:
    """Draw a dark rubber belt (256, 256, 3) with a woven face, worn and dusty."""
    u, v = coordinates(random.uniform(-0.06, 0.06))
    pitch = random.uniform(7.0, 7.5)
    weave = np.cos(np.pi * (u + v) / pitch) * np.cos(np.pi * (u - v) / pitch)
    weave = weave * (1 + 0.25 * clouds(random, 12)) + 0.25 * clouds(random, (3, 30))
    dust = np.clip(noise(random, 0.8) - 3.0, 0, 1) * 0.4 + 0.010 * np.clip(clouds(random, 5), 0, 2)
    wear = 0.05 * clouds(random, 60) + 0.10 * noise(random, 0.6)
    tone = random.uniform(0.15, 0.18) * (1 + 0.17 * weave + wear)
    colour = np.array([0.96, 1.0, 1.02]) + random.uniform(-0.02, 0.02) * np.array([1, -0.5, -1])
    return tone[..., None] * colour + dust[..., None]


def pose(random: Random) -> dict:
    """Draw what varies between good gears: place, rotation, light, finish, belt."""
    angle, lamp = random.uniform(-0.09, 0.09), -2.2 + random.uniform(-0.3, 0.3)
    u, v = coordinates(angle, tuple(128 + random.uniform(-4, 4, 2)))
    r, theta = np.hypot(u, v), np.arctan2(v, u)
    turned, cast = finish(random, r, theta + angle - lamp)
    warm = random.uniform(-0.01, 0.015) * np.array([1, 0.3, -1])
    return {
        "u": u, "v": v, "r": r, "theta": theta, "angle": angle, "lamp": lamp,
        "size": 98 * random.uniform(0.98, 1.02), "tilt": 0.7 + random.uniform(-0.3, 0.3),
        "turned": turned, "cast": cast, "steel": np.array([1.0, 1.0, 1.02]) + warm, "belt": belt(random),
    }  # fmt: skip


def broken_off(look: dict, hurt: Random) -> Array:
    """Measure the signed distance to what broke off: from the corner of a tooth to two teeth."""
    at = (hurt.randint(TEETH) + 0.5 + hurt.uniform(-0.2, 0.2)) * 2 * np.pi / TEETH
    spot = polar(at, look["size"] * hurt.uniform(0.98, 1.02))
    return blob(hurt, spot, hurt.uniform(14, 25), look["u"], look["v"], 0.3)


def misplaced(hurt: Random) -> tuple[float, Array]:
    """Draw a turn of the keyway and moves of the holes: one of the two."""
    way, moved = hurt.choice([-1, 1]), AS_DESIGNED.copy()
    if hurt.uniform() < 0.5:
        return way * hurt.uniform(0.6, np.pi), moved
    moved[hurt.randint(HOLES)] = way * hurt.uniform(0.26, 0.5), hurt.uniform(-0.04, 0.04)
    return 0.0, moved


def gear(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """Draw a machined spur gear on a rubber belt, good or with a defect."""
    look = pose(random)
    shape = outline(look)
    clean = render(look, shape)
    if defect is None:
        return compare(clean, clean)
    if defect == "missing":
        return compare(clean, render(look, outline(look, broken=broken_off(look, hurt))))
    if defect == "misplaced":
        return compare(clean, render(look, outline(look, *misplaced(hurt))))
    on = cover(shape + 1)
    spots = np.argwhere((on == 1) & (look["r"] < 0.8 * look["size"]))
    y, x = spots[hurt.randint(len(spots))]
    if defect == "scratch":
        floor = (2.0, 2.0, 2.02) if hurt.uniform() < 0.6 else (0.2, 0.2, 0.2)
        return compare(clean, scratched(clean, hurt, (x, y), on, look["lamp"], (70, 150), floor))
    return compare(clean, stained(clean, hurt, (x, y), on, OIL if hurt.uniform() < 0.5 else RUST))
