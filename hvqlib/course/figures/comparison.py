"""Draw variants of a method against the whole, seed by seed (notebook 11)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hvqlib.course.figures import canvas
from hvqlib.evaluation.figures import BLUE, GREEN, GREY, ORANGE, PURPLE

WORDS = {"auroc": "AUROC", "ap": "AP", "f1max": "F1-max", "aupro": "AUPRO"}
TICKS = (-30, -10, -3, -1, 0, 1, 3, 10)


def label(metric: str) -> str:
    """Name a metric as a figure does: "image AUROC" for image_auroc."""
    return " ".join(WORDS.get(word, word) for word in metric.split("_"))


def names(axes: Any, found: Sequence[str]) -> None:
    """Write names from top to bottom beside the rows of axes."""
    axes.set(yticks=range(len(found)), ylim=(len(found) - 0.4, -0.6))
    axes.set_yticklabels(found, fontsize=11)


def draw_variants(tables: Mapping[str, Mapping[str, np.ndarray]], whole: str, metric: str) -> Figure:
    """Draw the values of each variant: a dot for each seed, a line at their mean, the whole model's range as a band."""
    longest = max(len(table) for table in tables.values())
    figure, row = canvas(1, len(tables), width=7.4, height=0.3 * longest + 1.1)
    for axes, (data, table) in zip(np.ravel(row), tables.items(), strict=True):
        axes.axvspan(table[whole].min(), table[whole].max(), color=BLUE, alpha=0.15, linewidth=0)
        for place, (variant, found) in enumerate(table.items()):
            axes.scatter(found, [place] * len(found), color=BLUE if variant == whole else ORANGE, s=34, alpha=0.8)
            axes.plot([found.mean()] * 2, [place - 0.35, place + 0.35], color="black", linewidth=2)
        names(axes, list(table) if axes is np.ravel(row)[0] else [""] * len(table))
        axes.set_xlabel(f"{label(metric)}, mean over classes", fontsize=11)
        axes.set_title(data, fontsize=11)
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="x", alpha=0.3)
    return figure


def draw_differences(
    table: Mapping[str, np.ndarray], interval: Callable[[np.ndarray], tuple[float, float]], metric: str
) -> Figure:
    """Draw differences from the whole model: mean, interval and a dot for each seed, on an axis stretched near zero.

    Bars that leave out zero are purple, the others grey.
    """
    figure, axes = canvas(width=7.4, height=0.3 * len(table) + 1.2)
    axes.axvline(0, color="black", linewidth=1)
    for place, points in enumerate(table.values()):
        low, high = interval(points)
        color = PURPLE if low > 0 or high < 0 else GREY
        axes.plot([low, high], [place, place], color=color, linewidth=6, alpha=0.5)
        axes.plot(points, [place] * len(points), "o", color=ORANGE, ms=4.5)
        axes.plot(points.mean(), place, "|", color="black", ms=11)
    names(axes, list(table))
    axes.set_xscale("symlog", linthresh=1, linscale=0.7)
    axes.set(xlim=(-60, 20), xticks=TICKS, xticklabels=TICKS)
    axes.minorticks_off()
    axes.set_xlabel(f"{label(metric)}: points above or below the whole model", fontsize=11)
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_attempts(found: Mapping[str, Sequence[float]], titles: Sequence[str]) -> Figure:
    """Draw what was measured of a few trainings: a panel for each number, from 0 to 1, a bar for each training."""
    figure, row = canvas(1, len(titles), width=7.4, height=2.3)
    for j, (axes, title) in enumerate(zip(row, titles, strict=True)):
        axes.barh(
            range(len(found)), [numbers[j] for numbers in found.values()], color=[BLUE, ORANGE, GREEN][: len(found)]
        )
        names(axes, list(found) if j == 0 else [""] * len(found))
        axes.set_xlim(0, 1)
        axes.set_title(title, fontsize=11)
    return figure
