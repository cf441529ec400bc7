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
    tables: Mapping[str, Mapping[str, np.ndarray]], interval: Callable[[np.ndarray], tuple[float, float]], metric: str
) -> Figure:
    """Draw differences from the whole model: mean, interval and, where there is one table only, a dot for each seed.

    Of one table the bars that leave out zero are purple, the others grey; of two each has its own colour. The axis is
    stretched near zero.
    """
    first, single = next(iter(tables.values())), len(tables) == 1
    figure, axes = canvas(width=7.4, height=(0.3 if single else 0.36) * len(first) + 1.2)
    axes.axvline(0, color="black", linewidth=1)
    for number, (data, table) in enumerate(tables.items()):
        for place, points in enumerate(table.values()):
            low, high = interval(points)
            color = (PURPLE if low > 0 or high < 0 else GREY) if single else (BLUE, ORANGE)[number]
            at = place if single else place + (-0.17, 0.17)[number]
            axes.plot([low, high], [at, at], color=color, linewidth=6 if single else 4, alpha=0.5)
            if single:
                axes.plot(points, [at] * len(points), "o", color=ORANGE, ms=4.5)
            mark = "|" if single else ("o", "D")[number]
            axes.plot(points.mean(), at, mark, color="black" if single else color, ms=11 if single else 6)
        if not single:
            axes.plot([], [], ("o", "D")[number], color=(BLUE, ORANGE)[number], linewidth=4, label=data)
    names(axes, list(first))
    axes.set_xscale("symlog", linthresh=1, linscale=0.7)
    axes.set(xlim=(-60, 20), xticks=TICKS, xticklabels=TICKS)
    axes.minorticks_off()
    axes.set_xlabel(f"{label(metric)}: points above or below the whole model", fontsize=11)
    axes.grid(axis="x", alpha=0.3)
    if not single:
        figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)
    return figure


def draw_products(points: Mapping[str, np.ndarray], classes: Sequence[str], product: str) -> Figure:
    """Draw each variant's points over the whole model (classes,), one product in colour, means with and without it."""
    figure, axes = canvas(width=7.2, height=0.42 * len(points) + 1.4)
    axes.axvline(0, color="black", linewidth=1)
    its = list(classes).index(product)
    for place, found in enumerate(points.values()):
        rest = np.delete(found, its)
        axes.plot(rest, [place] * len(rest), "o", color=GREY, ms=6, alpha=0.6)
        axes.plot(found[its], place, "D", color=BLUE, ms=8)
        axes.plot([found.mean()] * 2, [place - 0.33, place + 0.33], color="black", linewidth=2.5)
        axes.plot([rest.mean()] * 2, [place - 0.33, place + 0.33], color=ORANGE, linewidth=2.5)
    names(axes, list(points))
    for look, text in (
        ({"marker": "D", "color": BLUE}, product),
        ({"marker": "o", "color": GREY, "alpha": 0.6}, "the other products"),
        ({"marker": "|", "color": "black"}, "mean of all"),
        ({"marker": "|", "color": ORANGE}, f"mean without {product}"),
    ):
        axes.plot([], [], linestyle="none", ms=9, markeredgewidth=2, label=text, **look)
    axes.set_xlabel("image AUROC: points above or below the whole model", fontsize=11)
    axes.grid(axis="x", alpha=0.3)
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)
    return figure


def draw_grown(curves: Mapping[str, tuple[np.ndarray, np.ndarray]], bar: float, metric: str) -> Figure:
    """Draw a value (lengths,) against the seconds of training, for each network, and the bar set without training."""
    figure, axes = canvas(width=6.8, height=3.6)
    for (name, (seconds, found)), color, style in zip(curves.items(), (BLUE, ORANGE), ("o-", "D-"), strict=True):
        axes.plot(seconds / 60, 100 * found, style, color=color, linewidth=2, ms=7, label=name)
    axes.axhline(100 * bar, color=GREY, linestyle=":", linewidth=2, label="nearest neighbour, not trained")
    axes.set(xscale="log", xticks=(2, 5, 10, 20, 50), xticklabels=(2, 5, 10, 20, 50))
    axes.set_xlabel("processor time of the training (minutes)", fontsize=11)
    axes.set_ylabel(f"{label(metric)} (%)", fontsize=11)
    axes.minorticks_off()
    figure.legend(loc="outside lower center", ncols=2, frameon=False, fontsize=11)
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
