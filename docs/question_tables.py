"""The tables of docs/questions.md, from data/results/questions.csv; docs/tables.py fills them in."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from hvqlib.course.figures.questions import HIERARCHIES, KINDS, LEVELS, NETWORKS, RULES, values
from hvqlib.course.results import QUESTION_COLUMNS, read_rows
from hvqlib.evaluation.comparison import holm, paired_bootstrap

Row = Mapping[str, str]
CSV = Path(__file__).parents[1] / "data" / "results" / "questions.csv"
SETS = ("foundry", "real5")
MISSING = "not run"


class Asked(NamedTuple):
    """Hold a comparison that a question turns on: two variants, the first of which would have to be better."""

    question: str
    first: str
    second: str


ASKED = (
    Asked("Q3", "512 balanced", "512 nearest"),
    Asked("Q3", "512 gradient", "512 nearest"),
    Asked("Q4", "512 nearest, plan, all levels", "512 nearest, distance, all levels"),
    Asked("Q4", "512 nearest, plan by usage, all levels", "512 nearest, distance, all levels"),
    Asked("Q5", "512 nearest, residual and plan", "512 nearest, residual"),
    Asked("Q6", "512 nearest", "one level of 2560"),
    Asked("Q6", "residual levels", "one level of 2560"),
)


def rows() -> list[dict[str, str]]:
    """Read all rows."""
    return read_rows(CSV, QUESTION_COLUMNS)


def shown(found: Sequence[float], digits: int = 1) -> str:
    """Mean of the seeds, and their range where there are several."""
    if not found:
        return MISSING
    mean = f"{sum(found) / len(found):.{digits}f}"
    return mean if len(found) == 1 else f"{mean} [{min(found):.{digits}f}, {max(found):.{digits}f}]"


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Lay out a table."""
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *body))


def transport(data: str) -> str:
    """Ways to move 512 codes, with k-means start and revival and without."""
    every, body = rows(), []
    for bare in ("", " bare"):
        for rule, name in RULES.items():
            arm = f"512 {rule}{bare}"
            columns = ("least_used", "error", "error_rare", "rare_auroc", "image_auroc", "aupro")
            line = [shown(values(every, data, arm, column)) for column in columns]
            perplexity = [value / 512 for value in values(every, data, arm, "perplexity")]
            length = shown(values(every, data, f"{arm}, by length, no picture", "image_auroc"))
            body.append([name, "no" if bare else "yes", line[0], shown(perplexity), *line[1:], length])
    head = ["codes move by", "k-means, revival", "codes used, least", "perplexity", "error", "of the hardest tenth",
            "AUROC, rare good images", "image AUROC", "AUPRO", "image AUROC, by length"]  # fmt: skip
    return table(head, body)


def levels() -> str:
    """Each level alone, and all joined: image AUROC / AUPRO."""
    every = rows()

    def cell(data: str, variant: str) -> str:
        both = (shown(values(every, data, f"512 nearest, {variant}", m)) for m in ("image_auroc", "aupro"))
        return " / ".join(both)

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
            length = shown(values(every, data, f"{arm}, by length, no picture", "image_auroc"))
            body.append([data, name, *line[:3], length, perplexity, line[3], told])
    head = ["images", "codebooks", "image AUROC", "pixel AUROC", "AUPRO", "image AUROC, by length", "perplexity",
            "error", "settled from above (by chance)"]  # fmt: skip
    return table(head, body)


def copying() -> str:
    """Survival of a defect, error of normal images and detection, at each width and number of codes, on foundry."""
    every, body = rows(), []
    steps = sorted({int(row["steps"]) for row in every if row["variant"].startswith("width ")})
    for length in steps:
        for width in (32, 64, 128, 256):
            for method, (name, _) in NETWORKS.items():
                arm = "512 nearest" if (width, method) == (64, "quantised") else f"width {width} {method}"
                line = _copied(every, arm, length)
                body += (
                    [[name, f"{width}", "512" if method == "quantised" else "none", f"{length}", *line]] if line else []
                )
    for codes in (4, 16, 64, 256, 512, 1024, 2048, 4096):
        line = _copied(every, f"{codes} nearest", 900)
        body += [["HVQ-Trans", "64", f"{codes}", "900", *line]] if line else []
    head = ["network", "width", "codes", "steps", "survival", "residual of normal places", "image AUROC",
            "image AUROC, by length"]  # fmt: skip
    return table(head, body)


def _copied(every: Sequence[Row], arm: str, steps: int) -> list[str]:
    """The figures of one arm; nothing where it was not run."""
    survival = values(every, "foundry", arm, "survival", steps)
    if not survival:
        return []
    normal = [value / 100 for value in values(every, "foundry", arm, "normal", steps)]
    detected = [shown(values(every, "foundry", variant, "image_auroc", steps))
                for variant in (arm, f"{arm}, by length, no picture")]  # fmt: skip
    return [shown([value / 100 for value in survival], 2), shown(normal, 2), *detected]


def compared() -> str:
    """The comparisons, in image AUROC, with p-values raised by Holm's rule over all of them."""
    every, found = rows(), []
    for asked in ASKED:
        for data in SETS:
            scores = [
                {row["seed"]: json.loads(row["scores"]) for row in every
                 if (row["data"], row["variant"], row["steps"]) == (data, variant, "900")}
                for variant in (asked.first, asked.second)
            ]  # fmt: skip
            seeds = sorted(scores[0].keys() & scores[1].keys())
            if seeds:
                pair = ([one[seed] for seed in seeds] for one in scores)
                found.append((asked, data, len(seeds), paired_bootstrap(*pair)))
    body = []
    for (asked, data, seeds, difference), p in zip(found, holm([f[3].p_value for f in found]), strict=True):
        points = f"{100 * difference.mean:+.1f} [{100 * difference.low:+.1f}, {100 * difference.high:+.1f}]"
        body.append([asked.question, f"*{asked.first}* less *{asked.second}*", data, f"{seeds}", points,
                     "below .001" if p < 0.001 else f"{p:.2g}"])  # fmt: skip
    head = ["question", "arms", "images", "seeds", "points of image AUROC [95 % of test images]", "p, corrected"]
    return table(head, body)


TABLES: dict[str, Callable[[], str]] = {
    "transport_foundry": lambda: transport("foundry"),
    "transport_real5": lambda: transport("real5"),
    "levels": levels,
    "hierarchy": hierarchy,
    "copying": copying,
    "questions_compared": compared,
}
