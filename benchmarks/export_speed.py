"""Images a second of a run in torch and of its export in onnxruntime, from image file to verdict; rows of export.csv.

    python -m benchmarks.export_speed --model DIR/model.onnx [--run RUN] [--threads 2 1] [--note NOTE] [--csv FILE]

`DIR` is what `hvq export --run RUN --onnx DIR --data DATA` made; RUN is the shipped detector by default, the images are
test images of the bundled data set. Each number of threads has a process of its own. In it both judge the same images
in turns, one at a time and 16 at once (the export takes one after another either way); medians over rounds. The
largest relative difference of their scores is written as well, and the size of the file.
"""

from __future__ import annotations

import argparse
import datetime
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.measure import append_rows, commit, processor_name

FIELDS = ["benchmark", "case", "quantity", "value", "unit", "machine", "torch", "commit", "date", "command"]


def measure(options: argparse.Namespace, threads: int) -> list[tuple[str, str, float, str]]:
    """Time both in this process: (case, quantity, value, unit) each."""
    import torch

    from hvqlib.course.material import foundry
    from hvqlib.detector.detector import Detector
    from hvqlib.detector.exported import ExportedDetector

    torch.set_num_threads(threads)
    run, export = Detector.load(options.run, "cpu"), ExportedDetector.load(options.model, threads)
    paths = [sample.path for sample in foundry().test]
    some = [paths[i * len(paths) // options.images] for i in range(options.images)]
    rows, worst = [], 0.0
    for size in (1, 16):
        times: dict[str, list[float]] = {"torch": [], "onnxruntime": []}
        for start in range(0, len(some) - size + 1, size):
            batch, judged = some[start : start + size], {}
            for name, detector in (("torch", run), ("onnxruntime", export)):
                began = time.perf_counter()
                judged[name] = detector.judge(batch)
                times[name].append((time.perf_counter() - began) / size)
            for one, other in zip(*judged.values(), strict=True):
                assert (one.class_name, one.defective) == (other.class_name, other.defective), one.path
                worst = max(worst, abs(one.score - other.score) / abs(one.score))
        case = f"{size} at a time"
        speed = {name: 1 / statistics.median(each[1:]) for name, each in times.items()}
        rows += [(case, name, round(value, 1), "images/s") for name, value in speed.items()]
        rows.append((case, "ratio", round(speed["onnxruntime"] / speed["torch"], 2), "1"))
    rows.append((f"{len(some)} test images", "largest relative difference of a score", float(f"{worst:.1e}"), "1"))
    return rows


def main() -> None:
    """Print the figures, and add them to a csv."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--run", type=Path, default=Path("data/checkpoints/foundry"))
    parser.add_argument("--threads", type=int, nargs="+", default=[2, 1])
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--note", help="what else the machine was doing")
    parser.add_argument("--csv", type=Path, help="file to add the rows to")
    parser.add_argument("--one-process", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.one_process:
        for threads in options.threads:
            command = [sys.executable, "-m", "benchmarks.export_speed", *sys.argv[1:], "--threads", str(threads)]
            environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
            subprocess.run([*command, "--one-process"], check=True, env=environment)
        return
    import torch

    (threads,) = options.threads
    rows = measure(options, threads)
    rows.append(("model.onnx", "size", round(options.model.stat().st_size / 1e6, 1), "MB"))
    machine = f"{processor_name()}, {threads} {'thread' if threads == 1 else 'threads'}"
    machine += f", {options.note}" if options.note else ""
    date = datetime.date.today().isoformat()
    said = f"python -m benchmarks.export_speed --model DIR/model.onnx --images {options.images}"
    whole = [dict(zip(FIELDS, ("export", *row, machine, torch.__version__, commit(), date, said), strict=True))
             for row in rows]  # fmt: skip
    for row in whole:
        print(row["case"], row["quantity"], row["value"], row["unit"], sep="  ")
    if options.csv:
        append_rows(options.csv, FIELDS, whole)


if __name__ == "__main__":
    main()
