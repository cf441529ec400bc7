"""Seconds of `hvq recalibrate` with new normal images of one class; rows of recalibrate.csv.

    python -m benchmarks.recalibrate_time --run RUN [--class gear] [--images 50] [--threads 1] [--csv FILE]

RUN is the folder of a training on the bundled data set, which says in images.json which images it was trained on; that
of the shipped detector, being exported, does not. The new images are drawn as the data set's, from another seed. The
first time no features are cached; the second time, with as many other new images, those of the old ones are.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from PIL import Image

from benchmarks.measure import append_rows, commit, cost, processor_name
from hvqlib.course.foundry.dataset import draw_picture

FIELDS = ["cached", "known", "new", "seconds", "peak_mb", "threads", "machine", "torch", "commit", "date", "command"]
SEED = 1  # of the new images; those of the bundled data set are drawn from 0


def draw(product: str, numbers: range, folder: Path) -> Path:
    """Draw normal images of a product, each of its number, into `folder`."""
    folder.mkdir(parents=True)
    for number in numbers:
        Image.fromarray(draw_picture(product, "good", number, SEED)[0]).save(folder / f"{number:03d}.png")
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures, and add them to a csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--class", dest="product", default="gear", help="a drawn product; default: gear")
    parser.add_argument("--images", type=int, default=50, help="new ones; default: 50")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", help="what else the machine was doing")
    parser.add_argument("--csv", type=Path, help="file to add the rows to")
    options = parser.parse_args(arguments)
    known = len(json.loads((options.run / "images.json").read_text(encoding="utf-8"))["paths"])
    machine = processor_name() + (f", {options.note}" if options.note else "")
    said = f"python -m benchmarks.recalibrate_time --run RUN --class {options.product} --images {options.images}"
    made_where = machine, metadata.version("torch"), commit(), datetime.date.today().isoformat(), said
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for i, cached in enumerate(("nothing", "the old images")):
            fresh = draw(options.product, range(i * options.images, (i + 1) * options.images), folder / f"new{i}")
            command = [sys.executable, "-m", "hvqlib", "recalibrate", "--run", options.run, "--add", fresh, "--class",
                       options.product, "--out", folder / f"run{i}", "--cache", folder / "cache"]  # fmt: skip
            peak, seconds = cost([f"{word}" for word in command], options.threads)
            values = (cached, known, options.images, round(seconds, 1), round(peak), options.threads, *made_where)
            print(cached, f"{seconds:.1f} s", f"{peak:.0f} MB", sep="  ", flush=True)
            if options.csv:
                append_rows(options.csv, FIELDS, [dict(zip(FIELDS, values, strict=True))])


if __name__ == "__main__":
    main()
