"""Images a second of a run that squeezes images and of one that cuts them into tiles; rows of tile_speed.csv.

    python -m benchmarks.tile_speed [--images 40] [--note NOTE] [--csv FILE]

Both are HVQ-Trans in the preset tiny, trained for one step on the photographs in data/ballscrew (1130 x 460, so three
tiles), and judge the same test images from file to verdict in turns, one at a time; medians.
"""

from __future__ import annotations

import argparse
import datetime
import statistics
import tempfile
import time
from pathlib import Path

import torch

from benchmarks.measure import append_rows, commit, processor_name
from hvqlib import Config, Detector, load_dataset, train
from hvqlib.files import data_folder

FIELDS = ["case", "quantity", "value", "unit", "machine", "torch", "commit", "date", "command"]


def main() -> None:
    """Print the figures, and add them to a csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=40)
    parser.add_argument("--note", help="what else the machine was doing")
    parser.add_argument("--csv", type=Path, help="file to add the rows to")
    options = parser.parse_args()
    dataset = load_dataset(data_folder() / "ballscrew")
    paths = [dataset.test[i * len(dataset.test) // options.images].path for i in range(options.images)]
    seconds: dict[str, list[float]] = {"squeeze": [], "tiles": []}
    with tempfile.TemporaryDirectory() as folder:
        runs = {
            fit: Detector.load(train(Config(fit=fit, steps=1), dataset, Path(folder) / fit, progress=False), "cpu")
            for fit in ("squeeze", "tiles")
        }
        tiles = len(runs["tiles"].tiling.cut(paths[:1]).pictures)
        for path in paths:
            for fit, detector in runs.items():
                began = time.perf_counter()
                detector.judge([path])
                seconds[fit].append(time.perf_counter() - began)
    each = {fit: statistics.median(times[1:]) for fit, times in seconds.items()}
    rows = [(fit, "speed", round(1 / value, 2), "images/s") for fit, value in each.items()]
    rows += [("tiles", "tiles an image", tiles, "1"), ("tiles", "times as long", each["tiles"] / each["squeeze"], "1")]
    machine = ", ".join(filter(None, (f"{processor_name()}, {torch.get_num_threads()} threads", options.note)))
    date, said = datetime.date.today().isoformat(), f"python -m benchmarks.tile_speed --images {options.images}"
    whole = [dict(zip(FIELDS, (*row, machine, torch.__version__, commit(), date, said), strict=True)) for row in rows]
    for row in whole:
        row["value"] = round(float(row["value"]), 2)
        print(row["case"], row["quantity"], row["value"], row["unit"], sep="  ")
    if options.csv:
        append_rows(options.csv, FIELDS, whole)


if __name__ == "__main__":
    main()
