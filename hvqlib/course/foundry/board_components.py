"""Components of the circuit board, each drawn into a small window of the picture.

Every function gets the scene, the window (rows, columns), its coordinates (u, v) in the frame of the component, the
look of the board, and the kind.
"""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from hvqlib.course.foundry.rendering import cover, light, paint, shift
from hvqlib.course.foundry.shapes import Array, box, disc, lettering, polar

PITCH, PIN = 7.5, 10.8  # spacing of the legs of the chip and of the pins of the plug


def solid(scene: Array, where: tuple, d: Array, colour: Array | tuple, lamp: float, tall: float, gloss: float) -> None:
    """Paint a bevelled solid of signed distance `d`, `tall` pixels, into a window, with its shadow."""
    inside = cover(d)
    shade = shift(inside, *polar(lamp, -tall))
    shade = ndimage.gaussian_filter(shade, 0.4 + 0.35 * tall, mode="nearest", truncate=3.0)
    height = ndimage.gaussian_filter(np.clip(-d, 0, 1.8), 0.6, mode="nearest", truncate=3.0)
    shading, shine = light(height, lamp, 0.8, gloss)
    lit = np.asarray(colour) * (0.3 + 0.7 * shading)[..., None] + shine[..., None]
    scene[where] = paint(scene[where] * (1 - 0.65 * shade)[..., None], lit, inside)


def small(scene: Array, where: tuple, u: Array, v: Array, look: dict, kind: str) -> None:
    """Draw a resistor, a capacitor, a diode or a three-legged transistor."""
    lamp, metal = look["lamp"], look["metal"]
    if kind == "sot":
        row = np.minimum(box(np.abs(u) - 6, v - 7, 3.2, 6, 0.8), box(u, v + 7, 3.2, 6, 0.8))
        solid(scene, where, row, metal, lamp, 1.0, 0.5)
        solid(scene, where, box(u, v, 18, 9.5, 1), look["plastic"], lamp, 2.5, 0.12)
        return
    tall = {"res": 1.6, "cap": 3.0, "led": 2.2}[kind]
    solid(scene, where, box(u, v, 25, 11.5, 3), metal * 0.8, lamp, 0.8, 0.5)  # solder
    solid(scene, where, box(u, v, 20, 10.5, 0.8), metal * 1.15, lamp, tall, 0.4)
    body = {"res": (0.07, 0.07, 0.08), "cap": (0.52, 0.40, 0.27), "led": (0.80, 0.78, 0.62)}[kind]
    scene[where] = paint(scene[where], body, cover(box(u, v, 12, 10.3, 0.5)) * 0.96)
    if kind == "res":
        scene[where] = paint(scene[where], 0.72, cover(lettering("250", 1.9, u, v) - 0.35) * 0.75)
    elif kind == "led":
        scene[where] = paint(scene[where], (0.93, 0.86, 0.45), cover(disc(u, v, 3.8), 1.5) * 0.8)
        scene[where] = paint(scene[where], (0.2, 0.5, 0.3), cover(box(u - 5, v, 1.6, 9)) * 0.8)


def chip(scene: Array, where: tuple, u: Array, v: Array, look: dict, kind: str) -> None:
    """Draw an integrated circuit with 14 legs, a notch, a dot at leg 1 and two lines of print."""
    near = u - PITCH * np.clip(np.rint(u / PITCH), -3, 3)  # to the nearest of the legs
    legs = box(near, np.abs(v) - 20.5, 2.9, 9.5, 0.8)
    solid(scene, where, legs, look["metal"], look["lamp"], 1.5, 0.5)
    solid(scene, where, box(u, v, 56, 34, 1.5), look["plastic"], look["lamp"], 4.0, 0.12)
    notch = np.maximum(disc(u + 28, v, 4), box(u, v, 56, 34))
    sunk = cover(np.minimum(disc(u + 23, v - 11.5, 2.4), notch))
    scene[where] = paint(scene[where], look["plastic"] * 0.5, sunk)
    text = np.minimum(lettering("HV250", 3.2, u - 3, v + 5), lettering("2052", 2.4, u - 1, v - 6.5))
    scene[where] = paint(scene[where], 0.62, cover(text - 0.4) * 0.7)


def can(scene: Array, where: tuple, u: Array, v: Array, look: dict, kind: str) -> None:
    """Draw a crystal in a metal can, or an aluminium capacitor with its black segment."""
    lamp, metal = look["lamp"], look["metal"]
    if kind == "can":
        solid(scene, where, box(u, v, 17, 36, 8), metal * 0.95, lamp, 4.0, 0.5)
        solid(scene, where, box(u, v, 13, 32, 6), metal * 1.1, lamp, 0.5, 0.3)
        scene[where] = paint(scene[where], 0.25, cover(lettering("20", 2.4, v, -u) - 0.4) * 0.8)
        return
    solid(scene, where, box(u, v, 27, 25, 3), look["plastic"], lamp, 1.5, 0.1)
    solid(scene, where, disc(u, v, 11.5), metal * 0.9, lamp, 7.0, 0.5)
    solid(scene, where, disc(u, v, 9.8), metal * 1.05, lamp, 0.5, 0.3)
    scene[where] = paint(scene[where], (0.10, 0.10, 0.13), cover(np.maximum(disc(u, v, 9.5), u + 4.5)) * 0.9)
    scene[where] = paint(scene[where], 0.2, cover(lettering("50", 2.2, u - 2.5, v) - 0.4) * 0.8)


def plug(scene: Array, where: tuple, u: Array, v: Array, look: dict, kind: str) -> None:
    """Draw a socket with six gilt pins."""
    lamp, well = look["lamp"], box(u + 3, v, 16, 64, 1)
    solid(scene, where, box(u, v, 28, 70, 1.5), look["housing"], lamp, 7.0, 0.1)
    solid(scene, where, well, look["housing"] * 0.62, lamp, 0.6, 0.0)
    scene[where] *= 1 - 0.35 * (cover(well) * look["inner"][where])[..., None]  # shade in the well
    near = v - PIN * (np.clip(np.rint(v / PIN - 0.5), -3, 2) + 0.5)  # to the nearest of the pins
    solid(scene, where, box(u + 3, near, 4.4, 4.4, 1), (0.78, 0.62, 0.30), lamp, 2.0, 0.5)


SHAPES = {  # how to draw a kind of component, and how far it and its shadow reach
    "chip": (chip, 42), "plug": (plug, 50), "can": (can, 28), "drum": (can, 26),
    "res": (small, 23), "cap": (small, 23), "led": (small, 23), "sot": (small, 23),
}  # fmt: skip
