"""Train and evaluate variants of the model on a data set: variants x lengths x seeds, a row of a csv for each run.

    python -m benchmarks.ablate --data DIR [--out FILE] [--variants A,B] [--seeds 0,1,2] [--steps 300] [--workers 1]

Rows that are in the csv are not computed again, so what was interrupted resumes where it left off. Exit status as of
hvq: 0 done; 2 bad input, said in one sentence; 1 a run that failed through no fault of its input.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from typing import Protocol

import torch

from benchmarks.measure import PeakMemory, append_rows, commit, processor_name
from hvqlib import __version__
from hvqlib.cli_options import Parser
from hvqlib.config import Config
from hvqlib.course.results import COLUMNS, KEY, read_rows
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.layouts import Sample
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out
from hvqlib.detector.run_folder import METHODS, read_checkpoint
from hvqlib.errors import InputError, exit_status
from hvqlib.evaluation.evaluate import Evaluation, evaluate
from hvqlib.features.extraction import features_of_images
from hvqlib.files import data_folder
from hvqlib.rivals.rival import Rival
from hvqlib.training.recalibrate import recalibrate
from hvqlib.training.train import train

# What each variant changes in the configuration.
VARIANTS: dict[str, dict] = {
    "full": {},
    "no hierarchy": {"hierarchy": False},
    "no switching": {"unified": True},
    "no switching but 3072 codes": {"unified": True, "codes": 3072},
    "transport loss": {"transport": 0.01},
    "random start without revival": {"init": "random", "revive": False},
    "random start": {"init": "random"},
    "no revival": {"revive": False},
    "balanced update": {"update": "balanced"},
    "64 codes": {"codes": 64},
    "128 codes": {"codes": 128},
    "1024 codes": {"codes": 1024},
    "2048 codes": {"codes": 2048},
    "batches of 8": {"batch_size": 8},
    "letterbox": {"fit": "letterbox"},
    "tiles": {"fit": "tiles"},
    "place mean in tiles": {"method": "place", "fit": "tiles"},
    "nearest neighbour in tiles": {"method": "knn", "fit": "tiles"},
    "sampled features": {"pooling": "bilinear"},
    "lite1": {"backbone": "tf_efficientnet_lite1"},
    "lite2": {"backbone": "tf_efficientnet_lite2"},
    "Muon": {"optimizer": "muon", "lr": 1e-2},
    "continuous": {"method": "continuous"},
    "continuous with dropout": {"method": "dropout"},
    "nearest neighbour": {"method": "knn"},
    "nearest neighbour from a random bank": {"method": "knn", "coreset": False},
    "nearest neighbour at grid 28": {"method": "knn", "grid": 28},
    **{f"residual codebooks in {n} stages": {"method": "kmeans", "stages": n} for n in (1, 2, 3)},
    "place mean": {"method": "place"},
    "picture PCA": {"method": "pca"},
}
# Other ways of reading any trained run, by `recalibrate` ...
READINGS: dict[str, dict] = {
    "no picture": {"picture": False},
    "by length": {"reading": "norm"},
    "by length, no picture": {"reading": "norm", "picture": False},
}
# ... and the run of "full" alone.
READINGS_OF_FULL: dict[str, dict] = {
    "with transport score": {"score": "combined"},
    "released score": {"score": "released"},
    "no place calibration": {"normalize": False},
}


class Measure(Protocol):
    """Measure more of each run than its metrics. Can be pickled, since each run is a process of its own."""

    module: str  # whose command repeats a row
    columns: tuple[str, ...]

    def __call__(
        self, detector: Detector, dataset: AnomalyDataset, cache: str | Path | None, own: Evaluation
    ) -> tuple[dict[str, float | None], dict[str, Evaluation]]:
        """Give a value for each of the columns, from the run and its `own` evaluation, and the evaluations of further
        ways to read the run, by name."""


def ablate(
    data: str | Path,
    out: str | Path,
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: Sequence[int] = (0, 1, 2),
    steps: Sequence[int] = (300,),
    workers: int = 1,
    cache: str | Path | None = None,
    base: Config | None = None,
    readings: bool = True,
    images: int = 0,
    arms: Mapping[str, dict] = VARIANTS,
    measure: Measure | None = None,
) -> int:
    """Train and evaluate each variant at each length with each seed, and append a row to `out` as each is done.

    Parameters
    ----------
    data : a data set's folder; its name is what the rows call it.
    out : csv of :data:`COLUMNS`. Rows that are there already are not computed again.
    variants : of `arms`. Each run is also read in every way of :data:`READINGS`, that of "full" in more.
    seeds, steps : of the trainings; each length is a training of its own, annealed to its end.
    workers : runs at a time, each with its share of the cores.
    cache : folder for the frozen features.
    base : the configuration that variants change; the tiny preset when not given.
    readings : read each run in the other ways too; else as it was configured alone.
    images : of a class to train on, at most, at equal distances in the data set's order; 0: all of them.
    arms : by name, what each variant changes in the configuration.
    measure : what else to measure of each run, and in which further ways to read it.

    Returns
    -------
    How many runs were trained.

    Raises
    ------
    InputError : an unknown variant, or a csv with other columns.
    """
    unknown = [name for name in variants if name not in arms]
    if unknown:
        raise InputError(f"No variant {', '.join(unknown)}: choose from {', '.join(arms)}.")
    out, data = Path(out), Path(data)
    load_dataset(data)  # what is wrong with it is said before processes are started
    columns = (*COLUMNS, *(measure.columns if measure else ()))
    there = {tuple(row[name] for name in KEY) for row in read_rows(out, columns)}
    # Rivals without a network are not trained step by step: their rows say 1 step.
    grid = ((name, seed, 1 if issubclass(METHODS[arms[name].get("method", "hvq")], Rival) else length)
            for seed in seeds for length in steps for name in variants)  # fmt: skip
    jobs = [
        job for job in dict.fromkeys(grid) if (job[0] + few(images), data.name, str(job[1]), str(job[2])) not in there
    ]
    threads = max(1, torch.get_num_threads() // workers)
    # A fresh process for each run: its peak memory is its own.
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        base = base or Config()
        given = (data, cache, base, threads, readings, images, measure)
        runs = [pool.submit(_run, name, arms[name], *job, *given) for name, *job in jobs]
        for i, run in enumerate(as_completed(runs), 1):
            rows = run.result()
            append_rows(out, columns, rows)
            first = rows[0]
            print(f"{i}/{len(jobs)} {first['variant']}, {first['steps']} steps, seed {first['seed']}: image AUROC "
                  f"{first['image_auroc']}, pixel AUROC {first['pixel_auroc']}, {first['cpu_seconds']} s",
                  file=sys.stderr)  # fmt: skip
    return len(jobs)


def _run(
    name: str,
    changes: dict,
    seed: int,
    steps: int,
    data: Path,
    cache: str | Path | None,
    base: Config,
    threads: int,
    readings: bool,
    images: int,
    measure: Measure | None,
) -> list[dict]:
    """Train one variant with one seed, in a process of its own; its rows."""
    torch.set_num_threads(threads)
    config = replace(base, **changes, seed=seed, steps=steps, epochs=0)
    dataset = load_dataset(data)
    if images:
        dataset = replace(dataset, train=tuple(fewer(dataset.train, images)))
    with PeakMemory() as memory, tempfile.TemporaryDirectory() as folder:
        start = time.process_time()  # of all threads; unlike the clock on the wall, it leaves out what else runs
        run = train(config, dataset, Path(folder) / "run", cache=cache, progress=False, checkpoint_every=10**9)
        seconds = time.process_time() - start
        tensors, _ = read_checkpoint(run)
        usage, perplexity = tensors["history"][-1, 3:].tolist() if "history" in tensors else (None, None)
        detector = Detector.load(run, "cpu")
        least = _least_used(detector, dataset, cache)
        own = evaluate(detector, dataset, cache=cache)
        evaluated = {name: (own, memory.megabytes)}
        others = READINGS | READINGS_OF_FULL if name == "full" else READINGS
        for reading, changed in others.items() if readings else ():
            title = reading if name == "full" else f"{name}, {reading}"
            other = recalibrate(detector, dataset, cache, **changed)
            evaluated[title] = evaluate(other, dataset, cache=cache), memory.megabytes  # so far
        if name == "full" and readings:
            inferred = evaluate(detector, dataset, cache=cache, labels="inferred")
            evaluated["inferred class"] = inferred, memory.megabytes
        measured = {}
        if measure is not None:
            measured, more = measure(detector, dataset, cache, own)
            evaluated |= {f"{name}, {reading}": (read, memory.megabytes) for reading, read in more.items()}
    module = "benchmarks.ablate" if measure is None else measure.module
    same = {
        "data": data.name, "seed": seed, "steps": steps, "usage": rounded(usage),
        "least_used": rounded(least), "perplexity": rounded(perplexity),
        "cpu_seconds": round(seconds), "machine": f"{processor_name()}, {threads} threads",
        "torch": torch.__version__, "hvqlib": __version__, "commit": commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f"python -m {module} --data {shlex.quote(data.as_posix())} "
                   f'--{"variants" if measure is None else "arms"} "{name}" --seeds {seed} --steps {steps}'
                   f"{'' if readings or measure else ' --no-readings'}"
                   f"{f' --images {images}' if images else ''}",
    }  # fmt: skip
    rows = []
    for reading, (read, megabytes) in evaluated.items():
        metrics = read.metrics
        right = metrics["class_accuracy"] or {}
        classes = {c: {m: rounded(v) for m, v in row.items()} for c, row in metrics["classes"].items()}
        rows.append({
            "variant": reading + few(images), **same, **{m: rounded(v) for m, v in metrics["mean"].items()},
            "class_accuracy": rounded(min((v for v in right.values() if v is not None), default=None)),
            "memory_mb": round(megabytes),
            "classes": json.dumps(classes, separators=(",", ":")),
            "scores": scores_json(read.scores) if reading == name or measure is not None else "",
            **({column: rounded(value) for column, value in measured.items()} if reading == name else {}),
        })  # fmt: skip
    return rows


@torch.no_grad()
def _least_used(detector: Detector, dataset: AnomalyDataset, cache: str | Path | None) -> float | None:
    """Find the codebook that gives the smallest share of its codes to the images trained on, and return that share.

    Of all levels, and of all classes that have images; None without codebooks.
    """
    model, config = detector.model, detector.config
    if isinstance(model, Rival) or model.quantizer is None:
        return None
    tiles = detector.tiling.cut([sample.path for sample in dataset.train])
    features = features_of_images(detector.backbone, tiles.pictures, cache, white=detector.white)
    class_ids = torch.tensor([sample.class_id for sample in dataset.train])
    seen = (~held_out(class_ids, config.holdout, config.seed))[tiles.image].nonzero()[:, 0]
    parts = detector.tiling.part_ids(tiles, class_ids)
    used = torch.zeros(len(model.quantizer.quantizers), model.classes, config.codes, dtype=torch.bool)
    for some in seen.split(config.batch_size):
        ids = model(detector.standardize(features[some]), parts[some]).code_ids  # (B, levels, L)
        for level, row in enumerate(ids.unbind(1)):
            used[level, model.switch(parts[some])[:, None], row] = True
    share = used.float().mean(2)[:, used.any(2).any(0)]
    return float(share.min())


def few(images: int) -> str:
    """Say in a variant's name how many images of a class it saw, if not all."""
    return f" from {images} images" if images else ""


def fewer(samples: Sequence[Sample], most: int) -> Iterator[Sample]:
    """Yield at most so many samples of each class, at equal distances in their order."""
    for class_id in dict.fromkeys(sample.class_id for sample in samples):
        mine = [sample for sample in samples if sample.class_id == class_id]
        number = min(most, len(mine))
        yield from (mine[i * len(mine) // number] for i in range(number))


def scores_json(scores: dict[str, tuple[list[float], list[float]]]) -> str:
    """Write the image scores of each class, good and defective, as JSON with four digits: what can be resampled."""
    return json.dumps({c: [[float(f"{s:.4g}") for s in kind] for kind in both] for c, both in scores.items()},
                      separators=(",", ":"))  # fmt: skip


def rounded(value: float | None) -> float | None:
    """Round a value to four digits, if there is one."""
    return None if value is None else round(value, 4)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command's options."""
    described = "Trains and evaluates variants of the model, a row of a csv for each run."
    ablate = Parser(prog="python -m benchmarks.ablate", description=described)
    ablate.add_argument("--data", type=Path, required=True, metavar="DIR", help="as for hvq train")
    ablate.add_argument("--out", type=Path, metavar="FILE", help="default: results/ablations.csv in the data folder; "
                        "rows that are in it are not computed again")  # fmt: skip
    ablate.add_argument("--variants", metavar="A,B", help=f"default: all of them: {', '.join(VARIANTS)}")
    ablate.add_argument("--seeds", default="0,1,2", metavar="S,S", help="default: 0,1,2")
    ablate.add_argument("--steps", default="300", metavar="N,N", help="optimiser steps of the runs; default: 300")
    ablate.add_argument("--workers", type=int, default=1, help="runs at a time; default: 1")
    ablate.add_argument("--cache", type=Path, metavar="DIR", help="for features; default: cache in the data folder")
    ablate.add_argument("--no-readings", action="store_true", help="do not read each run in other ways too")
    ablate.add_argument("--images", type=int, default=0, metavar="N",
                        help="of a class to train on, at most; default: 0, all")  # fmt: skip
    ablate.add_argument("--json", action="store_true", help="print the result as JSON")
    return ablate


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    stopped = "stopped; repeated, it computes the rows that are missing."
    return exit_status("benchmarks.ablate", lambda: _command(arguments), stopped)


def _command(arguments: Sequence[str] | None) -> None:
    """Do what the options ask for."""
    options = parser().parse_args(arguments)
    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; it must be 1 or more.")
    seeds, steps = numbers("seeds", options.seeds), numbers("steps", options.steps)
    variants = options.variants.split(",") if options.variants else list(VARIANTS)
    out = options.out or data_folder(make=True) / "results" / "ablations.csv"
    cache = options.cache or data_folder(make=True) / "cache"
    if options.images < 0:
        raise InputError(f"--images is {options.images}; it must be 0 or more.")
    trained = ablate(options.data, out, variants, seeds, steps, options.workers, cache,
                     readings=not options.no_readings, images=options.images)  # fmt: skip
    if options.json:
        print(json.dumps({"trained": trained, "rows": str(out)}, indent=2))


def numbers(name: str, text: str) -> list[int]:
    """Read whole numbers with commas between them."""
    try:
        return [int(number) for number in text.split(",")]
    except ValueError as error:
        raise InputError(f"--{name} is {text}; give whole numbers with commas between them.") from error


if __name__ == "__main__":
    sys.exit(main())
