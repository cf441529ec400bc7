"""The three objects of the bundled data set: a spur gear, a capsule and a circuit board.

Every product first draws all that varies between good parts from `random` (pose, light, colours, texture), then
renders the scene from it. A structural defect renders the same scene again with one thing changed, a surface defect
is laid over the clean scene; `compare` then cuts the difference out, so that the rest stays the clean twin exactly.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy import ndimage

from .drawing import (
    SIZE, Array, Random, blob, blur, box, coordinates, cover, disc, light, noise, paint, scratch, stroke,
)

def scratched(scene: Array, hurt: Random, centre: tuple[float, float], on: Array, direction: float,
              length: tuple[float, float], floor: tuple[float, float, float]) -> Array:
    """`scene` with a scratch on the part `on`: a groove down to the colour `floor`, its lip lit from `direction`."""
    u, v = coordinates(0.0, (0.0, 0.0))
    d = scratch(hurt, centre, hurt.uniform(*length), hurt.uniform(0, np.pi), u, v)
    width, depth = hurt.uniform(0.7, 1.5), hurt.uniform(0.35, 0.9)
    groove = np.exp(-((d / width) ** 2)) * np.clip(0.8 + 0.35 * noise(hurt, 5), 0.25, 1) * on
    gy, gx = np.gradient(groove)
    lip = -(gx * np.cos(direction) + gy * np.sin(direction))
    cut = paint(scene, np.asarray(floor) * (0.5 + scene.mean(2, keepdims=True)), groove * depth)
    return cut + (lip * depth * 0.45)[..., None]


def stained(scene: Array, hurt: Random, centre: tuple[float, float], on: Array, radius: tuple[float, float],
            tint: tuple[float, float, float], strength: tuple[float, float], speckle: float = 0.0) -> Array:
    """`scene` with a translucent stain on the part `on`: it filters the light by `tint`, most at its rim."""
    u, v = coordinates(0.0, (0.0, 0.0))
    cloud = noise(hurt, 5, 3)
    size = hurt.uniform(*radius)
    d = blob(hurt, centre, size, u, v, 0.35) + cloud * (0.06 + 0.3 * speckle) * size
    body = cover(d, 3) * (0.6 + 0.12 * cloud) + 0.4 * np.exp(-(((d + 2) / 2.2) ** 2))
    amount = np.clip(body, 0, 1) * on * hurt.uniform(*strength)
    return scene * (1 - amount[..., None] * (1 - np.asarray(tint)))


# ---------------------------------------------------------------------------------------------------------- gear
TEETH, HOLES = 24, 5


def gear_shape(look: dict, keyway: float, moved: Array, broken: Array | None) -> Array:
    """Signed distance to the gear seen from above; `moved` (5, 2) turns (radians) and shifts (share of the size)."""
    u, v, r, theta, size = (look[k] for k in ("u", "v", "r", "theta", "size"))
    arc = np.abs((theta * TEETH / (2 * np.pi)) % 1 - 0.5) * (2 * np.pi / TEETH) * r
    tooth = np.maximum((arc - 0.06 * size + 0.36 * (r - 0.92 * size)) * 0.94, r - size)
    root = r - 0.85 * size
    blend = np.clip(0.5 + 0.5 * (tooth - root) / 2.5, 0, 1)  # a fillet where a tooth meets the body
    shape = tooth + (root - tooth) * blend - 2.5 * blend * (1 - blend)
    if broken is not None:
        shape = np.maximum(shape, -broken)
    turned_u, turned_v = np.cos(keyway) * u + np.sin(keyway) * v, np.cos(keyway) * v - np.sin(keyway) * u
    bore = np.minimum(r - 0.16 * size, box(turned_u - 0.14 * size, turned_v, 0.2 * size, 0.09 * size, 1))
    shape = np.maximum(shape, -bore)
    for k, (turn, push) in enumerate(moved):
        x, y = polar(2 * np.pi * (k + 0.5) / HOLES + turn, (0.585 + push) * size)
        shape = np.maximum(shape, -disc(u - x, v - y, 0.115 * size))
    return shape


def draw_gear(look: dict, keyway: float = 0.0, moved: Array | None = None, broken: Array | None = None) -> Array:
    """The gear on its belt."""
    r, size, lamp = look["r"], look["size"], look["lamp"]
    shape = gear_shape(look, keyway, np.zeros((HOLES, 2)) if moved is None else moved, broken)
    top = cover(shape)
    web = cover(np.abs(r - 0.585 * size) - 0.19 * size, 4)
    hub = cover(r - 0.33 * size, 3)
    height = np.clip(-shape, 0, 2.2) + 3.0 * hub - 3.5 * web
    height = blur(height, 0.7)
    shading, gloss = light(height, lamp, 0.8, 0.5)
    hollow = np.clip((blur(height, 6) - height) * 0.07, 0, 0.35) * (shape < 0)
    metal = look["turned"] + (look["cast"] - look["turned"]) * web
    metal = (metal * (0.25 + 0.75 * shading) * (1 - hollow) + 0.35 * gloss * (shading > 1.05))[..., None] * look["steel"]
    wall = np.max([shift(top, *polar(look["tilt"], k)) for k in (1, 2, 3)], 0)
    away = polar(lamp + np.pi)
    shade = 0.55 * blur(shift(top, 7 * away[0], 7 * away[1]), 4) + 0.35 * blur(np.maximum(top, wall), 2.5)
    scene = look["belt"] * (1 - np.clip(shade, 0, 0.88))[..., None]
    side = 0.16 + 0.14 * np.cos(look["theta"] + look["angle"] - lamp)
    scene = paint(scene, side[..., None] * look["steel"], wall)
    return np.clip(paint(scene, metal, top), 0, 1)


def gear_look(random: Random) -> dict:
    """What varies between good gears: pose, light, finish, belt."""
    angle, lamp = random.uniform(0, 2 * np.pi), -2.2 + random.uniform(-0.6, 0.6)
    centre = tuple(128 + random.uniform(-6, 6, 2))
    u, v = coordinates(angle, centre)
    r, theta = np.hypot(u, v), np.arctan2(v, u)
    grooves = ndimage.gaussian_filter1d(random.standard_normal((3, 700)), 1.0, axis=1)
    coarse = ndimage.gaussian_filter1d(random.standard_normal(700), 9.0) * 4
    line, wobble, slow = (np.interp(r * 4, np.arange(700), g) for g in (grooves[0], grooves[1], coarse))
    grain, cloud = noise(random, 0.7), noise(random, 18, 2)
    facing = theta + angle - lamp
    sheen = (0.5 + 0.5 * np.cos(2 * (facing + 0.25 * wobble + 0.12 * slow))) ** random.uniform(2, 5)
    sheen += 0.35 * (0.5 + 0.5 * np.cos(2 * (facing - 1.2 + 0.2 * wobble))) ** 6
    turned = 0.42 + random.uniform(0.25, 0.42) * sheen + 0.05 * line + 0.03 * slow + 0.015 * grain + 0.025 * cloud
    cast = random.uniform(0.30, 0.40) * (1 + 0.10 * grain + 0.07 * noise(random, 2.2) + 0.08 * cloud + 0.2 * sheen)
    steel = np.array([1.0, 1.0, 1.02]) + random.uniform(-0.02, 0.03) * np.array([1, 0.3, -1])
    belt = gear_belt(random)
    return {"u": u, "v": v, "r": r, "theta": theta, "angle": angle, "lamp": lamp, "size": 98 * random.uniform(0.97, 1.03),
            "centre": centre, "turned": turned, "cast": cast, "steel": steel, "belt": belt,
            "tilt": random.uniform(0, 2 * np.pi)}


def gear_belt(random: Random) -> Array:
    """A dark rubber belt with a diamond weave, scuffs and dust."""
    u, v = coordinates(random.uniform(-0.15, 0.15))
    pitch = random.uniform(6.5, 8)
    weave = np.cos(np.pi * (u + v) / pitch) * np.cos(np.pi * (u - v) / pitch)
    grain, cloud = noise(random, 0.8), noise(random, 24, 3)
    dust = np.clip(noise(random, 0.9) - 2.9, 0, 1)
    tone = random.uniform(0.13, 0.19) * (1 + 0.22 * weave + 0.12 * grain + 0.13 * cloud)
    colour = np.array([0.96, 1.0, 1.02]) + random.uniform(-0.05, 0.05) * np.array([1, -0.5, -1])
    return tone[..., None] * colour + 0.35 * dust[..., None]


def gear(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """A machined spur gear on a belt, at any rotation.

    Returns the scene (256, 256, 3) in [0, 1], before the camera, and the defect mask (256, 256).
    """
    look = gear_look(random)
    clean, size = draw_gear(look), look["size"]
    if defect is None:
        return clean, np.zeros((SIZE, SIZE), bool)
    on = cover(gear_shape(look, 0.0, np.zeros((HOLES, 2)), None))
    x, y = polar(hurt.uniform(0, 2 * np.pi), hurt.uniform(0.3, 0.8) * size)
    spot = (look["centre"][0] + x, look["centre"][1] + y)
    if defect == "scratch":
        scene = scratched(clean, hurt, spot, on, look["lamp"], (22, 75), (0.8, 0.8, 0.82))
    elif defect == "stain" and hurt.uniform() < 0.5:  # oil
        scene = stained(clean, hurt, spot, on, (8, 24), (0.45, 0.36, 0.24), (0.4, 0.85))
    elif defect == "stain":  # rust
        scene = stained(clean, hurt, spot, on, (6, 18), (0.75, 0.36, 0.16), (0.45, 0.95), 1.0)
    elif defect == "missing":
        k, wide = hurt.randint(TEETH), hurt.uniform(5, 16)
        x, y = polar((k + 0.5 + hurt.uniform(-0.2, 0.2)) * 2 * np.pi / TEETH, size * hurt.uniform(0.98, 1.02))
        scene = draw_gear(look, broken=blob(hurt, (x, y), wide, look["u"], look["v"], 0.3))
    elif hurt.uniform() < 0.5:  # misplaced keyway
        scene = draw_gear(look, keyway=hurt.choice([-1, 1]) * hurt.uniform(0.45, np.pi))
    else:  # misplaced lightening hole
        moved = np.zeros((HOLES, 2))
        moved[hurt.randint(HOLES)] = hurt.choice([-1, 1]) * hurt.uniform(0.2, 0.5), hurt.uniform(-0.04, 0.04)
        scene = draw_gear(look, moved=moved)
    return compare(clean, scene)



# ------------------------------------------------------------------------------------------------------- capsule
HALF, BODY, CAP = 54.0, 31.0, 33.0  # half of the straight part, radii of the two halves, in pixels


def capsule_marks(look: dict, layout: tuple[tuple[str, float], ...]) -> Array:
    """Coverage of the print: texts that follow the curved wall, each at its place along the axis."""
    u, v = look["u"], look["v"]
    ink = np.zeros(u.shape)
    for text, place in layout:
        place = place + look["print"]
        rows, columns = window(u, v, place, 0, 32)
        around = BODY * np.arcsin(np.clip(v[rows, columns] / (BODY + 1), -1, 1)) - look["roll"]
        d = lettering(text, 7.0, u[rows, columns] - place, around)
        ink[rows, columns] = np.maximum(ink[rows, columns], cover(d - 1.15, 1.2))
    return ink * (0.82 + 0.09 * look["grain"])


def draw_capsule(look: dict, seam: float = 0.0, marks: tuple = (("HV", -34.0), ("250", 38.0)),
                 dent: Array | None = None) -> Array:
    """The capsule on its tray: analytic normals of a capped cylinder, a softbox mirrored in it."""
    u, v, lamp, angle = look["u"], look["v"], look["lamp"], look["angle"]
    edge = look["seam"] + seam
    cap = cover(u - edge)
    radius = BODY + (CAP - BODY) * cap
    beyond = np.sign(u) * np.maximum(np.abs(u) - HALF, 0)
    inside = cover(np.hypot(beyond, v) - radius)
    nu, nv = beyond / (radius + 0.5), v / (radius + 0.5)
    nz = np.sqrt(np.clip(1 - nu**2 - nv**2, 0.01, 1))
    nx, ny = np.cos(angle) * nu - np.sin(angle) * nv, np.sin(angle) * nu + np.cos(angle) * nv
    relief = 0.9 * np.exp(-(((u - edge + 15) / 2.6) ** 2)) * -1 + 0.9 * np.exp(-(((u - edge + 1) / 1.6) ** 2))
    relief = relief + look["bumps"] - (0 if dent is None else dent)
    gy, gx = np.gradient(relief)
    nx, ny = nx - gx * nz, ny - gy * nz
    norm = np.sqrt(nx**2 + ny**2 + nz**2)
    nx, ny, nz = nx / norm, ny / norm, nz / norm
    along, across = polar(lamp), polar(lamp + np.pi / 2)
    facing = 0.55 * (nx * along[0] + ny * along[1]) + 0.835 * nz
    p, q = (2 * nz * (nx * a[0] + ny * a[1]) for a in (along, across))
    lobe = 1 / (1 + np.exp((np.abs(p - 0.70) - 0.13) / 0.03)) / (1 + np.exp((np.abs(q) - look["lampwide"]) / 0.05))
    glow = 0.10 * np.exp(-(((p - 0.55) / 0.45) ** 2) - (q / 0.9) ** 2) + 0.10 * np.exp(-(((p + 0.85) / 0.12) ** 2))
    colour = look["body"] + (look["cap"] - look["body"]) * cap[..., None]
    colour = paint(colour, look["ink"], capsule_marks(look, marks))
    thick = 1 - 0.25 * np.exp(-np.clip(u - edge, 0, None) / 2.2) * (1 - cap)
    body = colour * ((0.34 + 0.66 * np.clip(facing, 0, 1)) * thick * (0.72 + 0.28 * nz))[..., None]
    lit = body + (look["shine"] * lobe + glow + 0.12 * (1 - nz) ** 3)[..., None]
    away = polar(lamp + np.pi)
    soft = blur(shift(inside, 9 * away[0], 9 * away[1]), 7) * 0.55 + blur(shift(inside, 4 * away[0], 4 * away[1]), 2.5) * 0.35
    tint = 1 - 0.75 * (1 - 0.35 * colour)
    scene = look["tray"] * (1 - np.clip(soft, 0, 0.8)[..., None] * (1.1 - 0.5 * tint))
    return np.clip(paint(scene, lit, inside), 0, 1)


def capsule_look(random: Random) -> dict:
    """What varies between good capsules: pose, light, colours, fill, print, tray."""
    angle, lamp = random.uniform(-0.17, 0.17), -1.75 + random.uniform(-0.55, 0.55)
    centre = tuple(128 + random.uniform(-7, 7, 2))
    u, v = coordinates(angle, centre)
    cap = np.array([0.10, 0.36, 0.42]) * random.uniform(0.9, 1.15) + random.uniform(-0.03, 0.03, 3)
    body = np.array([0.86, 0.83, 0.75]) * random.uniform(0.94, 1.04) + random.uniform(-0.015, 0.015, 3)
    return {"u": u, "v": v, "angle": angle, "lamp": lamp, "centre": centre, "cap": cap, "body": body,
            "ink": np.array([0.10, 0.10, 0.13]) + random.uniform(0, 0.08), "seam": 6 + random.uniform(-2.5, 2.5),
            "roll": random.uniform(-7, 7), "print": random.uniform(-2, 2), "grain": noise(random, 1.0),
            "bumps": 0.35 * noise(random, 12), "lampwide": random.uniform(0.45, 0.8),
            "shine": random.uniform(0.4, 0.7), "tray": capsule_tray(random, lamp)}


def capsule_tray(random: Random, lamp: float) -> Array:
    """A brushed steel tray: streaks at several scales and the soft reflection of the lamp."""
    u, v = coordinates(random.uniform(-0.05, 0.05))
    fine, wide = noise(random, (0.6, 14)), noise(random, (1.5, 60))
    x, y = polar(lamp, 110)
    sheen = np.exp(-(((v - y) / 150) ** 2) - ((u - x) / 260) ** 2)
    tone = random.uniform(0.42, 0.50) + 0.16 * sheen + 0.028 * fine + 0.018 * wide + 0.012 * noise(random, 0.6)
    return tone[..., None] * (np.array([0.98, 1.0, 1.02]) + random.uniform(-0.02, 0.02) * np.array([1, 0, -1]))


def capsule(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """A two-coloured capsule on a steel tray; returns as `gear` does."""
    look = capsule_look(random)
    clean = draw_capsule(look)
    if defect is None:
        return clean, np.zeros((SIZE, SIZE), bool)
    a, b = hurt.uniform(-60, 60), hurt.uniform(-17, 17)
    turn = look["angle"]
    spot = (look["centre"][0] + np.cos(turn) * a - np.sin(turn) * b, look["centre"][1] + np.sin(turn) * a + np.cos(turn) * b)
    reach = np.hypot(np.maximum(np.abs(look["u"]) - HALF, 0), look["v"])
    on = cover(reach - BODY + 1)
    if defect == "scratch":
        scene = scratched(clean, hurt, spot, on, look["lamp"], (18, 60), (0.35, 0.34, 0.33))
    elif defect == "stain":
        scene = stained(clean, hurt, spot, on, (5, 16), (0.55, 0.42, 0.26), (0.3, 0.8), 0.4)
    elif defect == "hole":
        u, v = coordinates(0.0, (0.0, 0.0))
        size = hurt.uniform(5, 11)
        d = blob(hurt, spot, size, u, v, 0.2)
        scene = draw_capsule(look, dent=hurt.uniform(0.5, 1.1) * size * 0.5 * cover(d, size * 1.1))
        if hurt.uniform() < 0.5:  # the wall is broken through
            scene = paint(scene, (0.09, 0.08, 0.08), cover(d + 0.55 * size, 1.5) * 0.9)
    else:
        kind = hurt.randint(3)
        if kind == 0:  # the seam is not closed, or pressed too far
            scene = draw_capsule(look, seam=hurt.choice([-1, 1]) * hurt.uniform(7, 14))
        elif kind == 1:  # the prints changed places
            scene = draw_capsule(look, marks=(("250", -34.0), ("HV", 38.0)))
        else:  # both on one half
            scene = draw_capsule(look, marks=(("HV", -34.0),) if hurt.uniform() < 0.5 else (("250", 38.0),))
    return compare(clean, scene)


def board(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """A small circuit board on an antistatic mat; returns as `gear` does."""
    look = board_look(random)
    clean = draw_board(look)
    if defect is None:
        return clean, np.zeros((SIZE, SIZE), bool)
    spot = tuple(128 + hurt.uniform(-1, 1, 2) * (70, 50))
    if defect == "scratch":
        scene = scratched(clean, hurt, spot, look["on"], look["lamp"], (25, 75), (1.3, 0.95, 0.55))
    elif defect == "stain" and hurt.uniform() < 0.5:  # flux residue
        scene = stained(clean + 0.03, hurt, spot, look["on"], (8, 22), (0.8, 0.62, 0.3), (0.3, 0.8))
    elif defect == "stain":  # burn
        scene = stained(clean, hurt, spot, look["on"], (6, 18), (0.30, 0.24, 0.2), (0.4, 0.9), 0.5)
    elif defect == "missing":
        parts, i = list(PARTS), hurt.randint(1, len(PARTS))
        parts[i] = None
        scene = draw_board(look, parts)
    else:
        scene = draw_board(look, misplace(hurt))
    return compare(clean, scene)


OBJECTS = {
    "gear": (gear, ("scratch", "stain", "missing", "misplaced")),
    "capsule": (capsule, ("scratch", "stain", "hole", "swapped")),
    "board": (board, ("scratch", "stain", "missing", "misplaced")),
}
