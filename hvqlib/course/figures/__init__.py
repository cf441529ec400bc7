"""Draw the figures of the notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from hvqlib.evaluation.figures import BLUE, DEFECT, GREEN, GREY, HEAT, ORANGE, PURPLE, legible, png, thumbnail
from hvqlib.false_alarms import CONFIDENCE, least_rate


def canvas(rows: int = 1, columns: int = 1, width: float = 9.0, height: float = 3.0) -> tuple[Figure, Any]:
    """Make a figure of `width` x `height` inches (at most 9 wide reads well), and its axes as subplots() gives them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns)
    for one in np.ravel(axes):
        one.spines[["top", "right"]].set_visible(False)
        one.set_prop_cycle(color=[BLUE, ORANGE, GREEN, PURPLE, GREY])
    return figure, axes


def show(picture: Figure | bytes) -> None:
    """Show a figure, or the bytes of a PNG, under the cell."""
    from IPython.display import Image as Shown
    from IPython.display import display

    display(Shown(data=png(picture) if isinstance(picture, Figure) else picture))


def tiles(
    axes: Any,
    pictures: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
) -> None:
    """Lay pictures into axes, without ticks: (H, W, 3) as they are, (H, W) as anomaly maps from `low` to `high`."""
    for one in np.ravel(axes):
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(False)
    for i, (one, picture) in enumerate(zip(np.ravel(axes), pictures, strict=False)):
        one.imshow(picture, cmap=HEAT, vmin=low, vmax=high)
        if i < len(titles):
            one.set_title(titles[i], fontsize=10)


def close_up(
    pictures: Sequence[np.ndarray],
    squares: Sequence[tuple[int, int, int]],
    titles: Sequence[str],
    near: Sequence[np.ndarray] | None = None,
) -> bytes:
    """Draw pictures (S, S, 3), each with a square (top, left, side) in it, and below what is in the square.

    That is taken from the pictures `near` (S, S, 3), where they are given.
    """
    figure, axes = canvas(2, len(pictures), height=5)
    cut = [one[y : y + n, x : x + n] for one, (y, x, n) in zip(near or pictures, squares, strict=True)]
    for axis, (y, x, side) in zip(axes[0], squares, strict=True):
        axis.add_patch(Rectangle((x, y), side, side, fill=False, ec="white", lw=2))
    tiles(axes[0], pictures)
    tiles(axes[1], cut)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=13)
    return png(figure, light=True)


def contact_sheet(paths: Sequence[Path], names: Sequence[str], columns: int = 8) -> bytes:
    """Draw photographs small, beside each other, with a name above each."""
    rows = -(-len(paths) // columns)
    figure, axes = canvas(rows, columns, height=1.35 * rows)
    tiles(axes, [thumbnail(path, 96) for path in paths], [legible(name) for name in names])
    for axis in np.ravel(axes):
        axis.title.set_fontsize(9)
    return png(figure, light=True)


def draw_promise(n: int, asked: float) -> bytes:
    """Draw which false-alarm rates `n` held-out normal images can promise, and their threshold at the rate `asked`."""
    from scipy.stats import beta

    figure, (left, right) = canvas(1, 2, height=3.4)
    many = np.arange(5, 2001)
    left.plot(np.log10(many), np.log10([least_rate(int(one)) for one in many]), color=BLUE)
    least = least_rate(n)
    mark, color = ("o", BLUE) if least <= asked else ("X", DEFECT)
    left.plot(np.log10(n), np.log10(least), mark, ms=10, color=color)
    left.axhline(np.log10(asked), color="black", lw=1, ls="--")
    left.text(3.3, np.log10(asked) + 0.05, f"asked: {asked:.1%}", ha="right")
    left.set_xticks([1, 2, 3], ["10", "100", "1000"])
    left.set_yticks([-3, -2, -1], ["0.1 %", "1 %", "10 %"])
    left.set(xlabel="held-out normal images n", ylabel="least rate that can be promised", ylim=(-3.2, -0.4))
    left.set_title(f"{n} held out: {least:.1%} or more", fontsize=11)
    place = np.arange(1, min(n, 12) + 1)
    p_values = beta.ppf(CONFIDENCE, place, n - place + 1)  # just above the score at that place from the highest
    for some, mark, color in ((p_values <= asked, "o", BLUE), (p_values > asked, "x", GREY)):
        right.plot(place[some], 100 * p_values[some], mark, ms=8, color=color)
    number = (p_values <= asked).sum()
    right.axhline(100 * asked, color="black", lw=1, ls="--")
    right.set(xlabel="place of a held-out score, from the highest", ylabel="p-value just above it (%)")
    right.set(xlim=(0.5, 12.5), ylim=(0, max(12, 250 * asked)), xticks=[1, 4, 8, 12])
    told = f"threshold: held-out score number {number}" if number else "cannot be promised: refused"
    right.set_title(told, fontsize=11)
    return png(figure)
