"""Fill the tables of docs/*.md from data/results/*.csv.

    python docs/tables.py           # writes; `make tables`
    python docs/tables.py --check   # exit status 1 where a page differs from what the csvs say

A table stands between two comments: `<!-- table: NAME -->` and `<!-- end -->`; NAME is one of TABLES.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from scipy import stats

sys.path.insert(0, str(Path(__file__).parent))
import question_tables  # noqa: E402
from question_tables import table, told  # noqa: E402

from hvqlib.evaluation.comparison import Difference, paired_bootstrap

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "data" / "results"
PAGES = sorted((ROOT / "docs").glob("*.md"))
METRICS = {
    "image_auroc": "image AUROC",
    "image_ap": "image AP",
    "image_f1max": "image F1-max",
    "pixel_auroc": "pixel AUROC",
    "pixel_ap": "pixel AP",
    "pixel_f1max": "pixel F1-max",
    "aupro": "AUPRO",
}
NAMES = {
    "full": "HVQ-Trans",
    "continuous": "continuous twin",
    "continuous with dropout": "continuous twin with dropout (Dinomaly's idea)",
    "residual codebooks in 3 stages": "residual codebooks, 3 stages",
    "place mean": "mean of the place (PaDiM's idea)",
    "nearest neighbour": "nearest neighbour (PatchCore's idea)",
    "picture PCA": "PCA of the picture (DFM's idea)",
    "anomalib PaDiM": "PaDiM of anomalib, a model a class",
    "anomalib PatchCore": "PatchCore of anomalib, a model a class",
}
OF_FULL = {
    "inferred class": "HVQ-Trans, class inferred",
    "no place calibration": "HVQ-Trans, calibrated by class alone",
    "with transport score": "HVQ-Trans, with the transport score",
    "released score": "HVQ-Trans, by the released score",
}
READ = {
    "": "by covariance, and the whole picture",
    "no picture": "by covariance, the map alone",
    "by length": "by length, and the whole picture",
    "by length, no picture": "by length, the map alone",
}
SHOWN = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "pixel_ap": "pixel AP", "aupro": "AUPRO"}
EARLIER = {
    "full": "HVQ-Trans",
    "no transport score": "HVQ-Trans, by the residual alone",
    "no place calibration": "HVQ-Trans, calibrated by class alone",
    "continuous": "continuous twin",
}
TILED = {"full": ("HVQ-Trans", "squeezed"), "tiles": ("HVQ-Trans", "three tiles")}
TRIED = {
    "full": "HVQ-Trans, batches of 16",
    "batches of 8": "HVQ-Trans, batches of 8",
    "nearest neighbour": "nearest neighbour, grid of 14",
    "nearest neighbour at grid 28": "nearest neighbour, grid of 28",
}


def rows(name: str, **wanted: object) -> list[dict[str, str]]:
    """Rows of a csv whose columns have the wanted values."""
    with (RESULTS / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        found = [row for row in csv.DictReader(file) if all(row[k] == str(v) for k, v in wanted.items())]
    if not found:
        raise SystemExit(f"data/results/{name}.csv has no rows with {wanted}.")
    return found


def percent(value: str | float | None) -> str:
    return "n/a" if value in (None, "") else f"{100 * float(value):.1f}"


def spread(found: Iterable[str | float]) -> str:
    """Mean, and where there are several values the lowest and highest, in percent."""
    values = [100 * float(value) for value in found if value != ""]
    if not values:
        return "n/a"
    mean = f"{sum(values) / len(values):.1f}"
    return mean if len(values) == 1 else f"{mean} [{min(values):.1f}, {max(values):.1f}]"


def foundry() -> str:
    """Every class of the shipped detector's data set."""
    found = json.loads((RESULTS / "shipped.json").read_text(encoding="utf-8"))
    body = [[name, *(percent(row[m]) for m in METRICS)] for name, row in found["classes"].items()]
    body.append(["**mean**", *(f"**{percent(found['mean'][m])}**" for m in METRICS)])
    return table(["product", *METRICS.values()], body)


def measured(data: str) -> dict[str, list[dict[str, str]]]:
    """Rows of each method on a data set, as configured by default: a row a seed."""
    there: dict[str, list[dict[str, str]]] = {}
    for name in ("methods", "peers"):
        for row in rows(name):
            if row["data"] == data and row["variant"] in NAMES:
                there.setdefault(row["variant"], []).append(row)
    return {variant: sorted(there[variant], key=lambda row: int(row["seed"])) for variant in NAMES if variant in there}


def methods(data: str) -> str:
    """Each method on one data set: mean and range over seeds."""
    body = []
    for variant, found in measured(data).items():
        minutes = sum(float(row["cpu_seconds"]) for row in found) / len(found) / 60
        body.append([
            NAMES[variant], found[0]["steps"] if found[0]["steps"] != "1" else "none", f"{len(found)}",
            f"{minutes:.1f}", *(spread(row[m] for row in found) for m in SHOWN),
        ])  # fmt: skip
    return table(["method", "steps", "seeds", "processor minutes", *SHOWN.values()], body)


def classes(data: str) -> str:
    """Each method, class by class: image AUROC and AUPRO, means over seeds."""
    body = []
    for variant, found in measured(data).items():
        per_class = [json.loads(row["classes"]) for row in found]
        line = []
        for name in per_class[0]:
            pair = []
            for metric in ("image_auroc", "aupro"):
                values = [one[name][metric] for one in per_class if one[name][metric] is not None]
                pair.append(f"{100 * sum(values) / len(values):.1f}" if values else "")
            line.append(" / ".join(value for value in pair if value))
        body.append([NAMES[variant], *line])
    return table(["image AUROC / AUPRO", *per_class[0]], body)


def questions() -> list[tuple[str, str, Difference, list[float], tuple[float, float]]]:
    """HVQ-Trans against each rival on each data set: data, rival, the difference in image AUROC over seeds of both.

    Then that difference for each seed, and the lowest and highest that it becomes when one class is left out.
    """
    asked = []
    for data in ("foundry", "real5"):
        found = measured(data)
        for variant, rival in found.items():
            seeds = sorted({row["seed"] for row in found["full"]} & {row["seed"] for row in rival})
            if variant == "full" or not seeds:
                continue
            ours, theirs = ([json.loads(row["scores"]) for row in some if row["seed"] in seeds]
                            for some in (found["full"], rival))  # fmt: skip
            each = [paired_bootstrap([a], [b], 1).mean for a, b in zip(ours, theirs, strict=True)]
            without = [
                paired_bootstrap(*([{c: s for c, s in one.items() if c != name} for one in some]
                                   for some in (ours, theirs)), 1).mean for name in ours[0]
            ]  # fmt: skip
            asked.append((data, variant, paired_bootstrap(ours, theirs), each, (min(without), max(without))))
    return asked


def compared() -> str:
    """The questions, with p-values raised by Holm's rule over all of them."""
    asked = questions()
    body = []
    for (data, variant, found, each, without), p in zip(asked, told([q[2] for q in asked]), strict=True):
        body.append([
            data, NAMES[variant], f"{100 * found.mean:+.1f} [{100 * found.low:+.1f}, {100 * found.high:+.1f}]",
            p, ", ".join(f"{100 * one:+.1f}" for one in each),
            f"{100 * without[0]:+.1f} to {100 * without[1]:+.1f}",
        ])  # fmt: skip
    head = ["images", "HVQ-Trans less ...", "points of image AUROC [95 % interval over test images]", "p, corrected",
            "each seed", "without one class"]  # fmt: skip
    return table(head, body)


def read(data: str) -> str:
    """Each method under each reading, seed 0."""
    body = []
    for variant in measured(data):
        for reading, words in READ.items():
            wanted = reading if variant == "full" and reading else ", ".join(filter(None, (variant, reading)))
            found = [row for row in rows("methods", data=data, seed=0) if row["variant"] == wanted]
            body += [[NAMES[variant], words, *(percent(row[m]) for m in SHOWN)] for row in found]
        if variant == "full":
            some = [row for row in rows("methods", data=data, seed=0) if row["variant"] in OF_FULL]
            body += [[OF_FULL[row["variant"]], "default", *(percent(row[m]) for m in SHOWN)] for row in some]
    return table(["method", "residuals read", *SHOWN.values()], body)


def few() -> str:
    """The mean of the place, from few images a class and from all, under each reading."""
    body = []
    all_of = [row for row in rows("methods", data="real5", seed=0) if row["variant"].startswith("place mean")]
    for row in [*rows("few"), *all_of]:
        name, _, images = row["variant"].partition(" from ")
        _, _, reading = name.partition(", ")
        body.append([images or "all images", READ[reading], *(percent(row[m]) for m in SHOWN)])
    return table(["a class", "residuals read", *SHOWN.values()], body)


def tiles() -> str:
    """Wide photographs with small defects, squeezed and cut into tiles: mean and range over seeds."""
    body = []
    for variant, (method, shape) in TILED.items():
        found = rows("tiles", variant=variant)
        minutes = sum(float(row["cpu_seconds"]) for row in found) / len(found) / 60
        body.append(
            [method, shape, f"{len(found)}", f"{minutes:.1f}", *(spread(row[m] for row in found) for m in SHOWN)]
        )
    return table(["method", "images", "seeds", "processor minutes", *SHOWN.values()], body)


def tried() -> str:
    """What was tried on the earlier reading, beside what was the default."""
    body = []
    for data in dict.fromkeys(row["data"] for row in rows("by_length")):
        for variant, name in TRIED.items():
            found = [row for row in rows("by_length", data=data) if row["variant"] == variant]
            if found:
                steps = found[0]["steps"] if found[0]["steps"] != "1" else "none"
                shown = (spread(row[m] for row in found) for m in ("image_auroc", "pixel_auroc", "aupro"))
                body.append([data, name, steps, *shown])
    return table(["images", "method", "steps", "image AUROC", "pixel AUROC", "AUPRO"], body)


def ablations() -> str:
    """Points gained over the whole model on each data set, with the 95 % interval of the mean over seeds."""
    sets = list(dict.fromkeys(row["data"] for row in rows("ablations")))
    body = []
    for variant in dict.fromkeys(row["variant"] for row in rows("ablations")):
        line = [variant]
        for data in sets:
            found = rows("ablations", data=data, variant=variant)
            whole = rows("ablations", data=data, variant="full")
            for metric in ("image_auroc", "pixel_auroc"):
                own = variant == "full"
                line.append(spread(row[metric] for row in whole) if own else gain(found, whole, metric))
        body.append(line)
    return table(["variant", *(f"{data}, {m} AUROC" for data in sets for m in ("image", "pixel"))], body)


def gain(found: Sequence[dict[str, str]], whole: Sequence[dict[str, str]], metric: str) -> str:
    """Mean of the differences seed by seed, in points, and its 95 % interval (Student's t)."""
    gains = []
    for row, other in zip(found, whole, strict=True):
        assert row["seed"] == other["seed"]
        gains.append(100 * (float(row[metric]) - float(other[metric])))
    mean = sum(gains) / len(gains)
    if max(gains) == min(gains):
        return f"{mean:+.1f}"
    low, high = stats.t.interval(0.95, len(gains) - 1, mean, stats.sem(gains))
    return f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"


def curves() -> str:
    """One training for each length, seed 0, on the photographs."""
    body = []
    there = {row["variant"] for row in rows("curves")}
    for variant in [name for name in EARLIER if name in there]:
        found = sorted(rows("curves", variant=variant), key=lambda row: int(row["steps"]))
        body += [
            [EARLIER[variant], row["steps"], f"{float(row['cpu_seconds']) / 60:.1f}",
             *(percent(row[m]) for m in ("image_auroc", "pixel_auroc", "aupro")),
             percent(json.loads(row["classes"])["magnetic_tile"]["image_auroc"])]
            for row in found
        ]  # fmt: skip
    head = ["image AUROC", "pixel AUROC", "AUPRO", "image AUROC of magnetic_tile"]
    return table(["method", "steps", "processor minutes", *head], body)


def readings() -> str:
    """Other ways to read one run, on each data set: image and pixel AUROC."""
    found: dict[str, list[str]] = {}
    for data in ("foundry", "real"):
        for row in rows("readings", data=data):
            found.setdefault(row["reading"], []).extend(percent(row[m]) for m in ("image_auroc", "pixel_auroc"))
    head = [f"{data}, {metric} AUROC" for data in ("foundry", "real") for metric in ("image", "pixel")]
    return table(["reading", *head], [[name, *values] for name, values in found.items()])


def bench(benchmark: str) -> dict[str, dict[str, str]]:
    """Values of a benchmark, by case and quantity."""
    found: dict[str, dict[str, str]] = {}
    for row in rows("benchmarks", benchmark=benchmark):
        found.setdefault(row["case"], {})[f"{row['quantity']}, {row['unit']}"] = f"{float(row['value']):,g}"
    return found


def scale() -> str:
    """Time and memory of more images and more classes."""
    found = bench("scale")
    return table(["", *next(iter(found.values()))], [[case, *values.values()] for case, values in found.items()])


def inference() -> str:
    """Images per second, ours and the release's."""
    body = []
    for preset, backbone in (("tiny", "EfficientNet-Lite0"), ("paper", "EfficientNet-B4")):
        one, many, their_one, their_many = (float(v) for v in bench("inference")[preset].values())
        ratio = f"{one / their_one:.1f} / {many / their_many:.1f}"
        body.append([f"`{preset}`, {backbone}", f"{one:g}", f"{many:g}", f"{their_one:g} / {their_many:g}", ratio])
    return table(["images per second", "one at a time", "16 at once", "the release, one / 16", "ratio"], body)


def cost() -> str:
    """A full run on MVTec AD, calculated from measured parts."""
    step = {name: float(value) for name, value in bench("train_step")["paper"].items()}
    fast, slow = step["step, bfloat16, s"], step["step, float32, s"]
    paper = bench("inference")["paper"]
    features = 1 / float(paper["16 at once, images/s"])
    steps = -(-3629 // 16) * 1000
    days = f"{steps * fast / 86400:.1f} days ({steps * slow / 86400:.1f} days)"
    metrics = float(bench("metrics")["1,725 maps, 15 classes"]["all seven metrics, s"])
    return table(["part", "measured", "makes"], [
        ["features of 3,629 images, at most", f"{features:.2f} s each", f"{3629 * features / 60:.0f} minutes"],
        [f"{steps:,} steps of 16 images, bfloat16 (float32)", f"{fast:.2f} s ({slow:.2f} s)", days],
        ["judging 1,725 images, from file to map", f"{features:.2f} s each", f"{1725 * features / 60:.0f} minutes"],
        ["all seven metrics, 15 classes", f"{metrics:g} s", f"{metrics:.0f} s"],
    ])  # fmt: skip


def explainer() -> str:
    """What the explainer takes in a browser, as last measured."""
    last = {row["quantity"]: row for row in rows("explainer")}
    body = [
        [name, f"{row['value']} {row['unit']}".strip(), row["machine"], row["browser"]] for name, row in last.items()
    ]
    return table(["quantity", "measured", "machine", "browser"], body)


def classroom() -> str:
    """What a class of students asks of one server, part by part of the 90 minutes."""
    head = ["part", "notebook", "students", "cells run", "failed", "the last waited (s)", "MB a kernel, mean",
            "largest", "MB in all"]  # fmt: skip
    names = ("part", "notebooks", "students", "cells", "errors", "longest_seconds", "mean_kernel_mb",
             "largest_kernel_mb", "all_kernels_mb")  # fmt: skip
    return table(head, [[row[name] for name in names] for row in rows("classroom") if row["path"] == "90 minutes"])


TABLES: dict[str, Callable[[], str]] = {
    "classroom": classroom,
    "explainer": explainer,
    "foundry": foundry,
    "methods_real5": lambda: methods("real5"),
    "methods_foundry": lambda: methods("foundry"),
    "classes_real5": lambda: classes("real5"),
    "classes_foundry": lambda: classes("foundry"),
    "compared": compared,
    "read_real5": lambda: read("real5"),
    "few": few,
    "tiles": tiles,
    "tried": tried,
    "ablations": ablations,
    "curves": curves,
    "readings": readings,
    "scale": scale,
    "inference": inference,
    "cost": cost,
    **question_tables.TABLES,
}
PLACE = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def fill(text: str) -> str:
    """A page with its tables made anew."""
    return PLACE.sub(lambda m: f"{m[1]}\n{TABLES[m[2]]()}\n\n{m[3]}", text)


def main(check: bool) -> int:
    stale = []
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = fill(old)
        if new != old:
            stale.append(page.relative_to(ROOT))
            if not check:
                page.write_text(new, encoding="utf-8")
    for page in stale:
        print(f"{page}: {'not what data/results says; make tables' if check else 'written'}", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
