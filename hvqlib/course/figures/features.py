"""Draw the figures of notebook 02: what pixels, filters, channels and distances to normal tokens look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from hvqlib.course.figures import canvas, tiles
from hvqlib.course.material import outlined
from hvqlib.data.layouts import Sample
from hvqlib.evaluation.figures import BLUE, GREY, ORANGE, PURPLE, png

WIDTH = 6.5  # inches: letters of 10 points can be read at half size
COLOURS = (GREY, ORANGE, PURPLE, BLUE)  # of the strides, from fine to coarse


def draw_changes(original: np.ndarray, changed: Mapping[str, np.ndarray], change: Sequence[np.ndarray]) -> bytes:
    """Draw a picture and changed copies of it, and below each copy how far its pixels moved, a share of the range."""
    figure, axes = canvas(2, 1 + len(changed), WIDTH, 3.7)
    tiles(axes[0], [original, *changed.values()], ["original", *changed])
    tiles(axes[1, 1:], change, low=0, high=0.4)
    axes[1, 0].set_axis_off()
    axes[1, 0].text(0.5, 0.5, "difference\nfrom the\noriginal\n(black: none)", ha="center", va="center", fontsize=11)
    return png(figure, 100, light=True)


def draw_sliding(grey: np.ndarray, kernel: np.ndarray, answers: np.ndarray) -> bytes:
    """Draw the strongest answer of a filter (3, 3) in numbers, and below them the whole picture and all answers."""
    row, column = (int(k) for k in np.unravel_index(answers.argmax(), answers.shape))
    figure, axes = canvas(2, 3, WIDTH, 4.6)
    words = ("pixels", "filter", "answers", "gear (0 black, 1 white)", "all answers")
    near = answers[row - 1 : row + 2, column - 1 : column + 2]
    parts = (grey[row - 1 : row + 4, column - 1 : column + 4], kernel, near)
    for ax, table, word in zip(axes.flat, (*parts, grey, answers), words, strict=False):
        dark, light = (0, 1) if word in (words[0], words[3]) else (-0.6, 0.6)
        ax.imshow(table, cmap="gray", vmin=dark, vmax=light)
        ax.set(xticks=[], yticks=[])
        ax.set_title(word, fontsize=11)
        for (i, j), value in np.ndenumerate(table) if len(table) < 10 else ():
            ink = "black" if value > (light + dark) / 2 - 0.05 else "white"
            ax.text(j, i, f"{value + 0:.1f}", ha="center", va="center", fontsize=11, color=ink)
    _frame(axes[0, 0], 0.5, 0.5, 3)
    _frame(axes[0, 2], 0.5, 0.5, 1)
    _frame(axes[1, 0], column - 1, row - 1, 5)
    axes[1, 2].set_axis_off()
    told = "white: brighter\nto the right\n\nblack: darker\nto the right\n\ngrey: no change"
    axes[1, 2].text(0, 0.5, told, va="center", fontsize=11)
    return png(figure, 100)


def draw_in_colours(pair: Sequence[Sample], colours: Sequence[Sequence[np.ndarray]], strides: Sequence[int]) -> bytes:
    """Draw a normal and a defective image, each beside its maps at several strides as colour pictures."""
    figure, axes = canvas(len(pair), 1 + len(strides), WIDTH, 1.55 * len(pair))
    for row, sample, own in zip(axes, pair, colours, strict=True):
        tiles(row, [outlined(sample), *own], [sample.defect if sample.label else "normal"])
    for ax, stride in zip(axes[0, 1:], strides, strict=True):
        ax.set_title(f"stride {stride}", fontsize=10)
    return png(figure, 100, light=True)


def draw_scales(spread: np.ndarray, levels: Mapping[int, slice]) -> bytes:
    """Draw the spread of each channel, coloured by its stride."""
    figure, ax = canvas(width=WIDTH, height=2.8)
    for (stride, part), colour in zip(levels.items(), COLOURS, strict=True):
        where = np.arange(len(spread))[part]
        ax.plot(where, spread[part], ".", color=colour)
        middle = (where[0] + where[-1]) / 2
        ax.text(middle, 1.08 * spread.max(), f"stride\n{stride}", color=colour, ha="center", fontsize=10)
    ax.set(xlabel="channel", ylabel="spread (no unit)", ylim=(0, 1.35 * spread.max()))
    return png(figure, 100)


def draw_found(classes: Sequence[str], rows: Sequence[tuple[str, Sequence[Sample], Sequence[np.ndarray]]],
               limits: Sequence[tuple[float, float]]) -> bytes:  # fmt: skip
    """Draw rows of outlined images, one of each class, with their anomaly maps below, coloured within `limits`."""
    figure, axes = canvas(2 * len(rows), len(classes), WIDTH, 0.4 + 2.2 * len(rows))
    for k, (word, samples, maps) in enumerate(rows):
        above, below = axes[2 * k], axes[2 * k + 1]
        heads = [f"{name}\n{s.defect}" if k == 0 else s.defect for name, s in zip(classes, samples, strict=True)]
        tiles(above, [outlined(sample) for sample in samples], heads)
        for ax, one, (low, high) in zip(below, maps, limits, strict=True):
            tiles([ax], [one], low=low, high=high)
        above[0].set_ylabel(word, fontsize=10)
        below[0].set_ylabel("map", fontsize=10)
    for ax in axes.flat:
        ax.title.set_fontsize(9)
    return png(figure, 125, light=True)  # wide enough to see the outline of a defect


def draw_bank(sizes: Sequence[int], values: Sequence[float], channels: int) -> bytes:
    """Draw the image AUROC against the number of remembered tokens, with the memory that they take."""
    figure, ax = canvas(width=5.5, height=2.8)
    ax.semilogx(sizes, values, "o-", color=BLUE)
    ax.set_xticks(sizes, [f"{n:,}\n{n * channels * 4 / 1e6:.0f} MB" for n in sizes])
    ax.minorticks_off()
    ax.set(xlabel="tokens in the bank, and its memory", ylabel="image AUROC\n(mean of 7 classes)", ylim=(None, 1.01))
    return png(figure, 100)


def draw_pasted(pictures: Sequence[np.ndarray], maps: Sequence[np.ndarray], words: Sequence[str]) -> bytes:
    """Draw pictures, each with its anomaly map beside it."""
    figure, axes = canvas(1, 2 * len(pictures), WIDTH, 1.9)
    drawn = [one for pair in zip(pictures, maps, strict=True) for one in pair]
    tiles(axes, drawn, [head for word in words for head in (word, "map")], low=4, high=20)
    return png(figure, 100, light=True)


def draw_two_ways(names: Sequence[str], ways: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the image AUROC of each selection of strides, a bar for each of two ways to bring them to one grid."""
    figure, ax = canvas(width=WIDTH, height=3.0)
    x = np.arange(len(names))
    for shift, colour, (word, values) in zip((-0.2, 0.2), (BLUE, GREY), ways.items(), strict=True):
        ax.bar(x + shift, values, 0.38, color=colour, label=word)
        for i, value in enumerate(values):
            ax.text(i + shift, value + 0.01, f"{value:.2f}", ha="center", fontsize=10)
    ax.axhline(0.5, color="black", linewidth=1, linestyle=":")
    ax.set_xticks(x, names)
    ax.set(ylabel="image AUROC\n(mean of 3 classes)", ylim=(0.4, 1.2))
    ax.legend(frameon=False, fontsize=10, ncols=2, loc="upper left")
    return png(figure, 100)


def draw_usual(usual: Mapping[str, np.ndarray]) -> bytes:
    """Draw the mean distance of normal images at each place, a grid for each of several ways."""
    figure, axes = canvas(1, len(usual), 5, 2.4)
    tiles(axes, list(usual.values()), list(usual), low=2, high=5)
    figure.colorbar(axes[-1].images[0], ax=axes, label="distance (no unit)")
    return png(figure, 100)


def _frame(ax: Any, left: float, top: float, side: float) -> None:
    ax.add_patch(Rectangle((left, top), side, side, fill=False, edgecolor=ORANGE, linewidth=3))
