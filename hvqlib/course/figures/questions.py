"""Draw what docs/questions.md asks, a picture a question, from the rows of data/results/questions.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from hvqlib.course.figures import canvas
from hvqlib.course.figures.comparison import names
from hvqlib.evaluation.figures import BLUE, GREEN, GREY, ORANGE, PURPLE

Row = Mapping[str, str]
SETS = {"foundry": ("foundry", BLUE, "o"), "real5": ("photographs", ORANGE, "D")}
RULES = {"nearest": "nearest code", "balanced": "balanced plan", "gradient": "transport's gradient"}
KINDS = {
    "distance": (GREY, "o", "distance to the nearest code"),
    "plan": (BLUE, "D", "cost of a plan"),
    "plan by usage": (GREEN, "s", "cost of a plan drawn by usage"),
}
LEVELS = ("top", "level 3", "level 2", "level 1", "level 0", "all levels")
HIERARCHIES = {
    "512 nearest": "five levels, as in the paper",
    "residual levels": "five levels of what is left",
    "one level of 2560": "one level, 2560 codes",
    "one level": "one level, 512 codes",
}
NETWORKS = {"quantised": ("HVQ-Trans", BLUE), "continuous": ("continuous", ORANGE), "dropout": ("with dropout", PURPLE)}


def values(rows: Sequence[Row], data: str, variant: str, column: str, steps: int = 900) -> list[float]:
    """Give a column of a variant's rows on a data set, a value a seed, in percent; none where there are no rows."""
    found = [row for row in rows if (row["data"], row["variant"], row["steps"]) == (data, variant, str(steps))]
    return [100 * float(row[column]) for row in found if row[column] not in ("", "nan")]


def dots(axes: Any, at: float, found: Sequence[float], color: str, marker: str, hollow: bool = False) -> None:
    """Mark each seed's value in a row of axes."""
    face = "none" if hollow else color
    axes.plot(found, [at] * len(found), marker, color=color, mfc=face, ms=8, mew=1.8, linestyle="none")


def finish(figure: Figure, row: Sequence[Any], labels: Sequence[str], looks: Sequence[tuple[dict, str]]) -> Figure:
    """Name axes, and explain the marks below them."""
    for axes, text in zip(row, labels, strict=True):
        axes.set_xlabel(text, fontsize=11)
        axes.grid(axis="x", alpha=0.3)
        axes.locator_params(axis="x", nbins=5)
    for look, text in looks:
        row[0].plot([], [], linestyle="none", ms=8, label=text, **look)
    figure.legend(loc="outside lower center", ncols=min(3, len(looks)), frameon=False, fontsize=11)
    return figure


def set_looks() -> list[tuple[dict, str]]:
    """Explain the marks of the data sets."""
    return [({"color": color, "marker": marker}, name) for name, color, marker in SETS.values()]


def draw_transport(rows: Sequence[Row]) -> Figure:
    """Draw for each way to move codes, with and without k-means start and revival, codes used, error, detection."""
    figure, row = canvas(1, 3, height=3.9)
    arms = [(f"512 {rule}{bare}", f"{name}{', unaided' if bare else ''}")
            for bare in ("", " bare") for rule, name in RULES.items()]  # fmt: skip
    for at, (arm, _) in enumerate(arms):
        for number, (data, (_, color, marker)) in enumerate(SETS.items()):
            place = at + (-0.16, 0.16)[number]
            dots(row[0], place, values(rows, data, arm, "least_used"), color, marker)
            dots(row[1], place, values(rows, data, arm, "error_rare"), color, marker)
            dots(row[2], place, values(rows, data, arm, "image_auroc"), color, marker)
            dots(row[2], place, values(rows, data, f"{arm}, by length, no picture", "image_auroc"), color, marker, True)
    for axes in row:
        names(axes, [name for _, name in arms] if axes is row[0] else [""] * len(arms))
        axes.axhline(2.5, color=GREY, linewidth=1, linestyle=":")
    row[0].set_xlim(-4, 104)
    hollow = ({"color": GREY, "marker": "o", "mfc": "none", "mew": 1.8}, "hollow: by length, without the picture")
    labels = ("codes used, of the codebook\nthat uses fewest (%)", "error of the hardest tenth\n(% of variance)",
              "image AUROC (%)")  # fmt: skip
    finish(figure, row, labels, [*set_looks(), hollow])
    row[1].set(xscale="log", xticks=(10, 30, 100, 300), xticklabels=(10, 30, 100, 300))
    row[1].minorticks_off()
    return figure


def draw_levels(rows: Sequence[Row], data: str) -> Figure:
    """Draw how well each level alone, and all joined, rank images and mark regions, in three ways to measure tokens."""
    figure, row = canvas(1, 2, height=3.7)
    for axes, metric in zip(row, ("image_auroc", "aupro"), strict=True):
        for at, level in enumerate(LEVELS):
            for number, (kind, (color, marker, _)) in enumerate(KINDS.items()):
                found = values(rows, data, f"512 nearest, {kind}, {level}", metric)
                dots(axes, at + (-0.2, 0, 0.2)[number], found, color, marker)
        for value in values(rows, data, "512 nearest, residual", metric):
            axes.axvline(value, color=ORANGE, linewidth=2)
        names(axes, LEVELS if axes is row[0] else [""] * len(LEVELS))
    looks: list[tuple[dict, str]] = [
        ({"color": color, "marker": marker}, text) for color, marker, text in KINDS.values()
    ]
    looks.append(({"color": ORANGE, "marker": "|", "mew": 2}, "the residual alone"))
    return finish(figure, row, ("image AUROC (%)", "AUPRO (%)"), looks)


def draw_hierarchy(rows: Sequence[Row]) -> Figure:
    """Draw four arrangements of codebooks: detection, regions, and how far a level is settled by the one above."""
    figure, row = canvas(1, 3, height=3.2)
    for at, arm in enumerate(HIERARCHIES):
        for number, (data, (_, color, marker)) in enumerate(SETS.items()):
            place = at + (-0.16, 0.16)[number]
            for axes, column in zip(row, ("image_auroc", "aupro", "settled"), strict=True):
                dots(axes, place, values(rows, data, arm, column), color, marker)
            dots(row[2], place, values(rows, data, arm, "settled_by_chance"), color, marker, True)
    for axes in row:
        names(axes, list(HIERARCHIES.values()) if axes is row[0] else [""] * len(HIERARCHIES))
    row[2].set_xlim(-4, 104)
    hollow = ({"color": GREY, "marker": "o", "mfc": "none", "mew": 1.8}, "hollow: what chance alone would settle")
    labels = ("image AUROC (%)", "AUPRO (%)", "of a level's code, settled\nby the one above (%)")
    return finish(figure, row, labels, [*set_looks(), hollow])
