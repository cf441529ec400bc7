"""The tables of docs/questions.md, from data/results/questions.csv; docs/tables.py fills them in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import numpy as np
from scipy import stats

from hvqlib.course.figures.questions import (
    BY_LENGTH,
    CLASSES,
    CODES,
    HIERARCHIES,
    KINDS,
    LENGTHS,
    LEVELS,
    NETWORKS,
    RATES,
    RULES,
    SWITCHING,
    WIDTHS,
    copied,
    copying_arm,
    gains,
    screened,
    values,
)
from hvqlib.course.results import KEY, QUESTION_COLUMNS, SWITCHING_COLUMNS, compare, read_rows
from hvqlib.evaluation.comparison import Difference, holm

Row = Mapping[str, str]
CSV = Path(__file__).parents[1] / "data" / "results" / "questions.csv"
SETS = ("foundry", "real5")
MISSING = "not run"
DEFAULT_RATE = 0.003
COPIED = ("survival", "residual of normal places", "image AUROC", "AUPRO", "image AUROC, by length")


class Asked(NamedTuple):
    """Hold a comparison that a question turns on: two variants, the first of which would have to be better."""

    question: str
    first: str
    second: str
    sets: tuple[str, ...] = SETS
    steps: int = 900


ASKED: tuple[Asked, ...] = (
    Asked("Q3", "512 balanced", "512 nearest"),
    Asked("Q3", "512 gradient", "512 nearest"),
    Asked("Q4", "512 nearest, plan, all levels", "512 nearest, distance, all levels"),
    Asked("Q4", "512 nearest, plan by usage, all levels", "512 nearest, distance, all levels"),
    Asked("Q5", "512 nearest, residual and plan", "512 nearest, residual"),
    Asked("Q6", "512 nearest", "one level of 2560"),
    Asked("Q6", "residual levels", "one level of 2560"),
    *(Asked("Q8", "64 nearest", f"one set for {n}", (f"foundry{n}",)) for n in CLASSES),
)


def asked() -> list[Asked]:
    """List the comparisons; those of section 5 are between networks at their better learning rate."""
    arms = [[copying_arm(rows(), width, method) for method in ("quantised", "continuous")] for width in WIDTHS]
    return [*ASKED, *(Asked("Q10", *pair, ("foundry",), 1000) for pair in arms)]


def rows() -> list[dict[str, str]]:
    """Read all rows."""
    return read_rows(CSV, QUESTION_COLUMNS)


def switching_rows() -> list[dict[str, str]]:
    """Read what codebooks of each class cost beside one shared set."""
    return read_rows(CSV.with_name("switching.csv"), SWITCHING_COLUMNS)


def repeated_rows() -> list[dict[str, str]]:
    """Read the rows of trainings that were made a second time."""
    return read_rows(CSV.with_name("repeated.csv"), QUESTION_COLUMNS)


def shown(found: Sequence[float], digits: int = 1) -> str:
    """Mean of the seeds, and their range where there are several."""
    if not found:
        return MISSING
    middle = f"{mean(found):.{digits}f}"
    return middle if len(found) == 1 else f"{middle} [{min(found):.{digits}f}, {max(found):.{digits}f}]"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Lay out a table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body))


def transport(data: str, codes: int = 512) -> str:
    """Ways to move codes, with k-means start and revival and without; seed 0."""
    every, body = screened(rows()), []
    for bare in ("", " bare"):
        for rule, name in RULES.items():
            arm = f"{codes} {rule}{bare}"
            columns = ("least_used", "error", "error_rare", "rare_auroc", "image_auroc", "aupro")
            line = [shown(values(every, data, arm, column)) for column in columns]
            perplexity = [value / codes for value in values(every, data, arm, "perplexity")]
            length = shown(values(every, data, f"{arm}, {BY_LENGTH}", "image_auroc"))
            body.append([name, "no" if bare else "yes", line[0], shown(perplexity), *line[1:], length])
    head = ["codes move by", "k-means, revival", "codes used, least", "perplexity", "error", "of the hardest tenth",
            "AUROC, rare good images", "image AUROC", "AUPRO", "image AUROC, by length"]  # fmt: skip
    return table(head, body)


def levels() -> str:
    """Each level alone, and all joined: image AUROC / AUPRO, means over seeds."""
    every = rows()

    def cell(data: str, variant: str) -> str:
        both = (values(every, data, f"512 nearest, {variant}", metric) for metric in ("image_auroc", "aupro"))
        return " / ".join(shown([mean(found)] if found else []) for found in both)

    body = [[level, *(cell(data, f"{kind}, {level}") for data in SETS for kind in KINDS)] for level in LEVELS]
    body.append(["with the residual", *(cell(data, f"residual and {kind}") for data in SETS for kind in KINDS)])
    body.append(
        [
            "the residual alone",
            *(cell(data, "residual") if kind == "distance" else "" for data in SETS for kind in KINDS),
        ]
    )
    return table(["image AUROC / AUPRO", *(f"{data}, {kind}" for data in SETS for kind in KINDS)], body)


def hierarchy() -> str:
    """Four arrangements of codebooks."""
    every, body = rows(), []
    for data in SETS:
        for arm, name in HIERARCHIES.items():
            codes = 2560 if "2560" in arm else 512
            line = [
                shown(values(every, data, arm, column)) for column in ("image_auroc", "pixel_auroc", "aupro", "error")
            ]
            perplexity = shown([value / codes for value in values(every, data, arm, "perplexity")])
            settled = [shown(values(every, data, arm, column)) for column in ("settled", "settled_by_chance")]
            told = f"{settled[0]} ({settled[1]})" if "level" not in arm or arm == "residual levels" else "one level"
            length = shown(values(every, data, f"{arm}, {BY_LENGTH}", "image_auroc"))
            body.append([data, name, *line[:3], length, perplexity, line[3], told])
    head = ["images", "codebooks", "image AUROC", "pixel AUROC", "AUPRO", "image AUROC, by length", "perplexity",
            "error", "settled from above (by chance)"]  # fmt: skip
    return table(head, body)


def switching() -> str:
    """Codebooks of each class against one shared set with as many codes, and what they cost."""
    every, costs, body = rows(), switching_rows(), []
    for n in CLASSES:
        for kind, (*_, name) in SWITCHING.items():
            arm = kind.format(n)
            columns = ("image_auroc", "pixel_auroc", "aupro", "least_used")
            line = [shown(values(every, f"foundry{n}", arm, column)) for column in columns]
            length = shown(values(every, f"foundry{n}", f"{arm}, {BY_LENGTH}", "image_auroc"))
            (cost,) = [row for row in costs if (row["arm"], row["classes"]) == (arm, f"{n}")]
            body.append([f"{n}", name, *line[:3], length, line[3], cost["megabytes"], cost["milliseconds"]])
    head = ["classes", "codebooks", "image AUROC", "pixel AUROC", "AUPRO", "image AUROC, by length",
            "codes used, least", "MB", "ms an image"]  # fmt: skip
    return table(head, body)


def copying() -> str:
    """Survival of a defect, residuals of normal places and detection, by width, length and rate of training, on
    foundry; seed 0."""
    body = []
    for steps in LENGTHS:
        for width in WIDTHS:
            for method, (name, *_) in NETWORKS.items():
                for rate in ("", *RATES):
                    arm = f"width {width} {method}{f' at {rate}' if rate else ''}"
                    line = _copied("512 nearest" if arm == "width 64 quantised" else arm, steps)
                    body += [[name, f"{width}", f"{steps:,}", f"{rate or DEFAULT_RATE}", *line]] if line else []
    return table(["network", "width", "steps", "learning rate", *COPIED], body)


def codes() -> str:
    """Survival of a defect, residuals of normal places and detection by the number of codes, on foundry; seed 0."""
    body = []
    for number in CODES:
        line = _copied(f"{number} nearest", 900)
        body += [[f"{number}", *line]] if line else []
    return table(["codes", *COPIED], body)


def _copied(arm: str, steps: int) -> list[str]:
    """The figures of one arm; nothing where it was not run."""
    every = screened(rows())
    line = [copied(every, arm, column, steps) for column in ("survival", "normal", "image_auroc", "aupro")]
    length = values(every, "foundry", f"{arm}, {BY_LENGTH}", "image_auroc", steps)
    digits = (2, 2, 1, 1, 1)
    return [shown(found, n) for found, n in zip((*line, length), digits, strict=True)] if line[0] else []


def correlation(arms: Iterable[tuple[str, int]]) -> tuple[int, str]:
    """Of the arms (name, steps) that were trained how many these are, and Spearman's correlation of their survival and
    image AUROC, of seed 0, with the middle 95 % of 10,000 draws of arms (percentile bootstrap)."""
    every = screened(rows())
    pairs = np.array([
        [*copied(every, arm, "survival", steps), *copied(every, arm, "image_auroc", steps)]
        for arm, steps in arms if copied(every, arm, "survival", steps)
    ])  # fmt: skip
    drawn = pairs[np.random.default_rng(0).integers(len(pairs), size=(10_000, len(pairs)))]
    ranks = stats.rankdata(drawn, axis=1) - (len(pairs) + 1) / 2  # less their mean
    with np.errstate(invalid="ignore"):  # a draw of one arm alone has no correlation
        found = ranks.prod(2).sum(1) / np.sqrt(np.square(ranks).sum(1).prod(1))
    low, high = np.nanquantile(found, (0.025, 0.975))
    return len(pairs), f"{stats.spearmanr(*pairs.T).statistic:+.2f} [{low:+.2f}, {high:+.2f}]"


SMALL = tuple((f"{number} nearest", 900) for number in CODES if number != 512)  # which is among the wide ones


def wide() -> tuple[tuple[str, int], ...]:
    """List the arms (name, steps) of the table by width, of those at several learning rates the better one."""
    every = screened(rows())
    return tuple((copying_arm(every, width, method, steps), steps)
                 for steps in LENGTHS for width in WIDTHS for method in NETWORKS)  # fmt: skip


def correlations() -> str:
    """How survival goes with detection, over networks of different width, and over all of section 5."""
    body = []
    for name, arms in (("of the first table", wide()), ("of both tables", wide() + SMALL)):
        number, found = correlation(arms)
        body.append([name, f"{number}", found])
    return table(["networks", "number", "Spearman's correlation of survival and image AUROC [95 % of networks]"], body)


def compared() -> str:
    """The comparisons, in image AUROC, with p-values raised by Holm's rule over all of them; by length; in AUPRO."""
    every, found = rows(), []
    for question, first, second, sets, steps in asked():
        for data in sets:
            if there := compare(every, data, first, second, steps):
                length = compare(every, data, f"{first}, {BY_LENGTH}", f"{second}, {BY_LENGTH}", steps)
                regions = ", ".join(
                    f"{round(gain, 1) + 0.0:+.1f}"
                    for gain in gains(every, data, first, second, "aupro", steps).values()
                )
                arms = f"*{first}* less *{second}*"
                found.append(
                    (there[0], [question, arms, data, f"{there[1]}"], [points(length[0]) if length else "", regions])
                )
    body = [
        [*before, points(difference), p, *after]
        for (difference, before, after), p in zip(found, told([difference for difference, *_ in found]), strict=True)
    ]
    head = ["question", "arms", "images", "seeds", "points of image AUROC [95 % interval]", "p, corrected",
            "by length", "points of AUPRO, by seed"]  # fmt: skip
    return table(head, body)


def points(difference: Difference) -> str:
    """A difference and its interval, in points."""
    return f"{100 * difference.mean:+.2f} [{100 * difference.low:+.2f}, {100 * difference.high:+.2f}]"


def told(differences: Sequence[Difference], draws: int = 10_000) -> list[str]:
    """The p-values raised by Holm's rule; of one that so many draws cannot tell from 0 the highest that it may be."""
    raised = holm([difference.p_value for difference in differences])
    least = [difference.p_value < 2.5 / draws for difference in differences]
    return [f"{'≤ ' if floor else ''}{p:.2g}" for p, floor in zip(raised, least, strict=True)]


def repeated() -> str:
    """What a second training of the same arm, seed and steps says, beside the first."""
    first, body = {tuple(row[name] for name in KEY): row for row in rows()}, []
    for again in repeated_rows():
        before = first[tuple(again[name] for name in KEY)]
        line = []
        for column, scale, digits in (
            *((name, 100, 2) for name in ("image_auroc", "pixel_auroc", "aupro")),
            *(("survival", 1, 2), ("normal", 1, 2)),
        ):
            pair = (f"{scale * float(row[column]):.{digits}f}" if row[column] else "" for row in (before, again))
            line.append(" / ".join(pair).strip(" /"))
        body.append([again["variant"], f"{int(again['steps']):,}", *line])
    head = ["arm: first / second training", "steps", "image AUROC", "pixel AUROC", "AUPRO", *COPIED[:2]]
    return table(head, body)


TABLES: dict[str, Callable[[], str]] = {
    "transport_foundry": lambda: transport("foundry"),
    "transport_real5": lambda: transport("real5"),
    "transport_foundry_64": lambda: transport("foundry", 64),
    "levels": levels,
    "hierarchy": hierarchy,
    "switching": switching,
    "copying": copying,
    "codes": codes,
    "copying_correlated": correlations,
    "questions_compared": compared,
    "questions_repeated": repeated,
}
