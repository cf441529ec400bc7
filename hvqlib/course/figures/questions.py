"""Draw what docs/questions.md asks, a picture a question, from the rows of data/results/questions.csv."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean
from typing import Any

from matplotlib.figure import Figure

from hvqlib.course.figures import canvas
from hvqlib.course.figures.comparison import names
from hvqlib.evaluation.figures import BLUE, GREEN, GREY, ORANGE, PURPLE

Row = Mapping[str, str]
SETS = {"foundry": ("foundry", BLUE, "o"), "real5": ("photographs (real5)", ORANGE, "D")}
RULES = {"nearest": "nearest code", "balanced": "balanced plan", "gradient": "transport's gradient"}
KINDS = {
    "distance": (GREY, "o", "distance to the nearest code"),
    "plan": (BLUE, "D", "cost of a plan"),
    "plan by usage": (GREEN, "s", "cost of a semi-relaxed plan"),
}
LEVELS = ("top", "level 3", "level 2", "level 1", "level 0", "all levels")
HIERARCHIES = {
    "512 nearest": "five levels, as in the paper",
    "residual levels": "five residual levels",
    "one level of 2560": "one level, 2560 codes",
    "one level": "one level, 512 codes",
}
NETWORKS = {
    "quantised": ("HVQ-Trans", BLUE, "o"),
    "continuous": ("continuous twin", ORANGE, "s"),
    "dropout": ("twin with dropout", PURPLE, "D"),
}
WIDTHS = (32, 64, 128, 256)
CODES = (4, 16, 64, 256, 512, 1024, 2048, 4096)
TICKS = (4, 16, 64, 512, 4096)
OF_A_MEAN = 9.0  # residual of normal places, on foundry, above which a network has learned little but a mean
RATES = (0.001, 0.01)  # learning rates tried besides the default 0.003
LENGTHS = {1000: "-", 3000: "--", 10000: "-."}  # steps, and how they are drawn
BY_LENGTH = "by length, no picture"  # the reading closest to the paper's
SEED = ({"color": GREY, "marker": "o", "ms": 4, "alpha": 0.5}, "small: one seed")
CLASSES = (3, 7, 20, 60)
SWITCHING = {
    "64 nearest": (BLUE, "o", "64 codes for each class"),
    "one set for {}": (GREEN, "s", "one set for all, as many codes"),
}


def values(rows: Sequence[Row], data: str, variant: str, column: str, steps: int = 900) -> list[float]:
    """Give a column of a variant's rows on a data set, a value a seed, in percent; none where there are no rows."""
    return list(by_seed(rows, data, variant, column, steps).values())


def by_seed(rows: Sequence[Row], data: str, variant: str, column: str, steps: int = 900) -> dict[str, float]:
    """Give what :func:`values` gives, by seed, seeds in order."""
    found = [row for row in rows if (row["data"], row["variant"], row["steps"]) == (data, variant, str(steps))]
    found.sort(key=lambda row: int(row["seed"]))
    return {row["seed"]: 100 * float(row[column]) for row in found if row[column] not in ("", "nan")}


def gains(rows: Sequence[Row], data: str, first: str, second: str, column: str, steps: int = 900) -> dict[str, float]:
    """Give how far a column of the first variant is above that of the second, in points, by the seeds of both."""
    ours, theirs = (by_seed(rows, data, variant, column, steps) for variant in (first, second))
    return {seed: ours[seed] - theirs[seed] for seed in ours if seed in theirs}


def screened(rows: Sequence[Row]) -> list[Row]:
    """Give the rows of seed 0, with which all arms were trained; where few have other seeds, these alone compare."""
    return [row for row in rows if row["seed"] == "0"]


def dots(axes: Any, at: float, found: Sequence[float], color: str, marker: str, hollow: bool = False) -> None:
    """Mark the mean over seeds in a row of axes and, small, each seed's value where there are several."""
    look = {"color": color, "mfc": "none" if hollow else color, "linestyle": "none"}
    if len(found) > 1:
        axes.plot(found, [at] * len(found), marker, ms=4, alpha=0.5, **look)
    if found:
        axes.plot([mean(found)], [at], marker, ms=8, mew=1.8, **look)


def finish(figure: Figure, row: Sequence[Any], labels: Sequence[str], looks: Sequence[tuple[dict, str]]) -> Figure:
    """Name axes, and explain the marks below them."""
    for axes, text in zip(row, labels, strict=True):
        axes.set_xlabel(text, fontsize=11)
        axes.margins(x=0.08)
        axes.grid(axis="x", alpha=0.3)
        axes.locator_params(axis="x", nbins=5)
    for look, text in looks:
        row[0].plot([], [], linestyle="none", label=text, **{"ms": 8, **look})
    figure.legend(loc="outside lower center", ncols=min(3, len(looks)), frameon=False, fontsize=11)
    return figure


def set_looks() -> list[tuple[dict, str]]:
    """Explain the marks of the data sets."""
    return [({"color": color, "marker": marker}, name) for name, color, marker in SETS.values()]


def draw_transport(rows: Sequence[Row]) -> Figure:
    """Draw for each way to move codes, with and without k-means start and revival, codes used, error, detection."""
    rows = screened(rows)
    figure, row = canvas(1, 3, height=3.9)
    arms = [(f"512 {rule}{bare}", f"{name}{', unaided' if bare else ''}")
            for bare in ("", " bare") for rule, name in RULES.items()]  # fmt: skip
    for at, (arm, _) in enumerate(arms):
        for number, (data, (_, color, marker)) in enumerate(SETS.items()):
            place = at + (-0.16, 0.16)[number]
            dots(row[0], place, values(rows, data, arm, "least_used"), color, marker)
            dots(row[1], place, values(rows, data, arm, "error_rare"), color, marker)
            dots(row[2], place, values(rows, data, arm, "image_auroc"), color, marker)
            dots(row[2], place + 0.14, values(rows, data, f"{arm}, {BY_LENGTH}", "image_auroc"), color, marker, True)
    for axes in row:
        names(axes, [name for _, name in arms] if axes is row[0] else [""] * len(arms))
        axes.axhline(2.5, color=GREY, linewidth=1, linestyle=":")
    row[0].set_xlim(-4, 104)
    hollow = ({"color": GREY, "marker": "o", "mfc": "none", "mew": 1.8}, "hollow: by length")
    labels = ("codes used by the codebook\nthat uses fewest (%)",
              "error of the hardest tenth\n(% of variance, log axis)", "image AUROC (%)")  # fmt: skip
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
        if residual := values(rows, data, "512 nearest, residual", metric):
            axes.axvline(mean(residual), color=ORANGE, linewidth=2)
        names(axes, LEVELS if axes is row[0] else [""] * len(LEVELS))
    looks: list[tuple[dict, str]] = [
        ({"color": color, "marker": marker}, text) for color, marker, text in KINDS.values()
    ]
    looks += [({"color": ORANGE, "marker": "|", "mew": 2}, "the residual alone"), SEED]
    return finish(figure, row, ("image AUROC (%)", "AUPRO (%)"), looks)


def draw_hierarchy(rows: Sequence[Row]) -> Figure:
    """Draw four arrangements of codebooks: detection, regions, and how far a level is determined by the one above."""
    figure, row = canvas(1, 3, height=3.2)
    for at, arm in enumerate(HIERARCHIES):
        for number, (data, (_, color, marker)) in enumerate(SETS.items()):
            place = at + (-0.16, 0.16)[number]
            for axes, column in zip(row, ("image_auroc", "aupro", "settled"), strict=True):
                found = by_seed(rows, data, arm, column)
                if column == "aupro":  # the sets lie far apart, and seeds of one set, too
                    found = gains(rows, data, arm, "512 nearest", column)
                dots(axes, place, list(found.values()), color, marker)
            dots(row[2], place, values(rows, data, arm, "settled_by_chance"), color, marker, True)
    for axes in row:
        names(axes, list(HIERARCHIES.values()) if axes is row[0] else [""] * len(HIERARCHIES))
    row[2].set_xlim(-4, 104)
    hollow = ({"color": GREY, "marker": "o", "mfc": "none", "mew": 1.8}, "hollow: by chance")
    labels = ("image AUROC (%)", "AUPRO less that of the\npaper's levels (points)",
              "share of a code determined\nby the level above (%)")  # fmt: skip
    return finish(figure, row, labels, [*set_looks(), hollow, SEED])


def draw_switching(rows: Sequence[Row], costs: Sequence[Row]) -> Figure:
    """Draw codebooks of each class against one shared set with as many codes, by the number of classes.

    `costs` are the rows of data/results/switching.csv.
    """
    figure, row = canvas(1, 3, height=3.4)
    for kind, (color, marker, _) in SWITCHING.items():
        for axes, column in zip(row[:2], ("image_auroc", "aupro"), strict=True):
            drawn = {n: values(rows, f"foundry{n}", kind.format(n), column) for n in CLASSES}
            trend(axes, drawn, color, marker)
        told = {int(c["classes"]): [float(c["milliseconds"])] for c in costs if c["arm"] == kind.format(c["classes"])}
        trend(row[2], told, color, marker)
    for axes in row:
        axes.set(xscale="log", xticks=CLASSES, xticklabels=CLASSES)
        axes.minorticks_off()
    row[2].set_ylim(bottom=0)
    looks = [({"color": color, "marker": marker}, name) for color, marker, name in SWITCHING.values()]
    return explain(figure, row, "classes", ("image AUROC (%)", "AUPRO (%)", "milliseconds per image"), looks)


def draw_copying(rows: Sequence[Row]) -> Figure:
    """Draw survival of a defect, normal residuals and detection, by width and length (above), by codes (below)."""
    rows = screened(rows)
    figure, (above, below) = canvas(2, 3, height=6.2)
    columns = ("survival", "normal", "image_auroc")
    for steps, style in LENGTHS.items():
        for method, (_, color, marker) in NETWORKS.items():
            arms = {width: copying_arm(rows, width, method, steps) for width in WIDTHS}
            learned = {w: arm for w, arm in arms.items() if max(copied(rows, arm, "normal", steps) or [0]) < OF_A_MEAN}
            for axes, column in zip(above, columns, strict=True):
                drawn = {width: copied(rows, arm, column, steps) for width, arm in arms.items()}
                trend(axes, {width: drawn[width] for width in learned}, color, marker, style)
                for width in arms.keys() - learned.keys():
                    axes.plot([width] * len(drawn[width]), drawn[width], "x", color=color, ms=8, mew=2)
            length = {width: values(rows, "foundry", f"{arm}, {BY_LENGTH}", "image_auroc", steps)
                      for width, arm in learned.items()}  # fmt: skip
            trend(above[2], length, color, marker, ":", hollow=True)
    for axes, column in zip(below, columns, strict=True):
        trend(axes, {codes: copied(rows, f"{codes} nearest", column) for codes in CODES}, BLUE, "o")
    hollow = {n: values(rows, "foundry", f"{n} nearest, {BY_LENGTH}", "image_auroc") for n in CODES}
    trend(below[2], hollow, BLUE, "o", ":", hollow=True)
    trained = {(row["variant"], int(row["steps"])) for row in rows if row["data"] == "foundry"}
    tried = [w for w in WIDTHS if any((copying_arm(rows, w, m, n), n) in trained for m in NETWORKS for n in LENGTHS)]
    largest = max(n for n in CODES if (f"{n} nearest", 900) in trained)
    for row, at in ((above, tried), (below, [n for n in TICKS if n <= largest])):
        for axes in row:
            axes.set(xscale="log", xticks=at, xticklabels=at)
            axes.minorticks_off()
        row[0].set_ylim(-0.03, 1)
    labels = ("survival of a defect", "residual of normal places", "image AUROC (%)")
    explain(figure, below, "codes (width 64, 900 steps)", labels, [])
    looks: list[tuple[dict, str]] = [
        ({"color": color, "marker": marker}, name) for name, color, marker in NETWORKS.values()
    ]
    there = [steps for steps in LENGTHS if any(length == steps for _, length in trained)]
    if len(there) > 1:
        looks += [({"color": "black", "linestyle": LENGTHS[steps]}, f"above: {steps:,} steps") for steps in there]
    if any(line.get_marker() == "x" for line in above[0].lines):
        looks.append(({"color": GREY, "marker": "x", "mew": 2}, "learned little but a mean"))
    looks.append(({"color": GREY, "marker": "o", "mfc": "none", "mew": 1.5}, "hollow: by length"))
    return explain(figure, above, "width" if len(there) > 1 else f"width ({there[0]:,} steps)", labels, looks)


def copying_arm(rows: Sequence[Row], width: int, method: str, steps: int = 1000) -> str:
    """Name the arm of section 5 with a width and a network, one of NETWORKS: of those trained at several learning rates
    the one with the smallest residual of normal places."""
    name = "512 nearest" if (width, method) == (64, "quantised") else f"width {width} {method}"
    rates = [name, *(f"{name} at {rate}" for rate in RATES)]
    found = {arm: residual for arm in rates if (residual := copied(rows, arm, "normal", steps))}
    return min(found, key=lambda arm: mean(found[arm])) if found else name


def copied(rows: Sequence[Row], arm: str, column: str, steps: int = 900) -> list[float]:
    """Give a column of an arm on foundry, a value a seed: survival and residuals as they are, metrics in percent."""
    found = values(rows, "foundry", arm, column, steps)
    return [value / 100 for value in found] if column in ("survival", "normal") else found


def trend(
    axes: Any, drawn: Mapping[int, Sequence[float]], color: str, marker: str, style: str = "-", hollow: bool = False
) -> None:
    """Draw each seed's value over a number, and a line through the means; numbers without a value are left out."""
    there = {at: found for at, found in drawn.items() if found}
    face = "none" if hollow else color
    axes.plot(list(there), [sum(found) / len(found) for found in there.values()], style, color=color)
    for at, found in there.items():
        axes.plot([at] * len(found), found, marker, color=color, mfc=face, ms=6, mew=1.5, linestyle="none")


def explain(
    figure: Figure, row: Sequence[Any], below: str, labels: Sequence[str], looks: Sequence[tuple[dict, str]]
) -> Figure:
    """Name axes whose values go upwards, and explain marks and lines below them."""
    for axes, text in zip(row, labels, strict=True):
        axes.set_xlabel(below, fontsize=11)
        axes.set_ylabel(text, fontsize=11)
        axes.grid(axis="y", alpha=0.3)
        axes.locator_params(axis="y", nbins=6)
    for look, text in looks:
        row[0].plot([], [], label=text, **{"linestyle": "none", "ms": 7, **look})
    if looks:
        figure.legend(loc="outside lower center", ncols=min(3, len(looks)), frameon=False, fontsize=11)
    return figure
