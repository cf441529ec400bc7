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

GLYPHS = {  # strokes in a 1 x 2 cell, y down
    "H": [[(0, 0), (0, 2)], [(1, 0), (1, 2)], [(0, 1), (1, 1)]],
    "V": [[(0, 0), (0.5, 2), (1, 0)]],
    "Q": [[(0.5, 0), (1, 0.5), (1, 1.5), (0.5, 2), (0, 1.5), (0, 0.5), (0.5, 0)], [(0.6, 1.4), (1.1, 2.1)]],
    "2": [[(0, 0.4), (0.3, 0), (0.8, 0.05), (1, 0.5), (0, 2), (1, 2)]],
    "5": [[(1, 0), (0.1, 0), (0, 0.9), (0.6, 0.8), (1, 1.3), (0.7, 2), (0, 1.9)]],
    "0": [[(0.5, 0), (1, 0.5), (1, 1.5), (0.5, 2), (0, 1.5), (0, 0.5), (0.5, 0)]],
}


def compare(clean: Array, hurt: Array) -> tuple[Array, Array]:
    """The hurt scene, clean outside of its mask, and the mask: where the two differ visibly, tidied."""
    changed = np.abs(np.clip(hurt, 0, 1) - clean).max(2) > 3 / 255
    mask = ndimage.binary_closing(changed, np.ones((3, 3), bool), iterations=2)
    label, count = ndimage.label(mask, np.ones((3, 3)))
    size = ndimage.sum_labels(mask, label, np.arange(count + 1))
    mask &= (size >= 12)[label]
    return np.where(mask[..., None], np.clip(hurt, 0, 1), clean), mask


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


# --------------------------------------------------------------------------------------------------------- board
WIDTH, HEIGHT = 204.0, 156.0
CORNERS = [(sx * 90.0, sy * 66.0) for sx in (-1, 1) for sy in (-1, 1)]
# kind, x, y, turn in quarters; x and y in pixels from the middle of the board
PARTS = (
    [("chip", -10.0, -8.0, 0), ("can", -66.0, -22.0, 0), ("plug", 78.0, 0.0, 0), ("led", 46.0, -48.0, 0), ("sot", -66.0, 22.0, 0)]
    + [(kind, -58.0 + 17.0 * i, 51.0, 1) for i, kind in enumerate(["res", "res", "cap", "res", "cap", "res"])]
    + [(kind, -46.0 + 26.0 * i, -58.0, 0) for i, kind in enumerate(["cap", "res", "cap"])]
)
LEGS = [-32.0 + 7.5 * i - 0.5 * 0 for i in range(7)]
PADS = {"res": [(-6, 0, 5, 8), (6, 0, 5, 8)], "cap": [(-6, 0, 5, 8), (6, 0, 5, 8)], "led": [(-6, 0, 5, 8), (6, 0, 5, 8)],
        "can": [(0, -10, 6, 5), (0, 10, 6, 5)], "sot": [(-6, 7, 4, 5), (6, 7, 4, 5), (0, -7, 4, 5)],
        "chip": [(x + 9.5, y, 4.4, 9) for x in LEGS for y in (-22, 22)], "plug": [(-9, -27 + 10.8 * i, 6, 6) for i in range(6)]}


def turned(quarters: float, x: Array, y: Array) -> tuple[Array, Array]:
    """(x, y) in the frame of a part turned by `quarters` of a full turn's quarter."""
    c, s = np.cos(quarters * np.pi / 2), np.sin(quarters * np.pi / 2)
    return c * x + s * y, c * y - s * x


def routes() -> list[list[tuple[float, float]]]:
    """Polylines of the copper traces."""
    lines = []
    for i in range(6):  # from the chip down to the row of resistors
        x0, x1 = -10 + LEGS[i] + 9.5, -58 + 17.0 * i
        lines.append([(x0, 14), (x0, 18), (x1, 18 + abs(x1 - x0)), (x1, 46)])
        lines.append([(x1, 57), (x1, 66), (x1 + 5, 71)])
    for i in range(3):  # to the capacitors above
        x0, x1 = -10 + LEGS[2 * i] + 9.5, -46 + 26.0 * i + 6
        lines.append([(x0, -30), (x0, -34), (x1, -34 - abs(x1 - x0)), (x1, -58)])
    for i in range(6):  # from the plug to vias
        y = -27 + 10.8 * i
        lines.append([(69, y), (48 - 3 * (i % 2), y), (40 - 3 * (i % 2), y + (8 if i < 3 else -8) * 0.6)])
    lines += [[(-66, -32), (-66, -44), (-58, -52), (-52, -58)], [(-66, -12), (-66, 15)], [(-60, 29), (-60, 36), (-72, 48), (-72, 60)]]
    lines += [[(-40, -20), (-48, -20), (-58, -12), (-66, -12)], [(52, -48), (62, -48), (70, -40), (70, -27)], [(40, -48), (24, -48), (18, -42), (18, -30)]]
    return lines


@lru_cache(maxsize=1)
def artwork() -> tuple[Array, Array, Array]:
    """Copper, bare pads and silkscreen of the board, each a coverage (2 HEIGHT, 2 WIDTH) in half pixels."""
    y, x = np.mgrid[0 : 2 * HEIGHT, 0 : 2 * WIDTH] / 2 + 0.25
    x, y = x - WIDTH / 2, y - HEIGHT / 2
    lines, ends = np.full(x.shape, np.inf), np.full(x.shape, np.inf)
    for route in routes():
        lines = np.minimum(lines, stroke(np.array(route), x, y))
        ends = np.minimum(ends, disc(x - route[-1][0], y - route[-1][1], 2.6))
    pads, legend = ends + 0.4, np.full(x.shape, np.inf)
    for kind, px, py, quarters in PARTS:
        lx, ly = turned(quarters, x - px, y - py)
        for cx, cy, w, h in PADS[kind]:
            pads = np.minimum(pads, box(lx - cx, ly - cy, w, h, 0.8))
        w, h = {"chip": (66, 60), "can": (22, 42), "plug": (32, 74), "sot": (22, 24)}.get(kind, (21, 13))
        legend = np.minimum(legend, np.abs(box(lx, ly, w, h, 1)) - 0.45)
    for cx, cy in CORNERS:
        pads = np.minimum(pads, disc(x - cx, y - cy, 8.5))
    legend = np.minimum(legend, lettering("HVQ25", 4.0, x - 20, y - 69) - 0.5)
    trace = np.minimum(lines - 1.1, ends)
    pour = np.maximum(-(np.minimum(trace, pads) - 3.0), box(x, y, WIDTH - 8, HEIGHT - 8, 4))
    copper = cover(np.minimum(np.minimum(trace, pour), pads))
    holes = np.minimum.reduce([disc(x - px, y - py, 1.0) for px, py in [route[-1] for route in routes()]])
    return copper, cover(pads), cover(np.maximum(legend, 0.8 - pads)) * 0.9 - cover(holes)


def solid(scene: Array, where: tuple, d: Array, colour: Array | tuple, lamp: float, tall: float = 2.0, gloss: float = 0.1) -> None:
    """Paint a bevelled solid of signed distance `d` into the window `where` of `scene`, with its shadow."""
    away = polar(lamp + np.pi, tall)
    shade = ndimage.gaussian_filter(shift(cover(d), *away), 0.4 + 0.35 * tall, mode="nearest", truncate=3.0)
    height = ndimage.gaussian_filter(np.clip(-d, 0, 1.8), 0.6, mode="nearest")
    shading, shine = light(height, lamp, 0.8, gloss)
    patch = scene[where] * (1 - 0.6 * shade)[..., None]
    lit = np.asarray(colour) * (0.3 + 0.7 * shading)[..., None] + shine[..., None]
    scene[where] = paint(patch, lit, cover(d))


def part(scene: Array, look: dict, kind: str, x: float, y: float, quarters: float) -> None:
    """Paint one component into the scene."""
    lamp = look["lamp"]
    where = window(look["u"], look["v"], x, y, {"chip": 42, "plug": 50, "can": 28}.get(kind, 16))
    u, v = turned(quarters, look["u"][where] - x, look["v"][where] - y)
    metal = np.array([0.62, 0.62, 0.63])
    if kind in ("res", "cap", "led"):
        solid(scene, where, box(u, v, 17, 8.5, 2.5), metal * 0.8, lamp, 1.0, 0.5)
        solid(scene, where, box(u, v, 14, 7.5, 0.8), metal * 1.15, lamp, 3.0 if kind == "cap" else 2.0, 0.4)
        colour = {"res": (0.07, 0.07, 0.08), "cap": (0.52, 0.40, 0.27), "led": (0.80, 0.78, 0.62)}[kind]
        scene[where] = paint(scene[where], colour, cover(box(u, v, 8.5, 7.3, 0.5)) * 0.96)
        if kind == "res":
            scene[where] = paint(scene[where], (0.72, 0.72, 0.70), cover(lettering("250"[: 3], 1.3, u, v) - 0.35) * 0.75)
        if kind == "led":
            scene[where] = paint(scene[where], (0.93, 0.86, 0.45), cover(disc(u, v, 2.6), 1.5) * 0.8)
    elif kind == "chip":
        for cx, cy, _, _ in PADS["chip"]:
            solid(scene, where, box(u - cx, v - cy * 0.93, 2.9, 9.5, 0.8), metal, lamp, 1.5, 0.5)
        solid(scene, where, box(u, v, 56, 34, 1.5), look["plastic"], lamp, 4.0, 0.12)
        dots = np.minimum(disc(u + 23, v - 11.5, 2.4), np.maximum(disc(u + 28, v, 4), box(u, v, 56, 34)))
        scene[where] = paint(scene[where], look["plastic"] * 0.55, cover(dots))
        text = np.minimum(lettering("HV250", 3.0, u - 3, v + 5), lettering("2052", 2.2, u - 1, v - 6))
        scene[where] = paint(scene[where], (0.62, 0.62, 0.60), cover(text - 0.4) * 0.7)
    elif kind == "can":
        solid(scene, where, box(u, v, 17, 36, 8), metal * 0.95, lamp, 4.0, 0.5)
        solid(scene, where, box(u, v, 13, 32, 6), metal * 1.1, lamp, 0.5, 0.3)
        scene[where] = paint(scene[where], (0.25, 0.25, 0.26), cover(lettering("20", 2.4, v, -u) - 0.4) * 0.8)
    elif kind == "sot":
        for cx, cy, _, _ in PADS["sot"]:
            solid(scene, where, box(u - cx, v - cy, 3.2, 6, 0.8), metal, lamp, 1.0, 0.5)
        solid(scene, where, box(u, v, 18, 9.5, 1), look["plastic"], lamp, 2.5, 0.12)
    else:
        solid(scene, where, box(u, v, 28, 70, 1.5), look["housing"], lamp, 7.0, 0.1)
        solid(scene, where, box(u + 3, v, 16, 64, 1), look["housing"] * 0.62, lamp, 0.6, 0.0)
        for i in range(6):
            solid(scene, where, box(u + 3, v + 27 - 10.8 * i, 4.4, 4.4, 1), (0.78, 0.62, 0.30), lamp, 2.0, 0.5)


def board_look(random: Random) -> dict:
    """What varies between good boards: pose, light, solder mask, placement tolerance, mat; and the bare board."""
    angle, lamp = random.uniform(-0.09, 0.09), -2.2 + random.uniform(-0.6, 0.6)
    u, v = coordinates(angle, tuple(128 + random.uniform(-6, 6, 2)))
    where = np.stack([v + HEIGHT / 2, u + WIDTH / 2]) * 2 - 0.5
    copper, pads, legend = (ndimage.map_coordinates(a, where, order=1, mode="nearest") for a in artwork())
    grain, cloud = noise(random, 0.8), noise(random, 16, 2)
    green = np.array([0.035, 0.20, 0.115]) * random.uniform(0.85, 1.25) + random.uniform(-0.008, 0.02, 3)
    shading, gloss = light(blur(copper + 0.6 * pads, 0.8) + 0.02 * grain, lamp, 0.7, 0.06)
    mask = green * (1 + 0.65 * copper[..., None]) * (1 + 0.03 * cloud + 0.02 * grain)[..., None]
    mask = mask * shading[..., None] + gloss[..., None] + 0.03 * random.uniform(0.3, 1) * np.exp(-(((u + v * 0.6) - random.uniform(-60, 60)) / 60) ** 2)[..., None]
    tin = np.array([0.66, 0.65, 0.60]) + random.uniform(-0.04, 0.04)
    mask = paint(mask, tin * (0.82 + 0.3 * (shading - 1) + 0.10 * cloud + 0.05 * grain)[..., None], np.clip(pads, 0, 1))
    mask = paint(mask, (0.82, 0.83, 0.79), np.clip(legend, 0, 1) * (0.80 + 0.08 * grain))
    mask = paint(mask, (0.03, 0.05, 0.04), np.clip(-legend, 0, 1) * 0.8)
    outline = box(u, v, WIDTH, HEIGHT, 5)
    for x, y in CORNERS:
        outline = np.maximum(outline, -disc(u - x, v - y, 4.6))
    away = polar(lamp + np.pi, 5)
    sheet = cover(outline)
    shade = 0.5 * blur(shift(sheet, *away), 4) + 0.3 * blur(sheet, 2)
    mat_tone = random.uniform(0.50, 0.60) * (1 + 0.05 * noise(random, 0.7) + 0.03 * noise(random, 2.5) + 0.03 * cloud)
    mat = mat_tone[..., None] * (np.array([0.93, 0.99, 1.05]) + random.uniform(-0.02, 0.02, 3))
    bare = paint(mat * (1 - shade)[..., None], (0.55, 0.50, 0.36), cover(outline - 0.8) * 0.9)
    bare = paint(bare, mask, cover(outline + 0.8))
    slack = random.uniform(-1, 1, (len(PARTS), 3)) * (0.8, 0.8, 0.03)
    return {"u": u, "v": v, "angle": angle, "lamp": lamp, "bare": bare, "on": cover(outline + 2), "slack": slack,
            "plastic": np.full(3, random.uniform(0.09, 0.14)), "housing": np.array([0.80, 0.77, 0.68]) * random.uniform(0.92, 1.05)}


def draw_board(look: dict, parts: list | tuple = PARTS) -> Array:
    """The board with its components (None: left out)."""
    scene = look["bare"].copy()
    for place, (dx, dy, turn) in zip(parts, look["slack"], strict=True):
        if place is not None:
            kind, x, y, quarters = place
            part(scene, look, kind, x + dx, y + dy, quarters + turn)
    return np.clip(scene, 0, 1)


def misplace(hurt: Random) -> list:
    """The list of parts with one turned, shifted, or two swapped."""
    parts, way = list(PARTS), hurt.randint(4)
    if way == 0:  # the chip the wrong way round
        parts[0] = (*PARTS[0][:3], 2)
    elif way == 1:  # two neighbours in the rows exchanged
        i = hurt.choice([6, 7, 8, 9, 11, 12])
        parts[i], parts[i + 1] = (PARTS[i + 1][0], *PARTS[i][1:]), (PARTS[i][0], *PARTS[i + 1][1:])
    else:  # a small part turned across its pads, or shifted off them
        i = hurt.randint(5, len(PARTS))
        kind, x, y, quarters = PARTS[i]
        dx, dy = polar(hurt.uniform(0, 2 * np.pi), hurt.uniform(4, 8))
        parts[i] = (kind, x, y, quarters + 1) if way == 2 else (kind, x + dx, y + dy, quarters)
    return parts


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
