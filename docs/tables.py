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
    "no transport score": "HVQ-Trans, by the residual alone",
    "no place calibration": "HVQ-Trans, calibrated by class alone",
    "inferred class": "HVQ-Trans, class inferred",
    "continuous": "continuous twin",
    "nearest neighbour": "nearest neighbour",
}
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


def table(head: Sequence[str], body: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


REAL5 = NAMES | {
    "place mean": "mean of the place (by covariance: PaDiM's idea)",
    "picture PCA": "PCA of the picture (DFM's idea)",
    "nearest neighbour": "nearest neighbour (k-center, a bank a class)",
}
READ_OTHERWISE = ("no picture", "by length", "with transport score", "released score", "no place calibration",
                  "inferred class")  # fmt: skip


def percent(value: str | float | None) -> str:
    return "n/a" if value in (None, "") else f"{100 * float(value):.1f}"


def spread(found: Iterable[str | float]) -> str:
    """Mean, lowest and highest, in percent."""
    values = [100 * float(value) for value in found if value != ""]
    if not values:
        return "n/a"
    return f"{sum(values) / len(values):.1f} [{min(values):.1f}, {max(values):.1f}]"


def foundry() -> str:
    """Every class of the shipped detector's data set."""
    found = json.loads((RESULTS / "shipped.json").read_text(encoding="utf-8"))
    body = [[name, *(percent(row[m]) for m in METRICS)] for name, row in found["classes"].items()]
    body.append(["**mean**", *(f"**{percent(found['mean'][m])}**" for m in METRICS)])
    return table(["product", *METRICS.values()], body)


def methods(names: dict[str, str] = NAMES) -> str:
    """Each method on both data sets: mean and range of three seeds."""
    body = []
    for data in dict.fromkeys(row["data"] for row in rows("methods")):
        there = {row["variant"] for row in rows("methods", data=data)}
        for variant in [name for name in names if name in there]:
            found = rows("methods", data=data, variant=variant)
            minutes = sum(float(row["cpu_seconds"]) for row in found) / len(found) / 60
            body.append([
                data, names[variant], found[0]["steps"] if found[0]["steps"] != "1" else "none",
                f"{minutes:.1f}", *(spread(row[m] for row in found) for m in ("image_auroc", "pixel_auroc", "aupro")),
            ])  # fmt: skip
    return table(["images", "method", "steps", "processor minutes", "image AUROC", "pixel AUROC", "AUPRO"], body)


def tried() -> str:
    """What may become the default, or did not, beside what is."""
    return methods(TRIED)


def classes() -> str:
    """The methods, class by class."""
    body = []
    there = {row["variant"] for row in rows("methods")}
    compared = [name for name in ("full", "continuous", "nearest neighbour") if name in there]
    for data in dict.fromkeys(row["data"] for row in rows("methods")):
        for name in json.loads(rows("methods", data=data)[0]["classes"]):
            line = [data, name]
            for metric in ("image_auroc", "pixel_auroc"):
                for variant in compared:
                    found = [json.loads(row["classes"])[name][metric] for row in
                             rows("methods", data=data, variant=variant)]  # fmt: skip
                    line.append(spread("" if value is None else value for value in found))
            body.append(line)
    head = [f"{metric} AUROC, {NAMES[name]}" for metric in ("image", "pixel") for name in compared]
    return table(["images", "class", *head], body)


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


def real5() -> str:
    """Methods and their readings on five classes of photographs, seed 0, with the image AUROC of each class."""
    found = rows("real5")
    names = list(json.loads(found[0]["classes"]))
    body = []
    for row in found:
        method, _, reading = row["variant"].partition(", ")
        if method in READ_OTHERWISE:
            method, reading = "full", row["variant"]
        each = [percent(json.loads(row["classes"])[name]["image_auroc"]) for name in names]
        means = [percent(row[m]) for m in ("image_auroc", "pixel_auroc", "pixel_ap", "aupro")]
        body.append([REAL5.get(method, method), reading or "default", *means, *each])
    return table(["method", "reading", "image AUROC", "pixel AUROC", "pixel AP", "AUPRO", *names], body)


def curves() -> str:
    """One training for each length, seed 0, on the photographs."""
    body = []
    there = {row["variant"] for row in rows("curves")}
    for variant in [name for name in NAMES if name in there]:
        found = sorted(rows("curves", variant=variant), key=lambda row: int(row["steps"]))
        body += [
            [NAMES[variant], row["steps"], f"{float(row['cpu_seconds']) / 60:.1f}",
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


TABLES: dict[str, Callable[[], str]] = {
    "foundry": foundry,
    "methods": methods,
    "tried": tried,
    "classes": classes,
    "ablations": ablations,
    "curves": curves,
    "real5": real5,
    "readings": readings,
    "scale": scale,
    "inference": inference,
    "cost": cost,
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
