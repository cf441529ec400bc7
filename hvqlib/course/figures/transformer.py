"""Draw attention, the machine from codes to a reconstruction, and what switching changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from hvqlib.course.figures import canvas, tiles
from hvqlib.evaluation.figures import BLUE, DEFECT, GREEN, GREY, HEAT, ORANGE, PURPLE, png

WIDTH = 7.2  # inches: type of 11 points is still read at 450 pixels
Palette = Callable[[Tensor], np.ndarray]


def palette(normal: Tensor) -> Palette:
    """Make a function from features (C, H, W) to colours (H, W, 3), fitted on normal images (N, C, H, W) of a class.

    The three directions in which the normal features vary most become red, green and blue.
    """
    tokens = normal.permute(0, 2, 3, 1).flatten(0, 2)  # (N * H * W, C)
    mean = tokens.mean(0)
    axes = torch.linalg.eigh((tokens - mean).T @ (tokens - mean)).eigenvectors[:, -3:]  # (C, 3)
    low, high = torch.quantile((tokens - mean) @ axes, torch.tensor([0.01, 0.99]), dim=0)
    return lambda f: (((f.permute(1, 2, 0) - mean) @ axes - low) / (high - low)).clamp(0, 1).numpy()


def draw_story(picture: np.ndarray, features: Tensor, rebuilt: Tensor, colours: Palette) -> bytes:
    """Draw a photograph, its features and their reconstruction (C, H, W) in colours, and the residual."""
    figure, axes = canvas(1, 4, width=WIDTH, height=2.15)
    away = (rebuilt - features).norm(dim=0)
    heads = ["image", "features", "reconstruction", "residual"]
    tiles(axes, [picture, colours(features), colours(rebuilt), away], heads, 3, 20)
    for axis in axes:
        axis.title.set_fontsize(12)
    bar = figure.colorbar(axes[3].images[0], ax=axes[3], location="bottom", ticks=[5, 10, 15, 20])
    bar.ax.tick_params(labelsize=10)
    for axis in axes[:3]:  # leave the same room under each
        axis.set_xlabel(" ", fontsize=12)
    return png(figure)


def arrow(axes: Any, end: Sequence[float], colour: str, text: str, width: float = 2, reach: float = 0.5,
          side: str = "center") -> None:  # fmt: skip
    """Lay a named arrow from the origin into axes."""
    tip = np.array(end)
    look = {"arrowstyle": "-|>", "color": colour, "linewidth": width}
    axes.annotate("", tip, (0, 0), arrowprops=look)
    x, y = tip + reach * tip / np.linalg.norm(tip)
    axes.text(x, y, text, ha=side, va="center", color=colour, fontsize=12)


def draw_hand(
    query: Sequence[float], keys: Sequence, values: Sequence, weights: Tensor, answer: Tensor, path: Tensor, title: str
) -> bytes:
    """Draw a query, three keys, the weights (3,), and the answer (2,) among the values; `path` (N, 2) is behind it."""
    figure, (left, middle, right) = canvas(1, 3, width=1.15 * WIDTH, height=2.9)
    arrow(left, query, PURPLE, "query", width=4, reach=0.8)
    for i, key in enumerate(keys, 1):
        arrow(left, key, GREY, f"key {i}", reach=0.7 if key[0] else 0.2, side="center" if key[0] else "left")
    left.set(xlim=(-3.3, 3.3), ylim=(-3.3, 3.3), aspect="equal", xticks=[-2, 0, 2], yticks=[-2, 0, 2])
    for i, bar in enumerate(middle.bar(["1", "2", "3"], weights, color=BLUE)):
        middle.text(i, bar.get_height() + 0.02, f"{weights[i]:.2f}", ha="center", fontsize=12)
    middle.set(ylim=(0, 1.12), yticks=[0, 0.5, 1])
    middle.set_xlabel("token", fontsize=12)
    middle.set_ylabel("weight", fontsize=12)
    for axes in (left, right):
        axes.set_xlabel("first number", fontsize=12)
        axes.set_ylabel("second number", fontsize=12)
    left.set_title("query and keys", fontsize=12)
    right.set_title("values and answer", fontsize=12)
    middle.set_title(title, fontsize=12)
    right.plot(*path.T, color=GREY, linewidth=1)
    right.scatter(*np.array(values).T, s=20 + 300 * weights, color=BLUE)
    right.scatter(*answer, s=110, marker="D", color=GREEN, zorder=3)
    right.annotate(
        "answer", answer.tolist(), (-9, -13), textcoords="offset points", ha="right", color=GREEN, fontsize=12
    )
    for i, value in enumerate(values, 1):
        right.annotate(f"value {i}", value, (0, 12), textcoords="offset points", ha="center", fontsize=12)
    right.set(xlim=(-1.5, 6.5), ylim=(-1, 5.6), xticks=[0, 2, 4, 6], yticks=[0, 2, 4])
    return png(figure)


def draw_root(sizes: Sequence[int], largest: Mapping[str, Sequence[float]]) -> bytes:
    """Draw the largest of 196 weights against the length of the vectors, for each way to make the scores."""
    figure, axes = canvas(width=WIDTH, height=3.2)
    for (name, values), colour, mark in zip(largest.items(), (GREY, BLUE), "os", strict=True):
        axes.plot(sizes, values, color=colour, marker=mark, markersize=9, linewidth=2)
        axes.annotate(name, (sizes[1], values[1]), (0, 12), textcoords="offset points", ha="right", fontsize=12)
    axes.set(xscale="log", ylim=(0, 1))
    axes.set_xticks(sizes, [str(d) for d in sizes], fontsize=12)
    axes.set_xticks([], minor=True)
    axes.set_xlabel("numbers in a query, d", fontsize=12)
    axes.set_ylabel("largest of 196 weights", fontsize=12)
    return png(figure)


def box(axes: Any, x: float, y: float, text: str, colour: str, width: float = 2.0, height: float = 0.66) -> None:
    """Lay a box with a text into axes, its middle at (x, y)."""
    look: dict[str, Any] = {"facecolor": colour + "22", "edgecolor": colour, "linewidth": 1.5}
    corner = (x - width / 2, y - height / 2)
    axes.add_patch(FancyBboxPatch(corner, width, height, boxstyle="round,pad=0,rounding_size=.1", **look))
    axes.text(x, y, text, ha="center", va="center", fontsize=12)


def wire(
    axes: Any,
    points: Sequence[tuple[float, float]],
    colour: str = GREY,
    text: str = "",
    at: tuple = (),
    style: str = "-",
) -> None:
    """Lay a line through points into axes, with a head at its end and a text at a place of its own."""
    axes.plot(*np.array(points).T, color=colour, linewidth=1.7, linestyle=style, solid_capstyle="butt")
    look = {"arrowstyle": "-|>", "color": colour, "shrinkA": 0, "shrinkB": 0, "linestyle": style}
    axes.annotate("", points[-1], points[-2], arrowprops=look)
    if text:
        axes.text(*at, text, ha="center", va="center", fontsize=12)


def draw_layers() -> bytes:
    """Draw the steps of an encoder layer and of a decoder layer, with the residual connections over them."""
    figure, axes = canvas(width=1.15 * WIDTH, height=2.9)
    axes.set(xlim=(-1.9, 10.5), ylim=(-0.75, 3.1))
    axes.axis("off")
    looks, does, add, asks = "self-\nattention", "feed-\nforward", "add,\nnorm", "cross-\nattention"
    for y, name, texts in (
        (2.1, "encoder", [looks, add, "", "", does, add]),
        (0.4, "decoder", [looks, add, asks, add, does, add]),
    ):
        axes.text(-1.3, y, f"{name}\nlayer", ha="center", va="center", fontsize=12)
        spots, before = [(0.9 + 1.7 * i, text) for i, text in enumerate(texts) if text], -0.5
        for n, (at, text) in enumerate(spots):
            colour = GREY if text == add else ORANGE if text == asks else BLUE
            box(axes, at, y, text, colour, width=1.4, height=0.8)
            wire(axes, [(before, y), (at - 0.7, y)])
            if text == add:  # the line that skips the step
                start = spots[n - 1][0] - 0.85
                wire(axes, [(start, y), (start, y + 0.65), (at, y + 0.65), (at, y + 0.4)], BLUE)
            before = at + 0.7
        wire(axes, [(before, y), (before + 0.35, y)])
    wire(axes, [(4.3, -0.5), (4.3, 0.0)], ORANGE, "keys and values: the codes of one level", (7.3, -0.4))
    return png(figure)


def draw_machine() -> bytes:
    """Draw the model: states on the left, codebooks in the middle, the decoder on the right."""
    figure, axes = canvas(width=1.15 * WIDTH, height=6.6)
    axes.set(xlim=(-0.3, 10.6), ylim=(-1.5, 6))
    axes.axis("off")
    look: dict[str, Any] = {"fill": False, "edgecolor": PURPLE, "linestyle": "--", "linewidth": 1.5}
    axes.add_patch(FancyBboxPatch((3.95, 0.5), 2.5, 5.0, boxstyle="round,pad=0,rounding_size=.15", **look))
    axes.text(5.2, 5.72, "of the class", color=PURPLE, ha="center", fontsize=12)
    box(axes, 1, 0, "features $F$", BLUE)
    for level in range(5):
        y = level + 1
        box(axes, 1, y, f"state $h_{level}$", BLUE)
        wire(axes, [(1, y - 0.67), (1, y - 0.33)])
        box(axes, 5.2, y, f"codebook {level}" if level < 4 else "top codebook", ORANGE, width=2.2)
        wire(axes, [(2, y), (4.1, y)])
        if level < 4:
            axes.plot(3.1, y, "o", color=ORANGE, markersize=9)
            box(axes, 9.3, y, f"decoder layer {4 - level}", GREEN, width=2.4)
            wire(axes, [(6.3, y), (8.1, y)], ORANGE, f"$z_{level}$", (7.3, y + 0.2))
        wire(axes, [(9.3, y - 0.33), (9.3, y - 0.67)])
    wire(axes, [(4.7, 4.67), (4.7, 4.5), (3.1, 4.5), (3.1, 1.12)], ORANGE, "$q_4$", (3.4, 4.68))
    box(axes, 9.3, 5, "start", GREEN, width=2.4)
    wire(axes, [(6.75, 4), (6.75, 5), (8.1, 5)], ORANGE, "$z_3$", (7.3, 5.2))
    box(axes, 9.3, 0, "head of the class", GREEN, width=2.4)
    box(axes, 9.3, -1.1, "reconstruction", GREEN, width=2.4)
    wire(axes, [(9.3, -0.33), (9.3, -0.77)])
    box(axes, 5.2, 0, "class id", PURPLE, height=0.5)  # it switches codebooks and head
    wire(axes, [(5.2, 0.25), (5.2, 0.5)], PURPLE, style="--")
    wire(axes, [(6.2, 0), (8.1, 0)], PURPLE, style="--")
    box(axes, 5.2, -1.1, "residual", GREY)
    wire(axes, [(8.1, -1.1), (6.2, -1.1)])
    wire(axes, [(1, -0.33), (1, -1.1), (4.2, -1.1)])
    return png(figure)


def draw_gaze(picture: np.ndarray, weights: Tensor, place: tuple[int, int]) -> bytes:
    """Draw where each layer looks from a place (row, column): weights (layers, H, W), each in its own scale."""
    figure, axes = canvas(1, 1 + len(weights), width=1.15 * WIDTH, height=2.0)
    row, column = place
    axes[0].imshow(picture)
    side = len(picture) / weights.shape[1]
    mark: dict[str, Any] = {"color": ORANGE, "markeredgecolor": "white"}
    axes[0].plot(side * (column + 0.5), side * (row + 0.5), "s", markersize=9, **mark)
    axes[0].set_title("asking place", fontsize=12)
    for n, (one, map_) in enumerate(zip(axes[1:], weights, strict=True), 1):
        one.imshow(map_, cmap="cividis", vmin=0)
        one.plot(column, row, "s", markersize=7, **mark)
        one.set_title(f"layer {n}: {map_.max():.2f}", fontsize=12)
    for one in axes:
        one.set(xticks=[], yticks=[])
    return png(figure)


def draw_swap(photographs: Sequence[np.ndarray], rebuilt: Mapping[str, Tensor], colours: Palette) -> bytes:
    """Draw the photographs of A and B, and reconstructions (C, H, W) by name; the last one has a seam."""
    figure, axes = canvas(1, 2 + len(rebuilt), width=1.2 * WIDTH, height=2.0)
    pictures = [*photographs, *map(colours, rebuilt.values())]
    tiles(axes, pictures, ["A", "B", *rebuilt])
    axes[-1].axvline(6.5, color="white", linestyle="--")
    for axis in axes:
        axis.title.set_fontsize(12)
    return png(figure, light=True)


def draw_wrong(picture: np.ndarray, features: Tensor, rebuilt: Mapping[str, Tensor], colours: Palette) -> bytes:
    """Draw a photograph, and for each of some reconstructions (C, H, W) its colours and the residual."""
    figure, axes = canvas(1, 1 + 2 * len(rebuilt), width=1.2 * WIDTH, height=2.7)
    pictures, titles = [picture], ["image"]
    for name, one in rebuilt.items():
        pictures += [colours(one), (one - features).norm(dim=0).numpy()]
        titles += [name, "its residual"]
    tiles(axes, pictures, titles, 3, 25)
    for axis in axes:
        axis.title.set_fontsize(12)
    figure.colorbar(axes[-1].images[0], ax=axes, location="bottom", shrink=0.5, ticks=[5, 10, 15, 20, 25])
    return png(figure, light=True)


def draw_pairs(pairs: Tensor, names: Sequence[str]) -> bytes:
    """Draw the mean residual for each pair (true class, class used)."""
    figure, axes = canvas(width=WIDTH, height=4.9)
    picture = axes.imshow(pairs, cmap=HEAT, vmin=0)
    for i, j in np.ndindex(*pairs.shape):
        ink = "black" if pairs[i, j] > 14 else "white"
        axes.text(j, i, f"{pairs[i, j]:.0f}", ha="center", va="center", color=ink, fontsize=12)
    axes.set_xticks(range(len(names)), names, rotation=30)
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("codebooks and head used", fontsize=12)
    axes.set_ylabel("true class", fontsize=12)
    figure.colorbar(picture, label="mean residual")
    return png(figure)


def draw_strangeness(known: Sequence[Tensor], unseen: Sequence[Tensor], names: Sequence[str]) -> bytes:
    """Draw the strangeness of images of known classes and of the class left out, for each class left out."""
    figure, axes = canvas(width=WIDTH, height=3.4)
    rng = np.random.default_rng(0)
    groups = ((known, BLUE, "o", "a known class"), (unseen, DEFECT, "x", "the class left out"))
    for found, colour, mark, label in groups:
        x = np.concatenate([c + rng.uniform(-0.2, 0.2, len(d)) for c, d in enumerate(found)])
        axes.scatter(x, torch.cat(list(found)), color=colour, marker=mark, s=14, alpha=0.8, label=label)
    axes.axhline(1, color=GREY, linestyle="--", label="the limit")
    axes.set_xticks(range(len(names)), names)
    axes.set_xlabel("class left out", fontsize=12)
    axes.set_ylabel("strangeness", fontsize=12)
    axes.set_ylim(0, None)
    axes.legend(frameon=False, ncols=3, loc="upper center", bbox_to_anchor=(0.5, 1.2), fontsize=11)
    return png(figure)
