"""Woven cloth for the bundled data set: a herringbone tweed with a windowpane check, seen close."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.rendering import clouds, cover, noise, paint
from hvqlib.course.foundry.shapes import SIZE, Array, Random, X, Y, blob, coordinates, scratch
from hvqlib.course.foundry.texture_surface import Surface, dyed, finish, spot, stained

LINING = np.array([0.13, 0.12, 0.115])  # what a hole shows: a dark backing
HERRINGBONE = 6  # threads in a leg of the zigzag; the check repeats with it, every 12 threads
STAIN_CLOTH = np.array([[0.55, 0.40, 0.26], [0.38, 0.35, 0.34], [0.60, 0.44, 0.24], [0.42, 0.30, 0.30]])
Both = tuple[Array | float, Array | float]  # one for the warp, one for the weft


class Cloth(NamedTuple):
    """One piece of cloth: its threads' coordinates, the colours of the repeat, and what varies."""

    u: Array  # (256, 256) counted in threads: warp ends from left to right
    v: Array  # weft picks from top to bottom
    warp: Array  # (12, 3) colours of the repeat
    weft: Array
    slub: Array  # (2, 64, 256) thickness of each thread along its length, warp and weft
    tone: Array  # (2, 64) brightness of each thread
    fibre: Array  # (256, 256) fine roughness of the yarn
    hair: Array  # (256, 256) stray fibres on top
    drape: Array  # (256, 256) slow waves, pixels
    lamp: float  # direction of the light, radians


def draw_cloth(random: Random) -> Cloth:
    """Draw the pose, yarns and light of a piece of cloth."""
    pitch = random.uniform(6.55, 6.7)
    centre = tuple(128 + random.uniform(-8, 8, 2))
    u, v = coordinates(random.uniform(-0.035, 0.035), centre)
    u = u + 0.9 * clouds(random, 90) + 0.22 * clouds(random, 14)
    v = v + 0.9 * clouds(random, 90) + 0.22 * clouds(random, 14)
    pale, deep = dyed(random, (0.66, 0.62, 0.56), 0.03), dyed(random, (0.36, 0.36, 0.37), 0.04)
    pane = dyed(random, (0.46, 0.31, 0.26), 0.05)
    warp, weft = np.tile(pale, (12, 1)), np.tile(deep, (12, 1))
    warp[5:7], weft[5:7] = pane * 1.12, pane * 0.95
    slub = ndimage.gaussian_filter1d(random.standard_normal((2, 64, SIZE)), 9.0, axis=-1) * 4.0
    return Cloth(
        u / pitch + 32, v / pitch + 32, warp, weft, slub, random.standard_normal((2, 64)),
        noise(random, 0.6), hairs(random), 1.5 * clouds(random, 80),
        -2.36 + random.uniform(-0.35, 0.35),
    )  # fmt: skip


def hairs(random: Random) -> Array:
    """Draw stray fibres (256, 256) in [0, 1]: level lines of smooth noise, as curled as hairs, broken by more."""
    long, short = clouds(random, 15) / 0.035, clouds(random, 11) / 0.04
    lines = np.exp(-(long**2)) + np.exp(-(short**2))
    return np.clip(lines, 0, 1) * np.clip(clouds(random, 10) - 0.2, 0, 1)


def zigzag(thread: Array) -> Array:
    """Count by how many threads the twill has moved at a thread: up one leg of the herringbone, down the next."""
    return np.abs(np.mod(thread, 2 * HERRINGBONE) - HERRINGBONE)


def yarn(piece: Cloth, side: int, thread: Array, across: Array, along: Array, phase: Array) -> tuple[Array, Array]:
    """Spin the warp (`side` 0) or the weft (1): height (256, 256) and brightness (256, 256, 1) of its threads.

    `across` and `along` say where on a thread, in threads; `phase` counts crossings, and two of four lift the warp.
    """
    sign = 1.0 - 2.0 * side
    slub = piece.slub[side, thread, np.clip(along * 4, 0, SIZE - 1).astype(int)]
    profile = np.sqrt(np.clip(1 - (across / (0.50 + 0.05 * slub)) ** 2, 0, 1))
    swing = sign * np.tanh(2.0 * np.sin(np.pi / 2 * phase + np.pi / 4))
    ply = np.sin(2 * np.pi * (1.15 * along + sign * 1.1 * across) + 2.1 * thread)
    height = 1.5 * profile + 1.1 * swing + 0.16 * ply * profile + 0.12 * piece.fibre
    tone = 1 + 0.03 * piece.tone[side, thread] + 0.03 * slub + 0.06 * ply + 0.08 * piece.fibre
    return height, tone[..., None]


def weave(
    piece: Cloth, move: Both = (0, 0), turn: Array | bool = False, lift: Array | float = 0.0, cut: Both = (0, 0)
) -> Surface:
    """Interlace the threads 2 over 2.

    `move` shifts the pattern by whole threads, `turn` swaps warp and weft of the pattern, `lift` raises the warp, `cut`
    (0 to 1, of warp and weft) takes the threads away.
    """
    i, j = np.floor(piece.u).astype(int), np.floor(piece.v).astype(int)
    a, b = piece.u - i - 0.5, piece.v - j - 0.5
    p, q = i + move[0], j + move[1]
    warp_phase = np.where(turn, p + zigzag(q + b) + 2, q + b + zigzag(p))
    weft_phase = np.where(turn, p + a + zigzag(q) + 2, q + zigzag(p + a))
    warp, warp_tone = yarn(piece, 0, np.clip(i, 0, 63), a, piece.v, warp_phase)
    weft, weft_tone = yarn(piece, 1, np.clip(j, 0, 63), b, piece.u, weft_phase)
    warp, weft = warp - 6 * cut[0] + lift, weft - 6 * cut[1]
    swap = np.asarray(turn)[..., None]
    warp_colour = np.where(swap, piece.weft[q % 12], piece.warp[p % 12]) * warp_tone
    weft_colour = np.where(swap, piece.warp[p % 12], piece.weft[q % 12]) * weft_tone
    top = np.maximum(warp, weft)
    colour = paint(weft_colour, warp_colour, cover(weft - warp, 0.8))
    colour = colour * np.clip(0.65 + 0.16 * top, 0.3, 1.1)[..., None]
    colour = paint(colour, 0.75, 0.30 * piece.hair)
    colour = paint(colour, LINING, cover(top + 2.0, 1.0))  # what shows where the threads are gone
    return Surface(colour, 0.7 * np.maximum(top, -2.5) + piece.drape, np.full((SIZE, SIZE), 0.03), piece.lamp)


def misweave(piece: Cloth, hurt: Random) -> Surface:
    """Weave a patch where the loom lost its place: the same weave, moved by some threads or turned."""
    ci, cj = hurt.randint(23, 42), hurt.randint(23, 42)
    wide, high = hurt.randint(9, 15), hurt.randint(9, 15)
    inside = (np.abs(np.floor(piece.u) - ci) * 2 <= wide) & (np.abs(np.floor(piece.v) - cj) * 2 <= high)
    if hurt.uniform() < 0.5:
        return weave(piece, turn=inside)
    return weave(piece, move=(inside * hurt.randint(3, 9), inside * hurt.randint(2, 8)))


def snag(piece: Cloth, hurt: Random) -> Surface:
    """Pull two or three threads: on top, tight and shining, or gone; the others close in."""
    thread, middle, half = hurt.randint(22, 43), hurt.uniform(25, 39), hurt.uniform(5, 10)
    wide = 0.5 * hurt.randint(2, 4)
    fade = cover(np.abs(piece.v - middle) - half, 2.0)
    off = piece.u - thread - wide
    drawn = piece._replace(u=piece.u + 0.55 * fade * off * np.exp(-((off / (0.6 + wide)) ** 2)))
    pulled = fade * (np.abs(drawn.u - thread - wide) < wide)
    if hurt.uniform() < 0.5:
        s = weave(drawn, lift=3.0 * pulled)
        return s._replace(colour=s.colour * (1 + hurt.uniform(0.05, 0.25) * pulled)[..., None])
    return weave(drawn, cut=(1.3 * pulled, 0.0))


def torn(piece: Cloth, hurt: Random, edge: Array, ragged: float, spared: float) -> Surface:
    """Tear the threads where `edge` < 0, each `ragged` pixels off; a share `spared` survives."""
    ends = hurt.standard_normal((2, 64)) * ragged + 99 * (hurt.uniform(0, 1, (2, 64)) < spared)
    i, j = (np.clip(np.floor(t), 0, 63).astype(int) for t in (piece.u, piece.v))
    frizz = noise(hurt, 1.0)
    fuzz = np.clip(frizz, 0, 1.5) * np.exp(-((np.maximum(edge, 0) / 2.5) ** 2))
    cut = cover(edge + ends[0, i] + frizz, 2.0), cover(edge + ends[1, j] + frizz, 2.0)
    return weave(piece._replace(hair=piece.hair + fuzz), cut=cut)


def hole(piece: Cloth, hurt: Random) -> Surface:
    """Wear a hole through."""
    radius = hurt.uniform(8, 20)
    return torn(piece, hurt, blob(hurt, spot(hurt, 55), radius, X, Y, 0.2), 0.2 * radius, 0.12)


def slash(piece: Cloth, hurt: Random) -> Surface:
    """Cut aslant with something sharp."""
    length, angle = hurt.uniform(50, 120), hurt.uniform(0.3, 1.2) * hurt.choice([-1, 1])
    x, y = spot(hurt, 75)
    line = scratch(hurt, (x, y), length, angle, X, Y)
    gape = hurt.uniform(4.0, 6.5) * (1 - (np.hypot(X - x, Y - y) * 2 / length) ** 2)
    return torn(piece, hurt, line - gape, 0.8, 0.04)


def cloth(random: Random, defect: str | None, hurt: Random) -> tuple[Array, Array]:
    """Draw a tweed, herringbone with a windowpane check, good or with a defect."""
    piece = draw_cloth(random)
    clean = spoilt = weave(piece)
    if defect == "scratch":
        spoilt = slash(piece, hurt) if hurt.uniform() < 0.4 else snag(piece, hurt)
    elif defect == "stain":
        spoilt = stained(clean, hurt, STAIN_CLOTH, (18, 38))
    elif defect == "hole":
        spoilt = hole(piece, hurt)
    elif defect == "misweave":
        spoilt = misweave(piece, hurt)
    return finish(clean, spoilt, 5.0 if defect == "misweave" else 2.0)
