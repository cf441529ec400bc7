"""Peak memory and seconds of `hvq predict`, against the number of images; rows of memory.csv.

    python -m benchmarks.predict_memory [--run RUN] [--model FILE] [--images 20 200 2000] [--threads 1] [--csv FILE]

The images are those of the bundled data set, copied under other names until there are enough. Each number of them is
judged in a process of its own, by the run (the shipped detector by default) and by its export; without --model the run
is exported first, which takes minutes. Everything goes into a temporary folder. Threads are those of torch; the export
is run on all cores.
"""

from __future__ import annotations

import argparse
import datetime
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path

from benchmarks.measure import append_rows, commit, cost, processor_name
from hvqlib.data.listing import images

FIELDS = ["judged_by", "images", "peak_mb", "seconds", "threads", "machine", "torch", "commit", "date", "command"]
DATA = Path("data/foundry")


def copies(sources: Sequence[Path], number: int, folder: Path) -> Path:
    """Copy image files into `folder` under other names, each as often as it takes for `number` of them."""
    folder.mkdir(parents=True)
    for i in range(number):
        source = sources[i % len(sources)]
        shutil.copyfile(source, folder / f"{i:05d}{source.suffix}")
    return folder


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the figures, and add them to a csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("data/checkpoints/foundry"))
    parser.add_argument("--model", type=Path, help="the model.onnx of an export; default: export the run")
    parser.add_argument("--images", type=int, nargs="+", default=[20, 200, 2000])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--note", help="what else the machine was doing")
    parser.add_argument("--csv", type=Path, help="file to add the rows to")
    options = parser.parse_args(arguments)
    machine = processor_name() + (f", {options.note}" if options.note else "")
    said = " ".join(["python -m benchmarks.predict_memory --images", *map(str, options.images)])
    made_where = machine, metadata.version("torch"), commit(), datetime.date.today().isoformat(), said
    hvq = [sys.executable, "-m", "hvqlib"]
    sources = [path for path in images(DATA) if "ground_truth" not in path.parts]
    random.Random(0).shuffle(sources)  # so that the first few are of every product
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        model = options.model or folder / "export" / "model.onnx"
        if not options.model:
            cost([*hvq, "export", "--run", f"{options.run}", "--onnx", f"{model.parent}", "--data", f"{DATA}"],
                 options.threads)  # fmt: skip
        for number in options.images:
            photographs = copies(sources, number, folder / f"{number}")
            for by, path, threads in (("--run", options.run, options.threads), ("--model", model, os.cpu_count())):
                out = folder / f"found{number}{by}"
                peak, seconds = cost([*hvq, "predict", by, f"{path}", "--out", f"{out}", f"{photographs}"],
                                     options.threads)  # fmt: skip
                values = (f"hvq predict {by}", number, round(peak), round(seconds, 1), threads, *made_where)
                print(by, number, f"{peak:.0f} MB", f"{seconds:.1f} s", sep="  ", flush=True)
                if options.csv:
                    append_rows(options.csv, FIELDS, [dict(zip(FIELDS, values, strict=True))])
                shutil.rmtree(out)
            shutil.rmtree(photographs)


if __name__ == "__main__":
    main()
