"""A small circuit board on an antistatic mat: its artwork, its components, how they go astray."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.board_components import PIN, PITCH, SHAPES
from hvqlib.course.foundry.object_defects import Stain, scratched, stained
from hvqlib.course.foundry.rendering import blur, clouds, cover, light, noise, paint, shift, window
from hvqlib.course.foundry.shapes import Array, Pair, Random, box, coordinates, disc, lettering, polar, rotated, stroke
from hvqlib.course.foundry.texture_surface import compare

WIDTH, HEIGHT = 204.0, 158.0
ZOOM = 1.13  # picture pixels in a unit of the layout
CORNERS = [(sx * 90.0, sy * 66.0) for sx in (-1, 1) for sy in (-1, 1)]
CHIP, PLUG = -10.0, 80.0  # their x
LEGS, PINS = [PITCH * i for i in range(-3, 4)], [PIN * (i - 2.5) for i in range(6)]
LOWER = [(-54.0 + 19 * i, 48.0) for i in range(5)]
UPPER = [(-46.0 + 32 * i, -57.0) for i in range(3)]

Part = tuple[str, float, float, float]  # kind, x, y from the middle of the board, quarter turns
PARTS: list[Part] = [
    ("chip", CHIP, -8, 0), ("plug", PLUG, 0, 0), ("can", -68, -22, 0), ("drum", 58, 54, 0),
    ("sot", -68, 22, 0), ("led", 53, -54, 0),
    *((kind, *at, 1) for kind, at in zip(("res", "cap", "res", "res", "cap"), LOWER, strict=True)),
    *((kind, *at, 0) for kind, at in zip(("cap", "res", "cap"), UPPER, strict=True)),
]  # fmt: skip
TWO = [(-8.5, 0, 7, 11), (8.5, 0, 7, 11)]
PADS: dict[str, Sequence[tuple[float, ...]]] = {  # x, y, width, height in the frame of the part
    "res": TWO, "cap": TWO, "led": TWO, "can": [(0, -10, 6, 5), (0, 10, 6, 5)],
    "sot": [(-6, 7, 4, 5), (6, 7, 4, 5), (0, -7, 4, 5)], "drum": [(-10, 0, 9, 5), (10, 0, 9, 5)],
    "chip": [(x, y, 4.4, 9) for x in LEGS for y in (-22, 22)], "plug": [(-9, y, 6, 6) for y in PINS],
}  # fmt: skip
SILK: dict[str, Pair] = {"chip": (66, 60), "plug": (33, 76), "can": (23, 42), "sot": (22, 24), "drum": (33, 30)}

COPPER = (1.9, 1.4, 0.85)
FLUX = Stain((20, 34), (0.85, 0.62, 0.25), (0.8, 1.0), haze=(0.24, 0.20, 0.12))
BURN = Stain((18, 30), (0.30, 0.13, 0.13), (0.85, 1.0), 0.3, haze=(0.035, 0.02, 0.012))


def routes() -> list[list[Pair]]:
    """List the copper traces: polylines in pixels from the middle of the board, a via at the end of each."""
    lines = []
    for leg, (x, y) in zip(LEGS, LOWER, strict=False):  # from the chip to the row below it
        lines.append([(CHIP + leg, 14), (CHIP + leg, 18), (x, 18 + abs(x - CHIP - leg)), (x, y - 5)])
        lines.append([(x, y + 8), (x, 67), (x + 4, 71)])
    for leg, (x, y) in zip(LEGS[::3], UPPER, strict=False):  # to the row above it
        bend = -34 - abs(x + 8.5 - CHIP - leg)
        lines.append([(CHIP + leg, -30), (CHIP + leg, -34), (x + 8.5, bend), (x + 8.5, y)])
    for i, y in enumerate(PINS):  # from the plug
        end = 38.0 - 5 * (i % 2)
        lines.append([(PLUG - 9, y), (end + 8, y), (end, y + (6 if i < 3 else -6) * 0.8)])
    return [
        *lines,
        [(-68, -32), (-68, -44), (-60, -52), (-52, -58)],
        [(-68, -12), (-68, 15)],
        [(-62, 29), (-62, 33), (-76, 47), (-76, 58)],
        [(-42, -16), (-52, -16), (-56, -12), (-68, -12)],
        [(61, -54), (66, -54), (71, -49), (71, -27)],
        [(45, -54), (38, -54), (31, -47), (31, -40)],
        [(48, 54), (38, 54), (30, 46), (30, 32), (22, 24)],
    ]


@cache
def artwork() -> tuple[Array, Array, Array]:
    """Draw copper, bare pads, and silkscreen less drilled vias, each (2 HEIGHT, 2 WIDTH) in half pixels."""
    y, x = np.mgrid[0 : 2 * HEIGHT, 0 : 2 * WIDTH] / 2 + 0.25
    x, y = x - WIDTH / 2, y - HEIGHT / 2
    lines = np.minimum.reduce([stroke(np.array(route), x, y) for route in routes()])
    vias = np.minimum.reduce([disc(x - px, y - py, 0) for px, py in (r[-1] for r in routes())])
    pads, legend = vias - 2.2, lettering("HVQ25", 3.4, x + 20, y + 70.5) - 0.5
    for kind, px, py, quarters in PARTS:
        lx, ly = rotated(quarters * np.pi / 2, x - px, y - py)
        for cx, cy, w, h in PADS[kind]:
            pads = np.minimum(pads, box(lx - cx, ly - cy, w, h, 0.8))
        legend = np.minimum(legend, np.abs(box(lx, ly, *SILK.get(kind, (30, 16)), 1)) - 0.45)
    for cx, cy in CORNERS:
        pads = np.minimum(pads, disc(x - cx, y - cy, 8.5))
    trace = np.minimum(lines - 1.1, pads)
    pour = np.maximum(3.0 - trace, box(x, y, WIDTH - 8, HEIGHT - 8, 4))
    legend = 0.9 * cover(np.maximum(legend, 0.8 - pads))
    return cover(np.minimum(trace, pour)), cover(pads), legend - cover(vias - 1.0)


def render(look: dict, parts: Sequence[Part | None]) -> Array:
    """Render the board (256, 256, 3) with its components (None: left out)."""
    scene = look["bare"].copy()
    for place, (dx, dy, turn) in zip(parts, look["slack"], strict=True):
        if place is not None:
            kind, x, y, quarters = place
            draw, reach = SHAPES[kind]
            where = window(look["u"], look["v"], x + dx, y + dy, reach)
            u, v = look["u"][where] - x - dx, look["v"][where] - y - dy
            draw(scene, where, *rotated((quarters + turn) * np.pi / 2, u, v), look, kind)
    return np.clip(scene, 0, 1)


def laminate(random: Random, u: Array, v: Array, lamp: float) -> Array:
    """Render the bare board (256, 256, 3): solder mask over copper, tinned pads, silkscreen, vias."""
    at = np.stack([v + HEIGHT / 2, u + WIDTH / 2]) * 2 - 0.5
    copper, pads, legend = (ndimage.map_coordinates(a, at, order=1, mode="nearest") for a in artwork())
    grain, cloud = noise(random, 0.8), clouds(random, 30)
    green = np.array([0.03, 0.185, 0.105]) * random.uniform(0.92, 1.15) + random.uniform(-0.004, 0.006, 3)
    shading, gloss = light(blur(copper + 0.6 * pads, 0.8) + 0.03 * grain, lamp, 0.7, 0.06)
    across = (u * np.cos(lamp) + v * np.sin(lamp) - random.uniform(-20, 90)) / 70
    sheen = random.uniform(0.01, 0.03) * np.exp(-(across**2)) * (1 + 0.2 * cloud)
    bright = (1 + 0.65 * copper) * (1 + 0.04 * cloud + 0.03 * grain) * shading
    face = green * bright[..., None] + (gloss + sheen)[..., None]
    tin = np.array([0.66, 0.65, 0.60]) + random.uniform(-0.04, 0.04)
    glint = 0.85 + 0.5 * (shading - 1) + 0.10 * clouds(random, 5) + 0.05 * grain
    face = paint(face, tin * glint[..., None], np.clip(pads, 0, 1))
    face = paint(face, (0.80, 0.81, 0.77), np.clip(legend, 0, 1) * np.clip(0.8 + 0.09 * grain, 0, 1))
    return paint(face, (0.03, 0.05, 0.04), np.clip(-legend, 0, 1) * 0.8)


def pose(random: Random) -> dict:
    """Draw what varies between good boards: place, light, mask, mat, tolerance of every component."""
    angle, lamp = random.uniform(-0.025, 0.025), -2.2 + random.uniform(-0.3, 0.3)
    u, v = coordinates(angle, tuple(128 + random.uniform(-2, 2, 2)))
    u, v = u / ZOOM, v / ZOOM
    sheet = box(u, v, WIDTH, HEIGHT, 5)
    for x, y in CORNERS:
        sheet = np.maximum(sheet, -disc(u - x, v - y, 4.6))
    board = cover(sheet)
    shade = 0.5 * blur(shift(board, *polar(lamp, -5)), 4) + 0.35 * blur(board, 2)
    felt = 0.04 * noise(random, 0.7) + 0.02 * clouds(random, 6) + 0.02 * clouds(random, 40)
    tint = np.array([0.95, 1.0, 1.05]) + random.uniform(-0.006, 0.006, 3)
    mat = (random.uniform(0.25, 0.28) * (1 + felt) * (1 - shade))[..., None] * tint
    bare = paint(mat, (0.50, 0.47, 0.33), cover(sheet - 0.8) * 0.9)  # the sawn edge
    return {
        "u": u, "v": v, "lamp": lamp, "on": cover(sheet + 2),
        "bare": paint(bare, laminate(random, u, v, lamp), cover(sheet + 0.8)),
        "slack": random.uniform(-1, 1, (len(PARTS), 3)) * (0.5, 0.5, 0.02),
        "plastic": np.full(3, random.uniform(0.09, 0.14)), "metal": np.array([0.62, 0.62, 0.63]),
        "housing": np.array([0.80, 0.77, 0.68]) * random.uniform(0.95, 1.03),
        "inner": cover(u - PLUG + 3 + 8 * np.cos(lamp), 8),
    }  # fmt: skip


def misplaced(hurt: Random) -> list[Part]:
    """List the parts, one of them turned or shifted off its pads, or two exchanged."""
    parts, way = list(PARTS), hurt.randint(4)
    if way == 0:  # the chip or the aluminium capacitor the wrong way round
        i = hurt.choice([0, 3])
        parts[i] = (*PARTS[i][:3], 2)
    elif way == 1:  # two unlike neighbours of a row
        i = hurt.choice([6, 7, 9, 11, 12])
        parts[i], parts[i + 1] = (PARTS[i + 1][0], *PARTS[i][1:]), (PARTS[i][0], *PARTS[i + 1][1:])
    else:
        i = hurt.randint(4, len(PARTS))
        kind, x, y, quarters = PARTS[i]
        dx, dy = polar(hurt.uniform(0, 2 * np.pi), hurt.uniform(9, 14))
        parts[i] = (kind, x, y, quarters + 1) if way == 2 else (kind, x + dx, y + dy, quarters)
    return parts


def board(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """Draw a small circuit board on an antistatic mat, good or with a defect."""
    look = pose(random)
    clean = render(look, PARTS)
    if defect is None:
        return compare(clean, clean)
    if defect == "missing":  # any part but the chip
        gone = hurt.randint(1, len(PARTS))
        return compare(clean, render(look, [*PARTS[:gone], None, *PARTS[gone + 1 :]]), 4)
    if defect == "misplaced":
        return compare(clean, render(look, misplaced(hurt)))
    spots = np.argwhere((look["on"] == 1) & (clean.max(2) > 0.18))  # not on black plastic
    y, x = spots[hurt.randint(len(spots))]
    if defect == "scratch":
        return compare(clean, scratched(clean, hurt, (x, y), look["on"], look["lamp"], (90, 170), COPPER))
    return compare(clean, stained(clean, hurt, (x, y), look["on"], FLUX if hurt.uniform() < 0.5 else BURN))
