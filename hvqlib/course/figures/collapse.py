"""Draw codebooks that live and die, and what it costs (notebook 05)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib.figure import Figure
from torch import Tensor

from hvqlib.course.figures import canvas, tiles
from hvqlib.evaluation.figures import BLUE, GREEN, GREY, ORANGE, PURPLE


def draw_codebooks(tokens: Tensor, frames: Sequence[tuple[Tensor, Tensor, str]]) -> Figure:
    """Draw codebooks (K, 2) of the plane beside each other, each with which prototypes live (K,) and a title."""
    figure, row = canvas(1, len(frames), width=3.6 * len(frames) + 0.4, height=4.1)
    points = tokens.flatten(0, 1)[::12]
    for axes, (codebook, lives, title) in zip(np.ravel(row), frames, strict=True):
        axes.scatter(*points.T, s=4, color=BLUE, alpha=0.3, linewidths=0)
        axes.scatter(*codebook[~lives].T, s=34, marker="x", color=GREY, linewidths=1.4)
        axes.scatter(*codebook[lives].T, s=30, color=ORANGE, edgecolors="black", linewidths=0.6)
        outside = int((codebook.abs() > 4).any(1).sum())
        axes.set(xlim=(-4, 4), ylim=(-4, 4), aspect="equal", xticks=(-4, 0, 4), yticks=(-4, 0, 4))
        axes.set_xlabel("coordinate 1 (no unit)", fontsize=12)
        axes.set_title(f"{title}\n{int(lives.sum())} of {len(lives)} alive, {outside} out of sight", fontsize=12)
    np.ravel(row)[0].set_ylabel("coordinate 2 (no unit)", fontsize=12)
    return figure


def draw_die(shares: np.ndarray, perplexity: float) -> Figure:
    """Draw how often each side of a die comes up (sides,), and its perplexity beside the number of sides seen."""
    figure, (left, right) = canvas(1, 2, width=7.2, height=2.9)
    left.bar(range(1, len(shares) + 1), shares, color=GREY)
    left.set(ylim=(0, 1), xlabel="side", ylabel="share of throws", title="how often each side comes up")
    left.set_xticks(range(1, len(shares) + 1, max(1, len(shares) // 6)))
    right.barh([1, 0], [perplexity, (shares > 0).sum()], color=[ORANGE, GREY])
    right.set(xlim=(0, 21), ylim=(-0.6, 1.6), yticks=[0, 1], yticklabels=["sides seen", "perplexity"])
    right.set(xlabel="number of sides", title=f"perplexity {perplexity:.2f}")
    return figure


def draw_usage(images: Sequence[int], usage: np.ndarray, even: np.ndarray) -> Figure:
    """Draw the usage (classes, sizes) in percent over so many images, and what equally likely codes would give."""
    figure, axes = canvas(width=6.5, height=3.4)
    axes.plot(images, even, "--", color=GREY, linewidth=2, label="were every code equally likely")
    axes.plot(images, usage.T, "o-", color=ORANGE, markersize=5)
    axes.lines[-1].set_label("the seven products")
    axes.set(xscale="log", xticks=images, xticklabels=images, ylim=(0, 105))
    axes.set_xlabel("images counted", fontsize=12)
    axes.set_ylabel("codes used (% of 512)", fontsize=12)
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=12, loc="lower right")
    return figure


def draw_throw(won: Tensor, ratio: Tensor) -> Figure:
    """Draw how much longer prototypes (K,) are after the first step, against the tokens that each of them won."""
    figure, axes = canvas(width=6.5, height=3.6)
    line = np.geomspace(1, 1000, 50)
    axes.plot(line, 99 / line, "--", color=GREY, linewidth=2, label="99 / tokens won")
    axes.plot(won[won > 0], ratio[won > 0], "o", color=ORANGE, markeredgecolor="black", label="won tokens")
    axes.plot(np.full(int((won == 0).sum()), 0.5), ratio[won == 0], "x", color=GREY, ms=9, label="won none")
    axes.axhspan(0.5, 2, color=BLUE, alpha=0.15, linewidth=0)
    axes.text(1.2, 0.72, "about as long as before", color=BLUE, fontsize=12)
    axes.set(xscale="log", yscale="log", xlim=(0.35, 1300), xticks=(0.5, 1, 10, 100, 1000))
    axes.set_xticklabels(("none", "1", "10", "100", "1000"))
    axes.minorticks_off()
    axes.set_xlabel("tokens won in the first step", fontsize=12)
    axes.set_ylabel("length after / before", fontsize=12)
    axes.legend(frameon=False, fontsize=12)
    return figure


def draw_lives(lives: Mapping[str, Sequence[int]], every: int, back: float, codes: int = 256) -> Figure:
    """Draw how many prototypes are alive in trainings, counted every so many steps, and when the thrown are back."""
    figure, axes = canvas(width=6.5, height=3.2)
    for (name, living), color, style in zip(lives.items(), (GREY, "black"), ("-", "--"), strict=False):
        axes.plot(every * np.arange(1, len(living) + 1), living, style, color=color, linewidth=2.5, label=name)
    axes.axvline(back, color="black", linestyle=":")
    axes.text(back - 15, codes / 2, f"step {back:.0f}", ha="right", fontsize=12)
    axes.set_ylim(0, codes)
    axes.set_xlabel("step", fontsize=12)
    axes.set_ylabel(f"prototypes alive (of {codes})", fontsize=12)
    axes.legend(frameon=False, fontsize=12, loc="upper left")
    return figure


def draw_race(races: Mapping[str, Sequence[tuple[int, float]]], codes: int = 256) -> Figure:
    """Draw the prototypes alive at the end of trainings of several kinds: a dot for each seed."""
    figure, axes = canvas(width=6.5, height=3.2)
    for place, (name, found) in enumerate(races.items()):
        color = PURPLE if name.startswith("peer") else GREY if name in ("as released", "counts start at 1") else ORANGE
        axes.plot([one[0] for one in found], [place] * len(found), "o", ms=9, color=color, markeredgecolor="black")
    axes.set(xlim=(0, codes + 4), yticks=range(len(races)))
    axes.set_yticklabels(list(races), fontsize=12)
    axes.set_xlabel(f"prototypes alive after the training (of {codes})", fontsize=12)
    axes.invert_yaxis()
    axes.grid(axis="x", alpha=0.3)
    return figure


def draw_cost(codes: Sequence[int], healthy: np.ndarray, trained: Mapping[str, tuple[Tensor, np.ndarray]]) -> Figure:
    """Draw error and AUROC of healthy codebooks (classes, sizes, 2) and of trained ones: codes used, (classes, 2)."""
    figure, row = canvas(1, 2, width=7.4, height=3.9)
    for j, (axes, name) in enumerate(zip(row, ("relative error, normal tokens", "token AUROC"), strict=True)):
        axes.plot(codes, healthy[..., j].mean(0), "-", color=ORANGE, linewidth=2.5, label="healthy, mean")
        axes.fill_between(codes, healthy[..., j].min(0), healthy[..., j].max(0), color=ORANGE, alpha=0.2, linewidth=0)
        for (kind, (used, values)), color, mark in zip(trained.items(), (GREY, GREEN), "x^", strict=True):
            axes.plot(used, values[:, j], mark, color=color, ms=9, markeredgewidth=2, label=kind, clip_on=False)
        axes.set(xscale="log", xticks=(1, 8, 64, 512), xticklabels=(1, 8, 64, 512), xlim=(0.85, 700))
        axes.set_xlabel("codes in use", fontsize=12)
        axes.set_title(name, fontsize=12)
        axes.minorticks_off()
    row[0].set_ylim(0, 1.05)
    row[1].set_ylim(0.5, 1.0)
    figure.legend(*row[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False, fontsize=12)
    return figure


def draw_guesses(shares: np.ndarray, levels: Sequence[str], classes: Sequence[str], named: Sequence[str]) -> Figure:
    """Draw the share of codes guessed right (classes, levels); the classes that are `named` in colour, others grey."""
    figure, axes = canvas(width=6.5, height=3.4)
    colors = dict(zip(named, (BLUE, GREEN, PURPLE), strict=False))
    for name, line in zip(classes, shares, strict=True):
        look = {"ms": 10, "zorder": 3} if name in colors else {"ms": 7, "alpha": 0.6}
        axes.plot(range(len(levels)), line, "o", color=colors.get(name, GREY), **look)
        if name in colors:
            axes.lines[-1].set_label(name)
    axes.plot([], [], "o", color=GREY, alpha=0.6, label="the others")
    axes.set(ylim=(0, 1.02), xlim=(-0.4, len(levels) + 0.4), xticks=range(len(levels)))
    axes.set_xticklabels(levels, fontsize=12)
    axes.set_ylabel("guessed right (share of places)", fontsize=12)
    axes.legend(frameon=False, fontsize=12, loc="lower right")
    return figure


def draw_maps(picture: np.ndarray, maps: Sequence[np.ndarray], titles: Sequence[str]) -> Figure:
    """Draw a picture, and beside it a map of coloured codes for each level."""
    figure, axes = canvas(2, 3, width=6.6, height=4.8)
    tiles(axes, [picture, *maps], titles)
    for axis in np.ravel(axes):
        axis.title.set_fontsize(12)
    return figure


def colour_codes(codebooks: Sequence[Tensor], ids: Tensor) -> list[np.ndarray]:
    """Draw up a colour (K, 3) for each prototype of each level (K, D), by what tokens chose: ids (images, levels, L).

    A PCA gives red, green and blue; each level's is turned to agree with that of the first level as well as it can.
    """
    found, anchor = [], torch.empty(0)
    for level, codebook in enumerate(codebooks):
        centred = codebook - codebook.mean(0)
        scores = centred @ torch.linalg.svd(centred, full_matrices=False)[2][:3].T
        seen = scores[ids[:, level].flatten()]
        anchor = seen if level == 0 else anchor
        u, _, v = torch.linalg.svd(seen.T @ anchor)
        scores, seen = scores @ u @ v, seen @ u @ v
        low, high = (torch.quantile(seen[::8], q, dim=0) for q in (0.02, 0.98))
        found.append(((scores - low) / (high - low)).clamp(0, 1).numpy())
    return found
