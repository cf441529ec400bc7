"""Draw the figures of notebook 09: what each metric sees, what a threshold promises, how sure one may be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from scipy.integrate import trapezoid

from hvqlib.course.figures import canvas, tiles
from hvqlib.evaluation.figures import BLUE, DEFECT, GREY, ORANGE, PURPLE, png
from hvqlib.evaluation.metrics import METRICS

NAMES = ("image AUROC", "image AP", "image F1-max", "pixel AUROC", "pixel AP", "pixel F1-max", "AUPRO")


def draw_seven(table: Mapping[str, Mapping[str, Any]], floor: Mapping[str, float]) -> bytes:
    """Draw seven metrics, a row each: every class, their mean, and the value of a detector that knows nothing."""
    figure, ax = canvas(height=4.4)
    for row, metric in enumerate(METRICS):
        values = {c: float(found[metric]) for c, found in table.items()}
        mean, first = float(np.mean([*values.values()])), row == 0
        ax.plot([floor[metric], mean], [row, row], color=GREY, lw=1, alpha=0.5)
        ax.plot([*values.values()], [row] * len(values), "o", color=BLUE, ms=8, alpha=0.5, label=first * "one class")
        ax.plot(mean, row, "|", color="k", ms=22, mew=4, label=first * "mean over classes")
        ax.plot(floor[metric], row, "x", color=ORANGE, ms=10, mew=3, label=first * "scores from a hat")
        weakest = min(values, key=lambda c: values[c])
        ax.text(values[weakest] + 0.01, row - 0.3, weakest, ha="right", fontsize=11)
    ax.set_yticks(range(7), NAMES)
    ax.set(ylim=(6.6, -0.7), xlim=(0, 1.02), xlabel="value (beside it: the weakest class)")
    _large(ax)
    handles, labels = ax.get_legend_handles_labels()
    kept = [(handle, name) for handle, name in zip(handles, labels, strict=True) if name]
    ax.legend(*zip(*kept, strict=True), frameon=False, loc="lower left", bbox_to_anchor=(-0.1, 1), ncols=3, fontsize=12)
    return png(figure, light=True)


def draw_walk(
    name: str, bad: np.ndarray, precision: np.ndarray, rate: np.ndarray, recall: np.ndarray, f1: np.ndarray
) -> bytes:
    """Draw the walk down the row of images, highest score first: AP as heights, AUROC as an area, F1-max as a peak.

    `bad` says which of the images are defective; `rate` is the share of normal ones called so far.
    """
    figure, (strip, roc, best) = canvas(1, 3, height=3.7)
    place = np.arange(1, len(bad) + 1)
    strip.vlines(place[bad], 0, precision[bad], color=DEFECT, lw=1, alpha=0.5)
    strip.plot(place[bad], precision[bad], "^", color=DEFECT, ms=5, label="defective")
    strip.plot(place[~bad], precision[~bad], "o", color=BLUE, ms=5, label="normal")
    strip.set(xlabel="images called", ylabel="precision", title=f"AP {precision[bad].mean():.3f}")
    x, y = np.append(0, rate), np.append(0, recall)
    roc.fill_between(x, y, color=GREY, alpha=0.3, lw=0)
    roc.plot(x, y, "k", lw=2.5)
    area = trapezoid(y, x)
    roc.set(xlabel="normal images called (share)", ylabel="recall", title=f"AUROC {area:.3f}")
    best.plot(place, f1, "k", lw=2.5)
    best.plot(place[f1.argmax()], f1.max(), "*", color=ORANGE, ms=18)
    best.set(xlabel="images called", ylabel="F1", title=f"F1-max {f1.max():.3f}")
    for ax in (strip, roc, best):
        ax.set(ylim=(0, 1.08))
        _large(ax)
    figure.legend(*strip.get_legend_handles_labels(), loc="outside lower center", ncols=2, fontsize=12, frameon=False,
                  title=name, title_fontsize=12)  # fmt: skip
    return png(figure, light=True)


def draw_verdicts(
    pictures: Sequence[np.ndarray], names: Sequence[str], masks: Sequence[np.ndarray], called: Sequence[np.ndarray]
) -> bytes:
    """Draw images with their defects outlined, and below which pixels are found, missed and wrongly called."""
    figure, axes = canvas(2, len(pictures), height=5.2)
    tiles(axes[0], pictures)
    parts = (("found", DEFECT), ("missed", PURPLE), ("wrongly called", GREY))
    for ax, name, mask, cut in zip(axes.T, names, masks, called, strict=True):
        colours = np.full((*mask.shape, 3), 255, np.uint8)
        for where, (_, colour) in zip((cut & mask, ~cut & mask, cut & ~mask), parts, strict=True):
            colours[where] = [int(colour[i : i + 2], 16) for i in (1, 3, 5)]
        tiles(ax[1:], [colours])
        ax[0].set_title(name, fontsize=15)
        ax[1].spines[:].set_visible(True)
    for ax, (name, colour) in zip(axes[1], parts, strict=False):
        ax.set_xlabel(f"■ {name}", color=colour, fontsize=15)
    return png(figure, 75, light=True)


def draw_unseen(unseen: Sequence[int], values: np.ndarray) -> bytes:
    """Draw pixel AUROC, pixel AP and AUPRO (a column each) while more and more of the regions become invisible."""
    figure, ax = canvas(width=7, height=3.4)
    looks = (("pixel AUROC", "k", "-"), ("pixel AP", GREY, "--"), ("AUPRO", PURPLE, "-."))
    for (name, colour, style), column in zip(looks, values.T, strict=True):
        ax.plot([*unseen], column, style, color=colour, lw=3, label=name)
    ax.axvline(12, color=ORANGE, lw=1.5)
    ax.set(xlabel="regions made invisible, the smallest first (of 36)", ylim=(0, 1.02), xlim=(0, 36), ylabel="value")
    ax.legend(frameon=False, fontsize=12, loc="center left", bbox_to_anchor=(1, 0.5))
    _large(ax)
    return png(figure, light=True)


def draw_limits(
    fpr: np.ndarray, pro: np.ndarray, limits: Sequence[float], by_limit: Mapping[str, Sequence[float]], marked: str
) -> bytes:
    """Draw a PRO curve with its area, and the AUPRO of each class up to several limits, one class `marked`."""
    figure, (left, right) = canvas(1, 2, height=3.6)
    within = np.linspace(0, 0.3, 301)
    height = np.interp(within, fpr, pro)
    left.fill_between(within, height, color=GREY, alpha=0.3, lw=0)
    left.plot(within, height, "k", lw=2.5)
    left.set(xlim=(0, 0.302), ylim=(0, 1.02), xlabel="normal pixels called (FPR)", ylabel="PRO", title="wood")
    for name, values in by_limit.items():
        mine = name == marked
        right.plot(
            range(len(limits)), values, "o-", color="k" if mine else GREY, lw=3 if mine else 1.5, zorder=2 + mine
        )
    right.text(len(limits) - 1, by_limit[marked][-1] - 0.14, marked, ha="right", fontsize=13)
    right.set_xticks(range(len(limits)), [f"{limit:g}" for limit in limits])
    right.set(ylim=(0, 1.02), xlabel="limit of the FPR", ylabel="AUPRO", title="seven classes")
    _large(left, right)
    return png(figure, light=True)


def draw_reasons(asked: Mapping[str, Mapping[str, float]]) -> bytes:
    """Draw a panel of bars for each question, the lowest bar black."""
    figure, axes = canvas(1, len(asked), height=3.6)
    for ax, (name, found) in zip(axes, asked.items(), strict=True):
        weak = min(found, key=lambda key: found[key])
        bars = ax.barh([*found], [*found.values()], color=["k" if key == weak else GREY for key in found])
        ax.bar_label(bars, fmt="%.2f", padding=3, fontsize=12)
        ax.set(xlim=(0, 1.35), xticks=(0, 0.5, 1), ylim=(len(found) - 0.4, -0.6))
        _large(ax)
        ax.set_title(name, fontsize=12)
    return png(figure, light=True)


def draw_reading(picture: np.ndarray, parts: Sequence[Any], ranges: Mapping[str, tuple[float, float]]) -> bytes:
    """Draw an image, and beside it the parts of which its anomaly map is made, each in its own `ranges` of colours."""
    figure, axes = canvas(1, 1 + len(parts), height=2.6)
    tiles(axes[:1], [picture])
    for ax, part, (name, (low, high)) in zip(axes[1:], parts, ranges.items(), strict=True):
        tiles([ax], [part], low=low, high=high)
        ax.set_title(name, fontsize=14)
        ax.set_xlabel(f"{low:g} to {high:g}", fontsize=13)
    return png(figure, light=True)


def draw_promises(rates: np.ndarray, found: Mapping[str, np.ndarray], bands: Mapping[str, np.ndarray]) -> bytes:
    """Draw the share of normal images called over the rate asked, for several groups, with what luck allows."""
    figure, axes = canvas(1, len(found), height=3.7)
    for ax, (name, share) in zip(axes, found.items(), strict=True):
        ax.fill_between(rates, *bands[name], color=BLUE, alpha=0.2, lw=0, label="luck")
        ax.plot([0, 0.5], [0, 0.5], color=BLUE, lw=1.5, ls="--", label="as asked")
        ax.step(rates, share, "k", lw=2.5, label="found")
        ax.set(xlim=(0, 0.5), ylim=(0, 1.05), title=name, xlabel="false-alarm rate asked")
        _large(ax)
    axes[0].set_ylabel("normal images called")
    axes[0].legend(frameon=False, loc="upper left", fontsize=12)
    return png(figure, light=True)


def draw_factories(percent: np.ndarray, asked: float) -> bytes:
    """Draw how many factories have which true false-alarm rate, in percent; more than `asked` is vermilion."""
    figure, ax = canvas(width=7.5, height=3.2)
    _, edges, bars = ax.hist(percent, np.arange(0, 12.5, 0.5), color=BLUE, ec="white")
    for bar, edge in zip(bars, edges, strict=False):  # type: ignore[call-overload]
        if edge >= asked:
            bar.set_facecolor(DEFECT)
    ax.axvline(asked, color="k", lw=2)
    ax.set(xlabel=f"true false-alarm rate (%) where {asked:g} % was asked", ylabel="factories")
    _large(ax)
    return png(figure)


def draw_thresholds(
    scores: np.ndarray,
    label: np.ndarray,
    class_id: np.ndarray,
    classes: Sequence[str],
    cuts: Mapping[str, Sequence[float]],
) -> bytes:
    """Draw the scores of each class, normal above defective, with two thresholds per class, by name."""
    figure, ax = canvas(height=4.8)
    for k, (name, colour, mark) in enumerate((("normal", BLUE, "o"), ("defective", DEFECT, "^"))):
        for c in range(len(classes)):
            mine = scores[(class_id == c) & (label == k)]
            height = c + (-0.18, 0.18)[k] + np.linspace(-0.1, 0.1, len(mine))
            ax.plot(mine, height, mark, color=colour, ms=4, label=None if c else name)
    for (name, several), colour, style in zip(cuts.items(), ("k", PURPLE), ("-", ":"), strict=True):
        for c, cut in enumerate(several):
            ax.plot([cut] * 2, [c - 0.4, c + 0.4], style, color=colour, lw=3, label=None if c else name)
    ax.set_yticks(range(len(classes)), classes)
    ax.set(ylim=(6.6, -0.6), xlim=(0, 44), xlabel="score")
    _large(ax)
    ax.legend(frameon=False, loc="lower right", fontsize=12)
    return png(figure, light=True)


def draw_explorer(
    head: str,
    scores: np.ndarray,
    label: np.ndarray,
    threshold: float,
    promised: float,
    curves: Mapping[str, tuple[np.ndarray, np.ndarray, float, float]],
) -> bytes:
    """Draw scores with a threshold and the promised one, and its points on curves (x, y, and the point's x and y)."""
    figure, axes = canvas(2, 2, height=6.4)
    strip = axes[0, 0]
    for k, colour, mark in ((0, BLUE, "o"), (1, DEFECT, "^")):
        mine = scores[label == k]
        strip.plot(mine, k + np.linspace(-0.2, 0.2, len(mine)), mark, color=colour, ms=6)
    strip.axvline(threshold, color="k", lw=2.5)
    strip.plot(promised, -0.6, "kD", ms=8, clip_on=False)
    strip.set(xlim=(0, 44), ylim=(-0.6, 1.5), yticks=[0, 1], yticklabels=["normal", "defective"])
    strip.set(xlabel="score (diamond: 5 % asked)", title=head)
    for ax, (name, (x, y, here, there)) in zip(axes.flat[1:], curves.items(), strict=True):
        ax.plot(x, y, color=GREY, lw=2.5)
        ax.plot(here, there, "ko", ms=11)
        xlabel, ylabel = name.split(" / ")
        ax.set(xlim=(-0.02, 1.02), ylim=(0, 1.05), xlabel=xlabel, ylabel=ylabel)
        ax.set_title(f"at the dot: {here:.3f} / {there:.2f}")
    for ax in axes.flat:
        _large(ax)
    return png(figure, light=True)


def draw_failures(pictures: Sequence[np.ndarray], maps: Sequence[np.ndarray], names: Sequence[str]) -> bytes:
    """Draw images with their defects outlined, and below each its anomaly map."""
    figure, axes = canvas(2, len(pictures), height=3.9)
    tiles(axes[0], pictures)
    tiles(axes[1], maps, low=0, high=12)
    for ax, name in zip(axes[0], names, strict=True):
        ax.set_title(name, fontsize=13)
    return png(figure, 75, light=True)


def draw_intervals(values: Mapping[str, np.ndarray], pairs: Sequence[tuple[str, str]]) -> bytes:
    """Draw the middle 90 % of resampled values, each by itself and as differences of pairs, first minus second."""
    figure, (left, right) = canvas(2, 1, height=5.6)
    differences = {f"{one} − {other}": values[one] - values[other] for one, other in pairs}
    for ax, several, colour in ((left, values, BLUE), (right, differences, PURPLE)):
        for row, some in enumerate(several.values()):
            low, middle, high = np.quantile(some, [0.05, 0.5, 0.95])
            ax.plot([low, high], [row, row], color=colour, lw=8, alpha=0.5)
            ax.plot(middle, row, "o", color=colour, ms=9)
        ax.set_yticks(range(len(several)), several)
        ax.set_ylim(len(several) - 0.5, -0.5)
        _large(ax)
    right.axvline(0, color="k", lw=1.5)
    left.set_title("image AUROC, each by itself", fontsize=13)
    right.set_title("differences, on the same resamples", fontsize=13)
    return png(figure, light=True)


def draw_cloud(cloud: np.ndarray, bad: np.ndarray) -> bytes:
    """Draw residuals at one place, (N, 2) normal and (M, 2) defective, with an ellipse of 2.5 spreads and a circle."""
    figure, ax = canvas(width=7.5, height=4.6)
    for points, colour, mark, name in ((cloud, BLUE, "o", "normal images"), (bad, DEFECT, "X", "defects")):
        ax.plot(*points.T, mark, color=colour, ms=8, label=name)
    turn = np.linspace(0, 2 * np.pi, 200)
    round_ = np.stack([np.cos(turn), np.sin(turn)])
    ellipse = 2.5 * np.linalg.cholesky(np.cov(cloud.T)) @ round_
    ax.plot(*ellipse, color=BLUE, lw=2.5, label="2.5 spreads\nof the cloud")
    ax.plot(*(np.linalg.norm(ellipse, axis=0).max() * round_), ":", color=GREY, lw=2.5, label="of one length")
    ax.set(
        xlabel="where normal residuals scatter most\n(spreads of a channel)",
        ylabel="across (spreads of a channel)",
        aspect="equal",
    )
    ax.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False, fontsize=12)
    _large(ax)
    return png(figure)


def _large(*axes: Any) -> None:
    """Make the type of axes large enough to be read at half size."""
    for ax in axes:
        ax.tick_params(labelsize=12)
        for text in (ax.xaxis.label, ax.yaxis.label, ax.title):
            text.set_fontsize(13)
