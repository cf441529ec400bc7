"""Draw the figures of notebook 13: published figures, what a full run costs, and what one could report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.text import Text

from hvqlib.course.figures import canvas
from hvqlib.evaluation.figures import GREY, ORANGE, PURPLE, png
from hvqlib.evaluation.metrics import METRICS

MARKS = {"an hour": 1, "a day": 24, "a week": 168, "a month": 720}


def _large(figure: Figure, size: float = 12) -> bytes:
    """Render a figure with type that reads well at half size."""
    for axes in figure.axes:
        axes.tick_params(labelsize=size)
    for text in figure.findobj(Text):
        text.set_fontsize(max(size, text.get_fontsize()))
    return png(figure)


def draw_published(rows: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw what each source gives for each data set: {data set: {source: percent}}; the first source is the paper."""
    figure, axes = canvas(width=8, height=2.6)
    sources = list(dict.fromkeys(source for row in rows.values() for source in row))
    for y, row in enumerate(rows.values()):
        for x, source in zip((88.8, 91.6, 95.3, 98.9), sources, strict=True):
            colour, marker = (ORANGE, "D") if source == sources[0] else (PURPLE, "o")
            axes.text(x, -0.85, source, ha="center", weight="bold", color=colour)
            axes.text(x, y, row.get(source, "not quoted"), ha="center", va="center")
            if source in row:
                axes.plot(row[source] + 12, y, marker, color=colour, markersize=10, alpha=0.7)
    ticks = range(90, 100, 2)
    axes.set(xlim=(86.4, 111), ylim=(1.6, -1.2), yticks=(0, 1), yticklabels=list(rows))
    axes.set_xticks([tick + 12 for tick in ticks], list(map(str, ticks)))
    axes.set_xlabel("image AUROC, mean over classes (%)", loc="right")
    return _large(figure)


def draw_cost(hours: float, title: str) -> bytes:
    """Draw a time as a bar, on a log scale with familiar times marked."""
    figure, axes = canvas(width=8, height=2.5)
    axes.barh(0, hours, color=PURPLE, height=0.5)
    axes.text(hours * 1.15, 0, f"{hours:,.1f} h" if hours < 48 else f"{hours / 24:,.1f} days", va="center")
    for text, value in MARKS.items():
        axes.axvline(value, ymax=0.85, color=GREY, linewidth=1, linestyle=":")
        axes.text(value, 0.56, text, color=GREY, va="center", ha="center")
    axes.set(xscale="log", xlim=(0.05, 8000), ylim=(-0.4, 0.7), yticks=[], xlabel="time of the whole training (hours)")
    axes.set_title(title)
    return _large(figure)


def draw_table(
    name: str, left: str, metrics: Mapping[str, Any], published: Mapping[str, float], most: int = 2
) -> bytes:
    """Draw seven metrics in percent: of up to `most` classes, their mean, and what was published."""
    shown = list(metrics["classes"])[:most]
    figure, axes = canvas(width=8, height=3.6)
    axes.set(xlim=(-1.3, most + 1.6), ylim=(len(METRICS) - 0.5, -1.6), xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    for x, head in enumerate([*shown, f"YOURS,\nmean of {len(metrics['classes'])}", "published\nmean"]):
        axes.text(x, -1, head, ha="center", va="center", weight="bold" if x >= len(shown) else "normal")
    for y, metric in enumerate(METRICS):
        axes.text(-1.25, y, metric.replace("_", " "), va="center")
        mine = [metrics["classes"][one][metric] for one in shown] + [metrics["mean"][metric]]
        for x, value in enumerate(mine):
            axes.text(x, y, "n/a" if value is None else f"{100 * value:.1f}", ha="center", va="center")
        axes.text(len(shown) + 1, y, published.get(metric, "–"), ha="center", va="center", color=ORANGE)
    axes.axhline(-0.5, color=GREY, linewidth=1)
    axes.set_title(f"{name}. {left}. Percent.", loc="left")
    return _large(figure)


def draw_reports(moments: Sequence[int], curves: np.ndarray, reports: Mapping[str, float], title: str) -> bytes:
    """Draw test AUROC of classes (T, classes) by step, and what one could report of them."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.6)
    names = ["one class"] + ["_"] * (curves.shape[1] - 1)
    left.plot(moments, curves, color=GREY, linewidth=1.3, marker=".", label=names)
    left.plot(moments, curves.mean(1), color=PURPLE, linewidth=3, marker="o", label="mean of classes")
    left.set(xlabel="step", ylabel="test image AUROC (%)", title=title)
    left.set_ylim(curves.min() - 3, curves.max() + 0.6 * np.ptp(curves) + 3)
    left.legend(frameon=False, loc="upper left")
    for x, (value, colour) in enumerate(zip(reports.values(), (PURPLE, ORANGE, ORANGE), strict=True)):
        right.bar(x, value, color=colour, width=0.6)
        right.text(x, value + 0.2, f"{value:.1f}", ha="center")
    right.set(ylim=(min(reports.values()) - 6, max(reports.values()) + 3))
    right.set_xticks(range(3), list(reports))
    right.set(title="what one could report", ylabel="AUROC (%), axis cut")
    return _large(figure)


def draw_differences(
    before: np.ndarray, lengths: np.ndarray, dead: np.ndarray, even: Mapping[str, np.ndarray]
) -> bytes:
    """Draw lengths of prototypes after one update from counts of 0, and how evenly two plans share tokens out."""
    figure, (left, right) = canvas(1, 2, width=8, height=3.6)
    bins = np.linspace(0, 6.5, 60)
    left.hist(np.log10(lengths[~dead]), bins, color=ORANGE, label="chosen by a token")
    left.hist(np.log10(lengths[dead]), bins, color=GREY, hatch="//", label="chosen by none")
    left.axvline(np.log10(before.mean()), color="black", linestyle=":", label="before the update")
    left.set(xlabel="length of a prototype", ylabel="prototypes", title="one update, counts from 0")
    left.set_xticks([0, 2, 4, 6], ["1", "100", "10,000", "1,000,000"])
    left.set_ylim(top=1.6 * left.get_ylim()[1])
    left.legend(frameon=False, loc="upper right")
    for (name, values), colour in zip(even.items(), (GREY, PURPLE), strict=True):
        right.hist(values, np.linspace(0, 1.01, 52), color=colour, label=name)
    right.set(xlabel="evenness of a token's shares", ylabel="tokens", title="plan at level 0")
    right.set_yscale("log")
    right.legend(frameon=False, loc="upper center")
    return _large(figure)
