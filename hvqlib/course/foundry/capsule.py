"""A two-coloured pharmaceutical capsule on a brushed steel tray."""

from __future__ import annotations

import numpy as np

from hvqlib.course.foundry.object_defects import Stain, scratched, stained
from hvqlib.course.foundry.rendering import blur, clouds, cover, noise, paint, shift, window
from hvqlib.course.foundry.shapes import SIZE, Array, Pair, Random, X, Y, blob, coordinates, lettering, polar, rotated
from hvqlib.course.foundry.texture_surface import compare

HALF, BODY, CAP = 56.0, 34.0, 36.5  # half the straight part and the two radii, in pixels
ON_CAP, ON_BODY = -32.0, 41.0  # where the prints are along the axis
PRINTS = (("HV", ON_CAP), ("250", ON_BODY))
BROWN = Stain((12, 24), (0.55, 0.42, 0.26), (0.6, 1.0), 0.4)


def ink(look: dict, prints: tuple[tuple[str, float], ...]) -> Array:
    """Compute the coverage (256, 256) of texts that follow the curved wall, each at its place on the axis."""
    u, v, total = look["u"], look["v"], np.zeros((SIZE, SIZE))
    for text, place in prints:
        place = place + look["print"]
        where = window(u, v, place, 0, 34)
        around = BODY * np.arcsin(np.clip(v[where] / (BODY + 1), -1, 1)) - look["roll"]
        strokes = lettering(text, 7.5, u[where] - place, around) - 1.2
        total[where] = np.maximum(total[where], cover(strokes, 1.2))
    return total * np.clip(0.84 + 0.09 * look["grain"], 0, 1)


def normals(look: dict, radius: Array, beyond: Array, relief: Array) -> tuple[Array, ...]:
    """Compute the normal (x, y, z) of a round bar with round ends, tilted by a relief in pixels."""
    nu, nv = beyond / (radius + 0.5), look["v"] / (radius + 0.5)
    nz = np.sqrt(np.clip(1 - nu**2 - nv**2, 0.01, 1))
    nx, ny = rotated(-look["angle"], nu, nv)
    gy, gx = np.gradient(relief)
    nx, ny = nx - gx * nz, ny - gy * nz
    norm = np.sqrt(nx**2 + ny**2 + nz**2)
    return nx / norm, ny / norm, nz / norm


def reflection(look: dict, nx: Array, ny: Array, nz: Array) -> Array:
    """Compute the mirrored room (256, 256): a long softbox, its glow, a faint lamp opposite, the bright horizon."""
    (ax, ay), (bx, by) = polar(look["lamp"]), polar(look["lamp"] + np.pi / 2)
    p, q = 2 * nz * (nx * ax + ny * ay), 2 * nz * (nx * bx + ny * by)
    softbox = 1 / (1 + np.exp((np.abs(p - 0.72) - 0.12) / 0.03))
    softbox /= 1 + np.exp((np.abs(q) - look["lampwide"]) / 0.05)
    glow = 0.10 * np.exp(-(((p - 0.55) / 0.45) ** 2) - (q / 0.9) ** 2)
    fill = 0.09 * np.exp(-(((p + 0.85) / 0.12) ** 2) - (q / 0.7) ** 2)
    return look["shine"] * softbox + glow + fill + 0.13 * (1 - nz) ** 3


def render(look: dict, seam: float = 0.0, prints: tuple = PRINTS, dent: Array | float = 0.0) -> Array:
    """Render the capsule on its tray (256, 256, 3), `seam` pixels pulled open, dented by `dent` pixels."""
    u, lamp, edge = look["u"], look["lamp"], look["seam"] + seam
    cap = cover(u - edge)
    radius = BODY + (CAP - BODY) * cap
    beyond = np.sign(u) * np.maximum(np.abs(u) - HALF, 0)
    inside = cover(np.hypot(beyond, look["v"]) - radius)
    ring = np.exp(-(((u - edge + 1) / 1.6) ** 2)) - np.exp(-(((u - edge + 16) / 2.6) ** 2))
    nx, ny, nz = normals(look, radius, beyond, 0.9 * ring + look["bumps"] - dent)
    facing = 0.55 * (nx * np.cos(lamp) + ny * np.sin(lamp)) + 0.835 * nz
    colour = paint(look["body"], look["cap"], cap)
    printed = paint(colour, paint(look["ink"], look["white"], cap), ink(look, prints))
    step = 1 - 0.35 * np.exp(-np.clip(u - edge, 0, None) / 2.0) * (1 - cap)
    matt = (0.30 + 0.70 * np.clip(facing, 0, 1)) * step * (0.70 + 0.30 * nz)
    lit = printed * matt[..., None] + reflection(look, nx, ny, nz)[..., None]
    shade = 0.6 * blur(shift(inside, *polar(lamp, -13)), 7) + 0.5 * blur(shift(inside, *polar(lamp, -5)), 2.5)
    through = 1.1 - 0.3 * colour  # some coloured light comes through the capsule
    scene = look["tray"] * (1 - np.clip(shade, 0, 0.85)[..., None] * np.clip(through, 0, 1))
    return np.clip(paint(scene, lit, inside), 0, 1)


def tray(random: Random, lamp: float) -> Array:
    """Draw brushed steel (256, 256, 3): streaks at several scales and the broad reflection of the lamp."""
    u, v = coordinates()
    fine, wide = noise(random, (0.6, 14)), clouds(random, (4, 90))
    x, y = polar(lamp, 110)
    sheen = np.exp(-(((v - y) / 150) ** 2) - ((u - x) / 260) ** 2)
    tone = random.uniform(0.42, 0.50) + 0.16 * sheen + 0.028 * fine + 0.022 * wide + 0.012 * noise(random, 0.6)
    warm = random.uniform(-0.02, 0.02) * np.array([1, 0, -1])
    return tone[..., None] * (np.array([0.98, 1.0, 1.02]) + warm)


def pose(random: Random) -> dict:
    """Draw what varies between good capsules: place, light, colours, fit, print, tray."""
    angle, lamp = random.uniform(-0.11, 0.11), -1.75 + random.uniform(-0.3, 0.3)
    centre = tuple(128 + random.uniform(-4, 4, 2))
    u, v = coordinates(angle, centre)
    cap = np.array([0.09, 0.35, 0.42]) * random.uniform(0.92, 1.1) + random.uniform(-0.02, 0.02, 3)
    body = np.array([0.86, 0.83, 0.75]) * random.uniform(0.94, 1.04)
    return {
        "u": u, "v": v, "angle": angle, "centre": centre, "lamp": lamp, "cap": cap,
        "body": body + random.uniform(-0.015, 0.015, 3), "white": random.uniform(0.72, 0.84),
        "ink": np.array([0.10, 0.10, 0.13]) + random.uniform(0, 0.08),
        "seam": 6 + random.uniform(-1.5, 1.5), "roll": random.uniform(-5, 5),
        "print": random.uniform(-2, 2), "grain": noise(random, 1.0),
        "bumps": 0.10 * clouds(random, 30), "lampwide": random.uniform(0.45, 0.8),
        "shine": random.uniform(0.45, 0.6), "tray": tray(random, lamp),
    }  # fmt: skip


def pressed(look: dict, hurt: Random, spot: Pair) -> Array:
    """Render the capsule (256, 256, 3) with a dent at `spot`, mostly broken through."""
    size = hurt.uniform(9, 13)
    d = blob(hurt, spot, size, X, Y, 0.15)
    deep = hurt.uniform(0.4, 0.65) * size
    scene = render(look, dent=deep * np.exp(-((np.clip(d + size, 0, None) / size) ** 2) * 1.5))
    if hurt.uniform() < 0.3:
        return scene
    hole = d + hurt.uniform(0.35, 0.6) * size
    toward = (X - spot[0]) * np.cos(look["lamp"]) + (Y - spot[1]) * np.sin(look["lamp"])
    far = np.clip(0.4 - toward / size, 0, 1)  # the wall across from the lamp is lit
    rim = np.exp(-((hole / 1.1) ** 2)) * (0.15 + 0.6 * far)
    dark = (0.05 + 0.16 * far)[..., None] * np.array([1.0, 0.94, 0.86])
    return paint(paint(scene, dark, cover(hole, 1.5)), np.clip(scene * 1.35, 0, 1), rim)


def swapped(look: dict, hurt: Random) -> Array:
    """Render the capsule (256, 256, 3) with its prints exchanged, the same print twice, or the seam displaced."""
    kind = hurt.randint(3)
    if kind == 0:
        return render(look, seam=hurt.choice([-1, 1]) * hurt.uniform(9, 16))
    first, second = ("250", "HV") if kind == 1 else (PRINTS[hurt.randint(2)][0],) * 2
    return render(look, prints=((first, ON_CAP), (second, ON_BODY)))


def capsule(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """Draw a two-coloured pharmaceutical capsule on a brushed steel tray, good or with a defect."""
    look = pose(random)
    clean = render(look)
    if defect is None:
        return compare(clean, clean)
    if defect == "swapped":
        return compare(clean, swapped(look, hurt))
    a, b = hurt.uniform(-66, 66), hurt.uniform(-20, 20)
    c, s = np.cos(look["angle"]), np.sin(look["angle"])
    spot = look["centre"][0] + c * a - s * b, look["centre"][1] + s * a + c * b
    if defect == "hole":
        return compare(clean, pressed(look, hurt, spot))
    on = cover(np.hypot(np.maximum(np.abs(look["u"]) - HALF, 0), look["v"]) - BODY + 1)
    if defect == "scratch":
        floor = (0.35, 0.34, 0.33) if hurt.uniform() < 0.6 else (1.5, 1.5, 1.45)
        return compare(clean, scratched(clean, hurt, spot, on, look["lamp"], (50, 100), floor))
    return compare(clean, stained(clean, hurt, spot, on, BROWN))
