"""Draw the figures of notebook 03: a ball on a curve, machines that copy, and what survives in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from hvqlib.course.figures import canvas, tiles
from hvqlib.evaluation.figures import BLUE, DEFECT, GREEN, GREY, ORANGE, PURPLE, png

SIZES = {"too small": (0.01, ":"), "good": (0.13, "--"), "too large": (0.35, "-.")}  # step sizes to compare with
STYLES = ("-", "--")
History = Mapping[str, Sequence[float]]


def _large(figure: Figure, size: float = 12) -> bytes:
    """Render a figure with type that reads well at half size."""
    for axes in figure.axes:
        axes.tick_params(labelsize=size - 1)
    for text in figure.findobj(Text):
        text.set_fontsize(max(size, text.get_fontsize()))
    return png(figure)


def draw_plane(normal: np.ndarray, odd: np.ndarray, rebuilt: Sequence[Sequence[np.ndarray]]) -> bytes:
    """Draw points of the plane and what machines make of them: `rebuilt` is a pair (normal, odd) for each machine."""
    figure, axes = canvas(1, len(rebuilt), width=8, height=2.9)
    for rank, (ax, back) in enumerate(zip(axes, rebuilt, strict=True)):
        for points, others, color, marker in ((normal, back[0], BLUE, "o"), (odd, back[1], DEFECT, "X")):
            for a, b in zip(points, others, strict=True):
                ax.plot(*np.stack([a, b]).T, color=color, linewidth=1.3)
            ax.scatter(*points.T, s=70 if marker == "X" else 20, color=color, marker=marker, alpha=0.8)
            ax.scatter(*others.T, s=65, facecolors="none", edgecolors=GREEN, linewidths=1.4, zorder=3)
        ax.set(xlim=(-4.6, 4.6), ylim=(-3, 3), aspect="equal", xlabel="first number")
        ax.set_title(f"passes on {rank or 'none'}")
    axes[0].set_ylabel("second number")
    return _large(figure)


def draw_ball(first: np.ndarray, second: np.ndarray, path: np.ndarray) -> bytes:
    """Draw a ball that takes steps down the curve of a loss, and the loss after each step."""

    def loss(w: np.ndarray) -> np.ndarray:
        return ((w[:, None] * first - second) ** 2).mean(1)

    figure, (left, right) = canvas(1, 2, width=8, height=3.7)
    w = np.linspace(-1.4, 2.4, 200)
    left.plot(w, loss(w), color=GREY, linewidth=2)
    left.plot(path, loss(path), "-", color=PURPLE, linewidth=1, alpha=0.6)
    left.plot(path, loss(path), "o", color=PURPLE, markersize=7)
    left.plot(path[:1], loss(path[:1]), "o", color=PURPLE, markersize=13, fillstyle="none", markeredgewidth=2)
    left.set(xlim=(-1.4, 2.4), ylim=(-0.4, 11), xlabel="weight w", ylabel="loss (units squared)", title="the ball")
    best = (first * second).mean() / (first**2).mean()
    for name, (size, style) in SIZES.items():
        factor = 1 - 2 * size * (first**2).mean()  # what a step leaves of the way to the lowest point
        way = best + (path[0] - best) * factor ** np.arange(len(path))
        right.plot(loss(way), style, color=GREY, linewidth=1.5, label=f"{size} ({name})")
    right.plot(loss(path), "-o", color=PURPLE, label="yours")
    right.set(ylim=(-0.4, 11), xlabel="step", ylabel="loss (units squared)", title="its height")
    figure.legend(*right.get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    return _large(figure)


def draw_valley(first: np.ndarray, second: np.ndarray, path: np.ndarray) -> bytes:
    """Draw a path (T, 2) downhill on the loss of w times `first` plus b, as lines of equal height."""
    figure, ax = canvas(width=6, height=3.4)
    w, b = np.meshgrid(np.linspace(-0.8, 1.8, 80), np.linspace(-1.6, 1.6, 80))
    height = ((w[..., None] * first + b[..., None] - second) ** 2).mean(-1)
    lines = ax.contour(w, b, height, [0.1, 0.3, 0.7, 1.3, 2.2, 3.5, 5], colors=GREY, linewidths=1)
    ax.clabel(lines, fmt="%.1f")
    ax.plot(*path.T, "-o", color=PURPLE, markersize=6)
    ax.plot(*path[0], "o", color=PURPLE, markersize=13, fillstyle="none", markeredgewidth=2)
    ax.set(xlabel="weight w", ylabel="weight b", title="two weights: heights of the loss, and the path")
    return _large(figure)


def draw_ranks(
    ranks: Sequence[int],
    errors: Sequence[Sequence[float]],
    auroc: Sequence[float],
    rank: int,
    normal: np.ndarray,
    defective: np.ndarray,
) -> bytes:
    """Draw errors (normal, defective) and AUROC over the rank, and the residuals of tokens at one rank."""
    figure, (left, middle, right) = canvas(1, 3, height=3.4)
    left.plot(ranks, errors[0], color=BLUE, linewidth=2, label="normal images")
    left.plot(ranks, errors[1], "--", color=DEFECT, linewidth=2, label="defective tokens")
    left.set(title="both errors fall", ylabel="mean residual", ylim=(0, 20), yticks=(0, 5, 10, 15))
    middle.plot(ranks, auroc, color=PURPLE, linewidth=2)
    middle.axhline(0.5, color=GREY, linestyle=":")
    middle.set(title="AUROC rises, then falls", ylabel="image AUROC", ylim=(0.4, 1))
    for ax in (left, middle):
        ax.axvline(rank, color=GREY, linewidth=1.5)
        ax.set(xlabel="numbers passed on", xticks=(0, 64, 128, 192))
    bins = np.linspace(0, max(1.0, float(normal.max()), float(defective.max())), 40)
    right.hist(normal, bins, density=True, color=BLUE, alpha=0.55, label="normal")
    right.hist(defective, bins, density=True, color=DEFECT, alpha=0.55, label="defective", hatch="//")
    right.set(title=f"tokens at rank {rank}", xlabel="residual", ylabel="share of tokens", yticks=[])
    right.set_ylim(top=1.45 * right.get_ylim()[1])
    for ax in (left, right):
        ax.legend(frameon=False, loc="upper right")
    return _large(figure)


def draw_maps(pictures: Sequence[np.ndarray], heads: Sequence[str], title: str = "") -> bytes:
    """Draw pictures beside each other; maps (14, 14) all on one scale, from 0 (dark) to 20."""
    figure, axes = canvas(1, len(pictures), width=2 * len(pictures), height=2.5 + 0.4 * bool(title))
    tiles(axes, pictures, heads, 0, 20)
    figure.suptitle(title)
    return _large(figure)


def draw_histories(histories: Mapping[str, History]) -> bytes:
    """Draw what was measured during one or two trainings: errors left; survival and image AUROC right."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.9)
    colours = {"normal": BLUE, "defect": DEFECT, "survival": DEFECT, "noise": GREY, "auroc": PURPLE}
    texts = {"normal": "normal images", "defect": "defective tokens", "survival": "survival of defects"}
    texts |= {"noise": "survival of noise", "auroc": "image AUROC"}
    for style, history in zip(STYLES, histories.values(), strict=False):
        step = np.maximum(history["step"], 5)
        for ax, keys in ((left, ("normal", "defect")), (right, ("survival", "noise", "auroc"))):
            for key in keys:
                text = texts[key] if style == "-" else None
                ax.plot(step, history[key], style, color=colours[key], linewidth=2, label=text)
    left.set(title="errors", ylabel="mean residual", ylim=(0, 23))
    right.set(title="what gets through, what is found", ylabel="share, or AUROC", ylim=(-0.05, 1.7))
    right.set_yticks([0, 0.5, 1])
    for ax in (left, right):
        ax.set(xscale="log", xlabel="training step (0 is drawn at 5)")
        ax.legend(frameon=False, loc="upper left")
    figure.suptitle(", ".join(f"{name} {line}" for name, line in zip(histories, ("solid", "dashed"), strict=False)))
    return _large(figure)


def draw_unseen(five: History, seven: Sequence[float], unseen: Sequence[str]) -> bytes:
    """Draw the training of a network on five classes, and its AUROC beside that of one trained on all seven."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.6)
    step = np.maximum(five["step"], 5)
    left.plot(step, five["seen"], color=BLUE, linewidth=2, label="normal, the five classes")
    left.plot(step, five["survival"], "-x", color=DEFECT, linewidth=2, label="survival of their defects")
    for name, color, style in zip(unseen, (ORANGE, GREEN), ("--", "-."), strict=True):
        left.plot(step, five[name], style, color=color, linewidth=2, label=f"normal {name}, never seen")
    left.set(title="trained on five classes", ylabel="share that comes back", ylim=(-0.1, 2.0))
    left.set_yticks([0, 0.5, 1])
    right.plot(step, seven, color=GREY, linewidth=2, label="trained on all seven")
    right.plot(step, five["auroc"], "--", color=PURPLE, linewidth=2, label="trained on these five")
    right.set(title="tested on the five classes", ylabel="image AUROC, mean", ylim=(0.4, 1.1))
    right.set_yticks([0.5, 0.75, 1])
    for ax in (left, right):
        ax.set(xscale="log", xlabel="training step (0 is drawn at 5)")
        ax.legend(frameon=False, loc="upper left")
    return _large(figure)


def draw_roads(paths: Mapping[str, History], recorded: Mapping[str, float], quantised: Mapping[str, float]) -> bytes:
    """Draw survival and image AUROC of machines over how well they rebuild normal tokens."""
    figure, axes = canvas(1, 2, width=8, height=4.4)
    looks = ((GREY, "-"), (PURPLE, "--"))
    for (name, path), (color, style) in zip(paths.items(), looks, strict=True):
        for ax, key in zip(axes, ("survival", "auroc"), strict=True):
            ax.plot(path["normal"], path[key], style, color=color, linewidth=2, label=name)
    for ax, key in zip(axes, ("survival", "auroc"), strict=True):
        ax.plot(recorded["normal"], recorded[key], "s", color=ORANGE, markersize=11, fillstyle="none",
                markeredgewidth=2.5, label="continuous, trained long")  # fmt: skip
        ax.plot(quantised["normal"], quantised[key], "D", color=BLUE, markersize=11, mec="black", label="HVQ-Trans")
        ax.set(xlabel="normal error   (better \N{RIGHTWARDS ARROW})", xlim=(15.5, -0.5), xticks=(15, 10, 5, 0))
    axes[0].set(title="how much of a defect survives", ylabel="survival", ylim=(-0.05, 1.05))
    axes[1].set(title="how well images are told apart", ylabel="image AUROC", ylim=(0.4, 1.02))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return _large(figure)


def draw_race(rows: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Draw for each machine the residuals that race: `normal`, `worst` place, `defect`; and its `auroc`."""
    figure, ax = canvas(width=8, height=4.2)
    bars: dict[str, tuple[str, str, str | None]] = {
        "normal": ("normal, mean", BLUE, None),
        "worst": ("normal, worst place", GREY, None),
    }
    bars["defect"] = ("defective tokens, mean", DEFECT, "//")
    for j, (key, (text, color, hatch)) in enumerate(bars.items()):
        tall = [row[key] for row in rows.values()]
        ax.bar(np.arange(len(rows)) + 0.26 * (j - 1), tall, 0.24, color=color, hatch=hatch, edgecolor="white",
               label=text)  # fmt: skip
    for i, row in enumerate(rows.values()):
        ax.text(i, max(row[key] for key in bars) + 0.3, f"AUROC {row['auroc']:.2f}", ha="center")
    ax.set_xticks(range(len(rows)), list(rows))
    ax.set(ylabel="residual (standardised units)", ylim=(0, 17))
    ax.legend(frameon=False, ncols=3, loc="upper left", columnspacing=1, handlelength=1.2)
    return _large(figure)
