"""Draw the figures of notebook 08: one step of a training, and the curves of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from hvqlib.course.figures import canvas
from hvqlib.evaluation.figures import BLUE, GREEN, GREY, ORANGE, PURPLE, png

PARTS = [("backbone", "frozen", GREY), ("project", "1 layer", BLUE), ("encoder", "4 layers", BLUE)]
PARTS += [("codebooks", "5 levels", ORANGE), ("decoder", "4 layers", BLUE), ("head", "1 per class", BLUE)]
BETWEEN = ["image", "features\n192, 14, 14", "tokens\n196, 64", "5 states\n196, 64", "4 codes\n196, 128"]
BETWEEN += ["tokens\n196, 128", "rebuilt\n192, 14, 14"]
STYLES = ("-", "--", "-.", ":")
COLOURS = (BLUE, ORANGE, GREEN, PURPLE)


def draw_step() -> Figure:
    """Draw one step of the training: forward through the parts, and below what changes which of them."""
    figure, axes = canvas(height=4.0)
    arrow = {"arrowstyle": "-|>", "linewidth": 1.5}
    for i, (name, what, colour) in enumerate(PARTS):
        x = 0.7 + 2.5 * i
        axes.add_patch(FancyBboxPatch((x, 2.6), 1.7, 0.9, boxstyle="round,pad=0.12", fc="white", ec=colour, lw=2.5))
        axes.text(x + 0.85, 3.22, name, ha="center", va="center", fontsize=12.5)
        axes.text(x + 0.85, 2.82, what, ha="center", va="center", fontsize=12)
    for i, text in enumerate(BETWEEN):
        x = 0.3 + 2.5 * i
        axes.annotate("", (x + 0.28, 3.05), (x - 0.28, 3.05), arrowprops=arrow)
        axes.text(x, 3.85, text, ha="right" if i == 6 else "left" if not i else "center", va="bottom", fontsize=11)
    lines = [(14.9, 3.2, 1.9, BLUE, "gradient of the reconstruction error")]
    lines += [(10.0, 3.2, 1.1, PURPLE, "gradient of the commitment"), (10.0, 8.2, 0.3, ORANGE, "moving averages")]
    for start, end, y, colour, text in lines:
        axes.annotate("", (end, y), (start, y), arrowprops={**arrow, "linewidth": 3, "color": colour})
        axes.text(10.2, y + (0.3 if colour == BLUE else 0), text, va="center", fontsize=13)
    axes.set(xlim=(-0.1, 15.7), ylim=(0, 4.9))
    axes.set_axis_off()
    return figure


def draw_own_run(history: np.ndarray, shares: Mapping[str, Sequence[float]]) -> Figure:
    """Draw both parts of the loss of a run (steps, 2 or more), and the learning rates, by name, over its steps."""
    figure, (left, right) = canvas(1, 2, height=3.4)
    steps = np.arange(1, len(history) + 1)
    left.plot(steps, history[:, 0], color=BLUE, linewidth=2.5, label="reconstruction error")
    left.plot(steps, history[:, 1], "--", color=PURPLE, linewidth=2.5, label="commitment, sum of levels")
    left.set(ylabel="squared error", ylim=(0, 1.1 * history[:, :2].max()))
    for (name, share), style, colour in zip(shares.items(), ("-", "--"), (BLUE, GREY), strict=True):
        right.plot(steps, share, style, color=colour, linewidth=2.5, label=name)
    right.set(ylabel="learning rate (share of peak)", ylim=(0, 1.1))
    for one in (left, right):
        one.set(xlabel="step", xlim=(0, len(history) + 1))
        _large(one)
        one.legend(fontsize=11, frameon=False, loc="lower left", bbox_to_anchor=(-0.05, 1))
    return figure


def draw_live(history: Any, auroc: Mapping, codes: Mapping, stops: Sequence, goal: float, steps: int) -> bytes:
    """Draw a run so far, three curves over the same steps: parts of the loss, codes in use, AUROC on the probe.

    `history` has loss and commitment first in each row; `auroc` and `codes` (usage and perplexity of each level, in
    percent) are by step; at `stops` a reader stopped the run. The rate is highest after a tenth of the `steps`.
    """
    figure, axes = canvas(3, 1, height=7.2)
    loss, books, area = axes
    rows = np.array([row[:2] for row in history]).reshape(-1, 2)
    count = np.arange(1, len(rows) + 1)
    loss.plot(count, rows[:, 0] - 0.25 * rows[:, 1], color=BLUE, linewidth=2, label="reconstruction error")
    loss.plot(count, rows[:, 1], "--", color=PURPLE, linewidth=2, label="commitment")
    loss.set(ylim=(0.03, 3), yscale="log", ylabel="squared error")
    found = np.array([*codes.values()]).reshape(-1, 5, 2)  # (epochs, levels, 2)
    for k, (name, style, colour) in enumerate((("usage", "o-", ORANGE), ("perplexity", "s--", GREY))):
        books.plot([*codes], found[..., k].mean(1), style, color=colour, linewidth=2, label=name)
        books.fill_between([*codes], found[..., k].min(1), found[..., k].max(1), color=colour, alpha=0.25, lw=0)
    books.set(ylim=(0, 105), ylabel="% of the codes")
    area.axhline(goal, color=GREY, linestyle="--", linewidth=2, label="shipped detector")
    area.plot([*auroc], [*auroc.values()], "o-", color=BLUE, linewidth=2, label="this run")
    area.set(ylim=(0.4, 1.02), ylabel="AUROC on probe")
    area.set_xlabel("step  (grey line: the learning rate is at its peak)")
    for one in axes:
        one.axvline(0.1 * steps + 1, color=GREY, alpha=0.4, linewidth=4)
        one.set(xlim=(0, steps + 1), xticks=range(0, steps + 1, 21))
        for step in stops:
            one.axvline(step, color="black", linestyle=":")
        _large(one)
        one.legend(fontsize=12, frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    return png(figure)


def draw_runs(runs: Mapping[str, np.ndarray], codes: Sequence[int], title: str, window: int = 6) -> bytes:
    """Draw runs (steps, 4) by name: reconstruction error, commitment, and perplexity in percent of their `codes`.

    The first two are means over `window` steps.
    """
    figure, axes = canvas(1, 3, height=3.9)
    for (name, curves), many, style, colour in zip(runs.items(), codes, STYLES, COLOURS, strict=False):
        line: dict[str, Any] = {"linestyle": style, "color": colour, "linewidth": 2.5}
        steps = np.arange(1, len(curves) + 1)
        for k in (0, 1):
            smooth = np.convolve(curves[:, k], np.ones(window) / window, "valid")
            axes[k].plot(steps[window - 1 :], smooth, label=name if not k else None, **line)
        axes[2].plot(steps, 100 * curves[:, 3] / many, **line)
    axes[0].set(ylim=(0, 1.2), ylabel="squared error", title="reconstruction error")
    axes[1].set(yscale="log", ylim=(0.005, 5), title="commitment")
    axes[2].set(ylim=(0, 103), ylabel="% of the codes", title="perplexity")
    for one in axes:
        one.set(xlim=(0, 121), xlabel="step", xticks=(0, 60, 120))
        _large(one)
    figure.legend(loc="outside lower center", ncols=4, fontsize=12, frameon=False, title=title, title_fontsize=12)
    return png(figure)


def _large(axes: Any) -> None:
    """Make the type of axes large enough to be read at half size."""
    axes.tick_params(labelsize=12)
    for text in (axes.xaxis.label, axes.yaxis.label, axes.title):
        text.set_fontsize(13)
