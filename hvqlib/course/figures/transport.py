"""Draw transport plans: piles and holes, tables, scores made of plans, tokens pulled to prototypes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from hvqlib.course.figures import canvas, tiles
from hvqlib.evaluation.figures import BLUE, GREEN, GREY, HEAT, ORANGE, PURPLE, png

WIDTH = 7.2  # inches: type of 11 points is still read at 450 pixels
PILES, HOLES = "ABCDE", "WXYZ"


class Site(NamedTuple):
    """Hold where piles (5, 2) and holes (4, 2) are, and what they hold (5,) and take (4,), in loads."""

    piles: Tensor
    holes: Tensor
    supply: Tensor
    room: Tensor


def short(number: float | Tensor) -> str:
    """Write a number with at most one decimal."""
    return f"{round(float(number), 1):g}"


def site_map(axes: Any, site: Site, loads: Tensor, title: str = "", filled: bool = True) -> None:
    """Lay piles, holes and an arrow for each haul of a plan (5, 4) in loads into axes; its width is the load."""
    for i, j in (loads > 0.03).nonzero().tolist():
        look = dict(arrowstyle="-|>", linewidth=0.4 + 1.8 * float(loads[i, j]), color=GREY, alpha=0.8)
        ends = site.holes[j].tolist(), site.piles[i].tolist()
        axes.annotate("", *ends, arrowprops=look | dict(shrinkA=7, shrinkB=8))
    axes.scatter(*site.piles.T, s=70 * site.supply, color=BLUE, zorder=3)
    square = dict(marker="s", facecolors="white", edgecolors=ORANGE, linewidths=2.5, zorder=3)
    axes.scatter(*site.holes.T, s=70 * site.room, **square)
    place: dict[str, Any] = dict(textcoords="offset points", fontsize=12)
    for name, has, at in zip(PILES, site.supply, site.piles.tolist(), strict=True):
        axes.annotate(f"{name}: {has:.0f}" if filled else name, at, (0, 11), ha="center", color=BLUE, **place)
    for name, got, wanted, at in zip(HOLES, loads.sum(0), site.room, site.holes.tolist(), strict=True):
        text = f"{name}: {short(got)} of {wanted:.0f}" if filled else name
        axes.annotate(text, at, (12, 0), va="center", **place)
    left = float(site.piles[:, 0].min()) - 1
    axes.set(xlim=(left, 13 if filled else 11), ylim=(-1, 7.3), xlabel="km", ylabel="km", aspect="equal")
    axes.set_title(title, fontsize=12)


def table(axes: Any, site: Site, loads: Tensor, title: str = "") -> None:
    """Lay a plan (5, 4) in loads into axes as a table, with its row and column sums in the margins."""
    axes.imshow(loads, cmap="Blues", vmin=0, vmax=5, aspect="auto")
    for i, j in np.ndindex(5, 4):
        text = short(loads[i, j]) if loads[i, j] >= 0.05 else "·"
        axes.text(j, i, text, ha="center", va="center", fontsize=12, color="white" if loads[i, j] > 2.9 else "black")
    axes.set_yticks(range(5), [*PILES], fontsize=12)
    sums = zip(HOLES, loads.sum(0), site.room, strict=True)
    axes.set_xticks(range(4), [f"{name}\n{short(got)} of {wanted:.0f}" for name, got, wanted in sums], fontsize=12)
    margin = axes.twinx()
    margin.set(ylim=(4.5, -0.5))
    sent = [f"{short(gone)} of {has:.0f}" for gone, has in zip(loads.sum(1), site.supply, strict=True)]
    margin.set_yticks(range(5), sent, fontsize=12)
    for one in (axes, margin):
        one.tick_params(length=0)
    axes.set_title(title, fontsize=12)


def draw_plan(site: Site, loads: Tensor, title: str) -> bytes:
    """Draw a plan (5, 4) in loads on the site and as a table."""
    figure, (left, right) = canvas(1, 2, width=1.15 * WIDTH, height=3.4)
    site_map(left, site, loads, title)
    table(right, site, loads, "the plan, in loads")
    return png(figure)


def draw_entropic(
    site: Site, loads: Tensor, eps: float, curve: tuple[Sequence[float], Sequence[float]], ends: tuple[float, float]
) -> bytes:
    """Draw an entropic plan (5, 4) in loads as a table, and its place on the curve of cost between its two `ends`."""
    figure, (left, right) = canvas(1, 2, width=WIDTH, height=3.4)
    table(left, site, loads, f"plan at epsilon = {eps:.2g} km²")
    right.plot(*curve, color=GREY, linewidth=2)
    right.plot(eps, np.interp(eps, *curve), "o", color=BLUE, markersize=11)
    for level, name, x in zip(ends, ("exact plan", "ignores the costs"), (40, 0.6), strict=True):
        right.axhline(level, color=GREY, linestyle=":", linewidth=1)
        right.text(x, level + 0.4, name, fontsize=11)
    right.set(xscale="log", ylim=(ends[0] - 1, ends[1] + 2))
    right.set_xlabel("epsilon (km²)", fontsize=12)
    right.set_ylabel("mean cost of a load (km²)", fontsize=12)
    return png(figure)


def draw_relaxed(site: Site, loads: Tensor, title: str) -> bytes:
    """Draw a plan (5, 4) in loads on the site, and how much every pile sends and every hole gets."""
    figure, (left, right) = canvas(1, 2, width=1.1 * WIDTH, height=3.3)
    site_map(left, site, loads, title, filled=False)
    for x, has, moved, color, label in (
        (np.arange(5), site.supply, loads.sum(1), BLUE, "sends"),
        (6 + np.arange(4), site.room, loads.sum(0), ORANGE, "gets"),
    ):
        right.bar(x, moved, width=0.7, color=color, label=label)
        right.bar(x, has, width=0.7, facecolor="none", edgecolor="black", label="has, takes" if x[0] else None)
    right.set_xticks([*range(5), 6, 7, 8, 9], [*PILES, *HOLES], fontsize=12)
    right.set(ylim=(0, 7))
    right.set_ylabel("loads", fontsize=12)
    right.legend(frameon=False, ncols=3, loc="upper center", fontsize=11, columnspacing=1, handlelength=1.2)
    return png(figure)


def draw_crowding(gets: Mapping[str, Tensor], ranks: Mapping[str, Sequence[float]]) -> bytes:
    """Draw what each prototype gets, sorted, and the mass that goes to a token's nearest, next nine, farther ones."""
    figure, (left, right) = canvas(1, 2, width=1.1 * WIDTH, height=3.3)
    for (title, amount), style in zip(gets.items(), ("-", "--"), strict=True):
        left.plot(amount.sort(descending=True).values, style, color=ORANGE, linewidth=2.5, label=title)
    left.set(ylim=(0, None))
    left.set_xlabel("prototype, most filled first", fontsize=12)
    left.set_ylabel("gets (1: its equal share)", fontsize=12)
    left.legend(frameon=False, fontsize=12)
    start = np.zeros(len(ranks))
    for n, (name, color) in enumerate((("nearest", BLUE), ("2nd to 10th", GREEN), ("farther", GREY))):
        part = np.array([shares[n] for shares in ranks.values()])
        right.barh(range(len(ranks)), part, 0.6, left=start, color=color, label=name)
        start += part
    right.set(xlim=(0, 1), ylim=(len(ranks) - 0.5, -1.2))
    right.set_yticks(range(len(ranks)), list(ranks), fontsize=12)
    right.set_xlabel("share of the mass", fontsize=12)
    right.legend(frameon=False, fontsize=11, ncols=2, loc="upper left", columnspacing=0.8, handlelength=1)
    return png(figure)


def draw_aurocs(aurocs: Mapping[tuple[str, str], float]) -> bytes:
    """Draw image AUROCs by class and plan, as dots; 0.5 is a coin."""
    names, titles = (list(dict.fromkeys(key[n] for key in aurocs)) for n in (0, 1))
    figure, axes = canvas(width=WIDTH, height=1.2 + 0.36 * len(titles))
    for name, color, marker, shift in zip(names, (PURPLE, GREEN), "os", (-0.18, 0.18), strict=False):
        y = np.arange(len(titles)) + shift  # beside each other where they are equal
        axes.plot([aurocs[name, t] for t in titles], y, marker, color=color, ms=9, label=name)
    axes.axvline(0.5, color="black", linewidth=1, linestyle=":")
    axes.grid(axis="y", alpha=0.3)
    axes.set(xlim=(0.3, 1.02))
    axes.set_xlabel("image AUROC (0.5: a coin)", fontsize=12)
    axes.set_yticks(range(len(titles)), titles, fontsize=12)
    axes.invert_yaxis()
    axes.legend(frameon=False, loc="center left", fontsize=12)
    return png(figure)


def draw_scores(picture: np.ndarray, maps: Mapping[str, tuple[Tensor, float, float]]) -> bytes:
    """Draw a photograph, and maps (H, W) of scores, each from its lowest to its highest colour."""
    figure, axes = canvas(1, 1 + len(maps), width=WIDTH, height=2.7)
    tiles(axes, [picture], ["true defect outlined"])
    for axis, (title, (values, low, high)) in zip(axes[1:], maps.items(), strict=True):
        shown = axis.imshow(values, cmap=HEAT, vmin=low, vmax=high)
        axis.set_title(title)
        figure.colorbar(shown, ax=axis, location="bottom", shrink=0.9, ticks=[math.ceil(low), math.floor(high)])
    for axis in axes:
        axis.title.set_fontsize(12)
    return png(figure, light=True)


def draw_pull(frame: tuple[Tensor, Tensor], curves: Mapping[str, Sequence[float]], title: str, step: int) -> bytes:
    """Draw tokens (L, 2) and prototypes (K, 2) after a step, and the perplexity of the usage so far in each run."""
    figure, (left, right) = canvas(1, 2, width=WIDTH, height=3.5)
    tokens, prototypes = frame
    left.scatter(*tokens.T, s=18, color=BLUE, alpha=0.6, label="token")
    left.scatter(*prototypes.T, s=70, marker="D", color=ORANGE, edgecolors="black", linewidths=0.6, label="prototype")
    left.set(xlim=(-4.2, 4.6), ylim=(-4, 5.6), aspect="equal", xticks=[-3, 0, 3], yticks=[-3, 0, 3])
    left.set_xlabel("first number", fontsize=12)
    left.set_ylabel("second number", fontsize=12)
    left.set_title(f"{title}, step {step}", fontsize=12)
    left.legend(frameon=False, fontsize=11, loc="upper center", ncols=2, handletextpad=0.2, columnspacing=1)
    for (name, values), color, style in zip(curves.items(), (GREY, BLUE), ("--", "-"), strict=True):
        right.plot(values, style, color=color, linewidth=2, label=name)
        if name in title:
            right.plot(step, values[step], "o", color=color, ms=9)
    right.set(ylim=(0, 10.5))
    right.set_xlabel("step", fontsize=12)
    right.set_ylabel("perplexity of the usage (at most 8)", fontsize=12)
    right.legend(frameon=False, loc="upper center", ncols=2, fontsize=11, title="loss")
    return png(figure)
