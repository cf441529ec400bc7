"""Draw tokens, prototypes and what replacing one by the other costs (notebook 04)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.patches import Rectangle
from torch import Tensor

from hvqlib.course.figures import canvas, tiles
from hvqlib.evaluation.figures import BLUE, DEFECT, GREEN, GREY, ORANGE, PURPLE, png

LARGE = 12  # points, of what must be read at half size
ACROSS, UP = (-4.2, 5.0), (-2.4, 4.6)  # the part of the plane that is drawn
COUNTS = (140, 107)
GRID = torch.cartesian_prod(torch.linspace(*ACROSS, COUNTS[0]), torch.linspace(*UP, COUNTS[1]))


def enlarge(figure: Any) -> bytes:
    """Render a figure as PNG with all of its lettering large."""
    for axes in figure.axes:
        axes.tick_params(labelsize=LARGE - 1)
        for text in (axes.title, axes.xaxis.label, axes.yaxis.label):
            text.set_fontsize(LARGE)
    return png(figure)


def plane(axes: Any, tokens: Tensor, title: str = "") -> None:
    """Lay normal tokens (N, 2) into axes over the plane."""
    axes.scatter(*tokens.T, s=10, color=BLUE, alpha=0.4, linewidths=0)
    axes.set(xlim=ACROSS, ylim=UP, xlabel="first number", title=title, aspect="equal")


def diamonds(axes: Any, prototypes: Tensor) -> None:
    """Mark prototypes (K, 2) in axes over the plane."""
    axes.scatter(*prototypes.T, marker="D", s=42, color=ORANGE, edgecolors="black", linewidths=0.6, zorder=3)


def draw_answers(known: Tensor, asked: Tensor, answered: Tensor, prototypes: Tensor, normal: int) -> bytes:
    """Draw what a copier and what a codebook gives back for tokens, of which the first `normal` ones are normal."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.7)
    for axes, out, title in ((left, asked, "a copier"), (right, answered, "a codebook")):
        plane(axes, known, title)
        for i, (z, q) in enumerate(zip(asked, out, strict=True)):
            color = BLUE if i < normal else DEFECT
            axes.plot(*torch.stack([z, q]).T, color=color, linewidth=2)
            axes.scatter(*z, marker="x", s=55, color=color, linewidths=2, zorder=4)
            axes.scatter(*q, s=110, facecolors="none", edgecolors=color, linewidths=2, zorder=4)
    diamonds(right, prototypes)
    left.set_ylabel("second number")
    return enlarge(figure)


def draw_kmeans(known: Tensor, frames: Sequence[Tensor], errors: Sequence[float], step: int) -> bytes:
    """Draw k-means after `step` steps: prototypes, their paths, the borders between their regions, the error so far."""
    figure, (axes, right) = canvas(1, 2, width=8, height=3.6)
    now, path = frames[step], torch.stack(list(frames[: step + 1]))  # (K, 2), (step + 1, K, 2)
    plane(axes, known, f"{len(now)} prototypes, step {step}")
    region = torch.cdist(GRID, now).argmin(1)
    for k in range(len(now) if len(now) > 1 else 0):
        axes.contour(*(g.view(COUNTS) for g in (*GRID.T, region == k)), [0.5], colors=GREY, linewidths=0.5)
    axes.plot(path[..., 0], path[..., 1], color=ORANGE, linewidth=1.5)
    diamonds(axes, now)
    axes.set_ylabel("second number")
    right.plot(errors, color=GREY, linewidth=1)
    right.plot(errors[: step + 1], color=ORANGE, marker="o", markersize=5)
    right.set(xlabel="step", ylabel="mean squared distance", title="quantisation error")
    right.set(xlim=(-0.5, len(errors) - 0.5), ylim=(0, 1.1 * errors[0]))
    return enlarge(figure)


def draw_numbers(numbers: Sequence[int], means: Mapping[str, list[float]], found: Mapping[str, list[float]]) -> bytes:
    """Draw mean distances and AUROC against the number of prototypes; the keys name the lines."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.9)
    looks = {"normal": (BLUE, "o", "-"), "far": (DEFECT, "x", "-"), "between": (DEFECT, "^", ":")}
    looks |= {"far, clean": looks["far"], "between, clean": looks["between"], "far, 3 strays": (ORANGE, "v", "--")}
    for axes, lines in ((left, means), (right, found)):
        for name, values in lines.items():
            color, marker, style = looks[name]
            axes.plot(numbers, values, color=color, marker=marker, linestyle=style, linewidth=2, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(numbers, numbers)
        axes.set_xlabel("prototypes K")
    left.set(ylim=(0, 5.4), ylabel="mean distance to the code", title="what replacing costs")
    right.set(ylim=(-0.03, 1.06), ylabel="AUROC of the distance", title="what it finds")
    left.legend(frameon=False, fontsize=LARGE - 1, loc="upper right")
    right.legend(frameon=False, fontsize=LARGE - 1, loc="lower right", bbox_to_anchor=(1, 0.02))
    return enlarge(figure)


def draw_known(prototypes: Tensor) -> bytes:
    """Draw the plane as a copier hands it on, each place in a colour of its own, and as a codebook does."""

    def paint(tokens: Tensor) -> Tensor:
        across, up = (tokens[:, 0] - ACROSS[0]) / 9.2, (tokens[:, 1] - UP[0]) / 7
        return torch.stack([across, 0.5 + 0 * across, up], 1).clamp(0, 1)

    figure, (left, right) = canvas(1, 2, width=8, height=3.4)
    known = paint(prototypes)[torch.cdist(GRID, prototypes).argmin(1)]
    for axes, colors in ((left, paint(GRID)), (right, known)):
        axes.imshow(colors.view(*COUNTS, 3).transpose(0, 1).numpy(), origin="lower", extent=(*ACROSS, *UP))
        axes.set(xlabel="first number")
    right.scatter(*prototypes.T, marker="D", s=40, c=paint(prototypes).numpy(), edgecolors="black", linewidths=1)
    left.set(ylabel="second number", title="a copier: each place its own colour")
    right.set(title=f"a codebook: {len(prototypes)} colours")
    return enlarge(figure)


def draw_staircase(z: Tensor, codes: Tensor, prototypes: Tensor, target: float) -> bytes:
    """Draw codes of tokens that are one number, and the squared error to a target, with the codebook and without."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.4)
    left.plot(z, z, color=GREY, linestyle="--", label="a copier")
    left.plot(z, codes, color=ORANGE, linewidth=2.5, label="a codebook")
    left.scatter(prototypes, prototypes, marker="D", s=40, color=ORANGE, edgecolors="black", linewidths=0.6, zorder=3)
    left.set(xlabel="token $z$", ylabel="what goes on", title="quantisation is a staircase")
    right.plot(z, (z - target) ** 2, color=GREY, linestyle="--", label="behind a copier")
    right.plot(z, (codes - target) ** 2, color=ORANGE, linewidth=2.5, label="behind a codebook")
    right.set(xlabel="token $z$", ylabel="squared error", title="and so is every loss behind it")
    for axes in (left, right):
        axes.legend(frameon=False, fontsize=LARGE - 1)
    return enlarge(figure)


def draw_training(losses: Mapping[str, list[float]], best: float) -> bytes:
    """Draw the losses of an encoder with the bare code and straight through, and the least that can be reached."""
    figure, axes = canvas(width=8, height=3.2)
    for (name, values), (color, style) in zip(losses.items(), ((GREY, "--"), (GREEN, "-")), strict=True):
        axes.plot(values, color=color, linestyle=style, linewidth=2.5)
        middle = len(values) // 3
        axes.text(middle, 1.25 * values[middle], name, color=color, fontsize=LARGE, va="bottom")
    axes.axhline(best, color=ORANGE, linewidth=1.5)
    axes.text(len(values), 0.95 * best, "the best these prototypes allow", ha="right", va="top", fontsize=LARGE - 1)
    axes.set(yscale="log", ylim=(best / 2, 1), xlabel="step of gradient descent", ylabel="mean squared error")
    return enlarge(figure)


def draw_rest(paths: Mapping[float, np.ndarray], prototype: float, target: float) -> bytes:
    """Draw how a token moves whose target lies beyond the last prototype, for weights of the commitment loss."""
    figure, axes = canvas(width=8, height=3.6)
    last, top = len(next(iter(paths.values()))) - 1, 7.5
    for (beta, path), color in zip(paths.items(), (GREY, PURPLE, BLUE, GREEN, "black"), strict=False):
        seen = path[path < top]
        axes.plot(seen, color=color, linewidth=2.5, linestyle="-" if beta else "--")
        at = (last, path[last]) if len(seen) > last else (len(seen), top)
        axes.text(at[0] + 8, at[1], f"$\\beta$ = {beta:g}", color=color, va="center", fontsize=LARGE)
    for value, name in ((prototype, "prototype"), (target, "target")):
        axes.axhline(value, color=ORANGE, linewidth=1.2, linestyle="-" if name == "prototype" else ":")
        axes.text(1.16 * last, value, name, va="bottom", ha="left", fontsize=LARGE - 1)
    axes.set(xlabel="step of gradient descent", ylabel="token $z$", ylim=(-0.2, top + 0.4), xlim=(0, 1.32 * last))
    return enlarge(figure)


def draw_following(tokens: Tensor, books: Mapping[float, Tensor], paths: Mapping[float, list[float]]) -> bytes:
    """Draw tokens (N, 2) with the codebooks that some decays led to, and the distance from batch to batch for all."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.5)
    left.scatter(*tokens.T, s=12, color=BLUE, alpha=0.5, linewidths=0)
    colors = dict(zip(paths, (PURPLE, GREEN, ORANGE, GREY), strict=False))
    for decay, book in books.items():
        left.scatter(*book.T, marker="D", s=42, color=colors[decay], edgecolors="black", linewidths=0.6)
    left.set(xlabel="first number", ylabel="second number", title="tokens at the end", ylim=(-3, 5))
    for decay, path in paths.items():
        right.plot(path, color=colors[decay], linewidth=2, label=f"decay {decay:g}")
    right.set(xlabel="batch", ylabel="mean distance to the code", title="who keeps up?", ylim=(0.38, None))
    right.legend(frameon=False, fontsize=LARGE - 1)
    return enlarge(figure)


def frame(axes: Any, row: float, column: float, color: str, side: float = 16) -> None:
    """Mark the `side` pixels of a token's place in axes that hold a picture."""
    corner = (side * column - 0.5, side * row - 0.5)
    axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=color, linewidth=2.5))


def draw_token(
    picture: np.ndarray,
    distances: np.ndarray,
    patches: Sequence[np.ndarray],
    place: tuple[int, int],
    scale: tuple[float, float],
    in_defect: bool,
) -> bytes:
    """Draw where a token lies, the distances (14, 14) of its image, its patch, and patches of its prototype's peers."""
    color = DEFECT if in_defect else BLUE
    figure, axes = canvas(2, 3, width=7, height=4.9)
    heads = ["image, defect outlined", "distance to the code", "the token", "peer 1", "peer 2", "peer 3"]
    tiles(axes[0, :1], [picture], heads)
    tiles(axes[0, 1:2], [distances], heads[1:], *scale)
    tiles(axes.flat[2:], patches, heads[2:])
    frame(axes[0, 0], *place, color)
    frame(axes[0, 1], *place, "white", 1)
    for one in axes.flat[2:]:
        frame(one, 1, 1, color if one is axes[0, 2] else ORANGE)
    axes[0, 1].set_xlabel(f"here {distances[place]:.1f}; black {scale[0]:.1f} or less,\nwhite {scale[1]:.1f} or more")
    axes[0, 2].set_xlabel("touched by the defect" if in_defect else "normal", color=color)
    axes[1, 1].set_xlabel("what its prototype stands for: normal training patches")
    return enlarge(figure)


def draw_sweep(sizes: Sequence[int], distances: Mapping[str, np.ndarray], found: Mapping[str, np.ndarray]) -> bytes:
    """Draw distances and AUROC of real tokens against the number of prototypes per class."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.7)
    looks = {"normal, training": (GREY, "s"), "normal, new": (BLUE, "o"), "defective": (DEFECT, "x")}
    looks |= {"tokens": (PURPLE, "^"), "images": (GREEN, "s")}
    for axes, lines in ((left, distances), (right, found)):
        for name, values in lines.items():
            color, marker = looks[name]
            axes.plot(sizes, values, color=color, marker=marker, linewidth=2, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(sizes, sizes)
        axes.set_xlabel("prototypes K per class")
    left.set(ylim=(0, None), ylabel="mean distance to the code", title="what replacing costs")
    right.set(ylim=(0.45, 1.02), ylabel="AUROC of the distance", title="what it finds")
    left.legend(frameon=False, fontsize=LARGE - 1, loc="lower left")
    right.legend(frameon=False, fontsize=LARGE - 1, loc="lower right")
    return enlarge(figure)
