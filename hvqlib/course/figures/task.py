"""Draw the figures of notebook 01: the data, what accuracy hides, and the AUROC of images and of pixels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.patches import Rectangle

from hvqlib.course.figures import canvas, close_up, tiles
from hvqlib.evaluation.figures import BLUE, DEFECT, GREY, PURPLE, outline, png

TITLE, LABEL = 13, 12  # points
CALLED = np.array([255, 230, 0])  # what is called defective, laid over a picture
PALE = "#BFD9EA"  # a normal part that nobody talks about


def draw_row(pictures: Sequence[np.ndarray], titles: Sequence[str]) -> bytes:
    """Draw pictures beside each other, with a title each."""
    figure, axes = canvas(1, len(pictures), height=9 / len(pictures) + 0.4)
    tiles(axes, pictures)
    for axis, title in zip(np.ravel(axes), titles, strict=True):
        axis.set_title(title, fontsize=TITLE)
    return png(figure, light=True)


def draw_kinds(pictures: Sequence[np.ndarray], masks: Sequence[np.ndarray], titles: Sequence[str]) -> bytes:
    """Draw pictures (S, S, 3) of defects, and below each the surroundings of its mask (S, S) from close by."""
    squares = []
    for mask in masks:
        at = np.argwhere(mask)
        side = int(max(56, 1.5 * (np.ptp(at, axis=0).max() + 1)))
        y, x = (int(np.clip(c - side // 2, 0, len(mask) - side)) for c in (at.min(0) + at.max(0)) / 2)
        squares.append((y, x, side))
    return close_up(pictures, squares, titles)


def draw_pair(pictures: Sequence[np.ndarray], titles: Sequence[str], note: str) -> bytes:
    """Draw two pictures with titles, and a note under the second."""
    figure, axes = canvas(1, 2, 7, 4.1)
    tiles(axes, pictures)
    for axis, title in zip(axes, titles, strict=True):
        axis.set_title(title, fontsize=TITLE)
    axes[0].set_xlabel(" ", fontsize=TITLE)
    axes[1].set_xlabel(note, fontsize=TITLE)
    return png(figure, 80, light=True)


def draw_shares(shares: Mapping[str, np.ndarray]) -> bytes:
    """Draw the shares of defective pixels of defective images, a row for each class, with the median."""
    figure, ax = canvas(height=4)
    for c, here in enumerate(shares.values()):
        height = c + np.random.default_rng(0).uniform(-0.22, 0.22, len(here))  # so that dots do not hide one another
        ax.scatter(100 * here, height, s=30, color=DEFECT, marker="^", alpha=0.7)
        ax.plot([100 * np.median(here)] * 2, [c - 0.38, c + 0.38], color="black", lw=2.5)
    ax.set(xscale="log", xticks=[0.01, 0.1, 1, 10], xticklabels=["0.01 %", "0.1 %", "1 %", "10 %"])
    ax.set(yticks=range(len(shares)), yticklabels=list(shares))
    ax.set_xlabel("share of defective pixels (black line: median)", fontsize=LABEL)
    ax.tick_params(labelsize=LABEL)
    return png(figure)


def draw_maps(
    pictures: Sequence[np.ndarray], maps: Sequence[np.ndarray], titles: Sequence[str], notes: Sequence[str]
) -> bytes:
    """Draw pictures, below each its anomaly map with a note, and the scale of the maps."""
    figure, axes = canvas(2, len(pictures), height=4.9)
    tiles(axes[0], pictures)
    tiles(axes[1], maps, low=0, high=15)
    for above, below, title, note in zip(axes[0], axes[1], titles, notes, strict=True):
        above.set_title(title, fontsize=TITLE)
        below.set_title(note, fontsize=TITLE)
    bar = figure.colorbar(axes[1, -1].images[0], ax=axes, shrink=0.8)
    bar.set_label("map: deviations above usual", fontsize=LABEL)
    return png(figure, light=True)


def draw_chip(picture: np.ndarray, distances: Mapping[str, np.ndarray]) -> bytes:
    """Draw a picture, and the distances (G, G) of its places to some banks by name."""
    figure, axes = canvas(1, 1 + len(distances), height=3.2)
    tiles(axes, [picture, *distances.values()], low=5, high=22)
    for axis, title in zip(axes, ["a chip on a cloth", *distances], strict=True):
        axis.set_title(title, fontsize=TITLE)
    bar = figure.colorbar(axes[-1].images[0], ax=axes, shrink=0.85)
    bar.set_label("distance to the bank", fontsize=LABEL)
    return png(figure, light=True)


def draw_line(parts: int, defective: int, alarms: int) -> bytes:
    """Draw parts as dots, 50 in a row: the defective ones, which are found, and as many false alarms as given."""
    figure, ax = canvas(height=4)
    order = np.random.default_rng(0).permutation(parts)
    bad, false = order[:defective], order[defective : defective + alarms]
    quiet = order[defective + alarms :]
    styles = (
        (quiet, "o", 14, PALE, "normal, called normal"),
        (false, "o", 60, BLUE, "normal, called defective"),
        (bad, "^", 170, DEFECT, "defective, called defective"),
    )
    for which, marker, size, color, name in styles:
        ax.scatter(which % 50, which // 50, s=size, marker=marker, color=color, label=f"{name}: {len(which)}")
    ax.set(xticks=[], yticks=[], xlim=(-1, 50), ylim=(-1, parts / 50))
    ax.spines[:].set_visible(False)
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 0), ncols=1, frameon=False, fontsize=LABEL)
    return png(figure)


def draw_sweep(
    labels: np.ndarray, scores: np.ndarray, threshold: float, here: tuple[float, float], curve: np.ndarray
) -> bytes:
    """Draw scores with a threshold, and where it stands on the ROC curve; `here` and `curve` (2, T) are FPR and TPR."""
    figure, (left, right) = canvas(1, 2, height=4.4)
    left.axhspan(threshold, 1.12, color=GREY, alpha=0.15)
    left.axhline(threshold, color="black", lw=2)
    for x, color, marker in ((0, BLUE, "o"), (1, DEFECT, "^")):
        left.plot(np.full((labels == x).sum(), x), scores[labels == x], marker, color=color, ms=11)
    left.text(0.5, 1.04, "called defective", ha="center", fontsize=LABEL)
    left.set(xlim=(-0.6, 1.6), ylim=(0, 1.12), xticks=[0, 1], xticklabels=["normal", "defective"])
    left.set_ylabel("score", fontsize=LABEL)
    done = (curve[0] <= here[0]) & (curve[1] <= here[1])
    right.plot(*curve, color=GREY, lw=1.5)
    right.plot(*curve[:, done], color="black", lw=3.5)
    right.plot([0, 1], [0, 1], color=GREY, lw=1.2, ls=":")
    right.plot(*here, "o", color="black", ms=13)
    right.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.06))
    right.set_xlabel("FPR: normal ones called defective", fontsize=LABEL)
    right.set_ylabel("TPR: defective ones called so", fontsize=LABEL)
    right.set_title(f"threshold {threshold:.2f}: TPR {here[1]:.2f}, FPR {here[0]:.2f}", fontsize=TITLE)
    for ax in (left, right):
        ax.tick_params(labelsize=LABEL)
    return png(figure)


def draw_pairs(defective: np.ndarray, normal: np.ndarray, won: np.ndarray, curve: np.ndarray) -> bytes:
    """Draw a cell for each pair (D, N), 1 won, 0.5 tied or 0 lost, and over them the ROC curve (2, T), FPR and TPR."""
    figure, ax = canvas(width=7, height=4.6)
    for (i, j), value in np.ndenumerate(won):
        ax.add_patch(Rectangle((j, i), 1, 1, facecolor=GREY, alpha=0.35 * value, edgecolor="white"))
        x, y = (j + 0.75, i + 0.25) if value == 0.5 else (j + 0.5, i + 0.5)  # beside the curve
        ax.text(x, y, {1: "1", 0.5: "½", 0: "0"}[float(value)], ha="center", va="center", fontsize=TITLE)
    ax.plot(len(normal) * curve[0], len(defective) * curve[1], color="black", lw=3.5, label="ROC curve")
    ax.set(xlim=(0, len(normal)), ylim=(0, len(defective) + 0.03))
    ax.set(xticks=np.arange(len(normal)) + 0.5, yticks=np.arange(len(defective)) + 0.5)
    ax.set_xticklabels([f"{v:.2f}" for v in normal], color=BLUE)
    ax.set_yticklabels([f"{v:.2f}" for v in defective], color=DEFECT)
    ax.set_xlabel("scores of normal images", fontsize=LABEL)
    ax.set_ylabel("scores of defective images", fontsize=LABEL)
    ax.tick_params(labelsize=LABEL)
    ax.legend(frameon=False, loc="lower right", fontsize=LABEL)
    return png(figure)


def draw_called(rows: Mapping[str, Sequence[Sequence[np.ndarray]]]) -> bytes:
    """Draw a row for each class: pictures (S, S, 3), what is called defective (S, S) in yellow, outlines of masks."""
    columns = max(len(pictures) for pictures, *_ in rows.values())
    figure, axes = canvas(len(rows), columns, height=9 / columns * len(rows) + 0.1)
    for line, (name, row) in zip(axes, rows.items(), strict=True):
        shown = []
        for picture, called, mask in zip(*row, strict=True):
            tinted = np.where(called[..., None], 0.35 * picture + 0.65 * CALLED, picture).astype(np.uint8)
            shown.append(outline(tinted, mask))
        tiles(line, shown)
        line[0].set_ylabel(name, fontsize=TITLE)
    return png(figure, light=True)


def draw_blinded(result: Mapping[str, Sequence[float]]) -> bytes:
    """Draw three measures as bars, once for each way in which defects were missed."""
    figure, ax = canvas(height=3.8)
    for k, (name, values) in enumerate(result.items()):
        color, hatch = (("black", ""), (GREY, ""), ("white", "///"))[k]
        bars = ax.bar(np.arange(3) + 0.28 * (k - 1), values, 0.26, color=color, hatch=hatch, edgecolor="black")
        bars.set_label(f"{name} missed")
        ax.bar_label(bars, fmt="%.2f", fontsize=LABEL)
    ax.set(xticks=range(3), xticklabels=["image AUROC", "pixel AUROC", "AUPRO"], ylim=(0, 1.35))
    ax.set(yticks=[0, 0.5, 1])
    ax.set_ylabel("mean over classes", fontsize=LABEL)
    ax.tick_params(labelsize=LABEL)
    ax.legend(frameon=False, fontsize=LABEL, loc="upper center", ncols=3)
    return png(figure)


def draw_levels(classes: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Draw the scores of each class in a row of its own; scores and labels (N,) each."""
    figure, ax = canvas(height=4.4)
    for c, (scores, labels) in enumerate(classes.values()):
        _scatter(ax, scores, labels, c)
    ax.set(yticks=range(len(classes)), yticklabels=list(classes))
    ax.set_xlabel("image score from the raw residual (dots: normal, triangles: defective)", fontsize=LABEL)
    ax.tick_params(labelsize=LABEL)
    return png(figure)


def draw_pooled(classes: Mapping[str, tuple[np.ndarray, np.ndarray]], values: Mapping[str, float]) -> bytes:
    """Draw the scores of classes, and AUROCs as bars; scores and labels (N,) each."""
    figure, (left, right) = canvas(1, 2, height=3.8)
    for c, (scores, labels) in enumerate(classes.values()):
        _scatter(left, scores, labels, c)
    left.set(xlim=(-4, 9), yticks=range(len(classes)), yticklabels=list(classes))
    left.set_xlabel("score (dots normal)", fontsize=LABEL)
    bars = right.bar(range(len(values)), list(values.values()), color=[GREY, GREY, "black", PURPLE], width=0.7)
    right.bar_label(bars, fmt="%.2f", fontsize=LABEL)
    right.axhline(0.5, color="black", lw=1, ls=":")
    right.set(ylim=(0, 1.1), xticks=range(len(values)), xticklabels=list(values))
    right.set_ylabel("AUROC", fontsize=LABEL)
    for ax in (left, right):
        ax.tick_params(labelsize=LABEL)
    return png(figure)


def draw_wobble(bars: Mapping[str, tuple[float, float, float]]) -> bytes:
    """Draw the AUROC of each class with its interval: value, low end, high end."""
    figure, ax = canvas(height=3.9)
    for c, (value, low, high) in enumerate(bars.values()):
        ax.plot([low, high], [c, c], color=GREY, lw=6, alpha=0.5)
        ax.plot(value, c, "o", color="black", ms=8)
    ax.set(yticks=range(len(bars)), yticklabels=list(bars), ylim=(-0.6, len(bars) - 0.4))
    ax.set_xlabel("image AUROC, and the middle 90 % of 1,000 resamples", fontsize=LABEL)
    ax.tick_params(labelsize=LABEL)
    return png(figure)


def _scatter(ax: Any, scores: np.ndarray, labels: np.ndarray, row: int) -> None:
    """Dots (normal) and triangles (defective) of one class, spread over the height of a row."""
    rng = np.random.default_rng(0)
    for kind, color, marker in ((0, BLUE, "o"), (1, DEFECT, "^")):
        here = scores[labels == kind]
        height = row + 0.3 * kind - 0.15 + rng.uniform(-0.1, 0.1, len(here))
        ax.scatter(here, height, s=24, color=color, marker=marker, alpha=0.75)
