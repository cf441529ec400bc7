"""Draw the pictures of docs/evidence.md, docs/questions.md and docs/report.md from data/results.

    python docs/figures.py          # writes; `make tables`

A picture holds a checksum of the rows it shows, which a test compares.
"""

from __future__ import annotations

import json
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image
from PIL.PngImagePlugin import PngInfo

sys.path.insert(0, str(Path(__file__).parent))
import question_tables
import tables

from hvqlib.course.figures import questions
from hvqlib.evaluation.figures import BLUE, GREY, ORANGE

DOCS = tables.ROOT / "docs"
PANELS = {"image_auroc": "image AUROC (%)", "pixel_auroc": "pixel AUROC (%)", "aupro": "AUPRO (%)"}
SETS = {"real5": "five classes of photographs", "foundry": "foundry: six drawn classes, one photographed"}
MARKERS = "osD^v<>"


def checksum(name: str) -> str:
    """Sum up the rows that a picture shows."""
    if name == "methods":
        found = [
            (data, variant, row) for data in SETS for variant, some in tables.measured(data).items() for row in some
        ]
        shown: object = [(data, variant, row["seed"], row["classes"], row["scores"]) for data, variant, row in found]
    else:
        shown = [question_tables.rows(), question_tables.switching_rows()]
    return f"{zlib.crc32(json.dumps(shown).encode()):08x}"


def draw_methods() -> Figure:
    """Draw a row for each data set: three metrics, and the differences from HVQ-Trans with their intervals."""
    sizes = [len(tables.measured(data)) for data in SETS]
    figure = Figure(figsize=(13, 1.6 + 0.42 * sum(sizes)), layout="constrained")
    grid = figure.subplots(2, 4, gridspec_kw={"height_ratios": sizes, "width_ratios": (1, 1, 1, 1.15)}, squeeze=False)
    asked = tables.questions()
    for line, (data, title) in zip(grid, SETS.items(), strict=True):
        found = tables.measured(data)
        names = list(found)
        for axes, (metric, label) in zip(line, PANELS.items(), strict=False):
            for y, variant in enumerate(names):
                per_class = [json.loads(row["classes"]) for row in found[variant]]
                means = []
                for marker, name in zip(MARKERS, per_class[0], strict=False):
                    values = [100 * one[name][metric] for one in per_class if one[name][metric] is not None]
                    if values:
                        means.append(sum(values) / len(values))
                        axes.plot(means[-1], y, marker, color=GREY, markersize=5, mfc="none", clip_on=False)
                colour = BLUE if variant == "full" else ORANGE
                axes.plot(sum(means) / len(means), y, "o", color=colour, markersize=9, clip_on=False)
            axes.set(xlabel=label, xlim=(None, 100.5))
        right = line[3]
        right.axvline(0, color=GREY, linewidth=1)
        for of, variant, difference, _, _ in asked:
            if of == data:
                y = names.index(variant)
                right.plot([100 * difference.low, 100 * difference.high], [y, y], color=ORANGE, linewidth=2)
                right.plot(100 * difference.mean, y, "o", color=ORANGE, markersize=7)
        right.set_xlabel("HVQ-Trans less the method\n(points of image AUROC)")
        for i, axes in enumerate(line):
            axes.set(yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5))
            axes.set_yticklabels([tables.NAMES[name].split(" (")[0] for name in names] if not i else [])
            axes.spines[["top", "right"]].set_visible(False)
            axes.grid(axis="y", color="#E5E5E5")
        line[0].set_title(title, loc="left", fontsize=11, fontweight="bold")
        marks = [Line2D([], [], marker=m, color=GREY, mfc="none", linestyle="", label=c)
                 for m, c in zip(MARKERS, json.loads(found["full"][0]["classes"]), strict=False)]  # fmt: skip
        right.legend(handles=marks, fontsize=9, frameon=False, loc="upper left", bbox_to_anchor=(1.0, 1.05))
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "methods": draw_methods,
    "question_transport": lambda: questions.draw_transport(question_tables.rows()),
    "question_levels": lambda: questions.draw_levels(question_tables.rows(), "real5"),
    "question_hierarchy": lambda: questions.draw_hierarchy(question_tables.rows()),
    "question_switching": lambda: questions.draw_switching(question_tables.rows(), question_tables.switching_rows()),
    "question_copying": lambda: questions.draw_copying(question_tables.rows()),
}


def main() -> None:
    """Write the pictures, few colours each."""
    for name, draw in PICTURES.items():
        path, note = DOCS / f"{name}.png", PngInfo()
        draw().savefig(path, dpi=100, facecolor="white")
        picture = Image.open(path)
        note.add_text("rows", checksum(name))
        picture.convert("RGB").quantize(128, dither=Image.Dither.NONE).save(path, pnginfo=note, optimize=True)


if __name__ == "__main__":
    main()
