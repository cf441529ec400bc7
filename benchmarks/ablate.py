"""Ablations: a grid of variants x lengths x seeds on a data set, a row of a csv for every evaluated run, resumable."""

from __future__ import annotations

import csv
import io
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path

import torch

from hvqlib.config import Config
from hvqlib.course.results import COLUMNS, KEY, VARIANTS, read_rows
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.detector.run_folder import read_checkpoint
from hvqlib.errors import InputError
from hvqlib.evaluation.evaluate import evaluate
from hvqlib.features.extraction import extract_features
from hvqlib.files import write_atomic
from hvqlib.rivals.nearest_neighbour import NearestNeighbour
from hvqlib.training.train import held_out, train

# Other ways of evaluating the same trained run; they cost no training.
READINGS: dict[str, dict] = {
    "inferred class": {"labels": "inferred"},
    "no transport score": {"score": "residual"},
    "released score": {"score": "released"},
    "no place calibration": {"normalize": False},
}


def ablate(
    data: str | Path,
    out: str | Path,
    variants: Sequence[str] = tuple(VARIANTS),
    seeds: Sequence[int] = (0, 1, 2),
    steps: Sequence[int] = (300,),
    workers: int = 1,
    cache: str | Path | None = None,
    base: Config | None = None,
) -> int:
    """Train and evaluate each variant at each length with each seed, and append a row to `out` as each is done.

    Parameters
    ----------
    data : a data set's folder; its name is what the rows call it.
    out : csv of :data:`COLUMNS`. Rows that are there already are not computed again.
    variants : of :data:`VARIANTS`. The run of "full" is also read in every way of :data:`READINGS`.
    seeds, steps : of the trainings; each length is a training of its own, annealed to its end.
    workers : runs at a time, each with its share of the cores.
    cache : folder for the frozen features.
    base : the configuration that variants change; the tiny preset when not given.

    Returns
    -------
    How many runs were trained.

    Raises
    ------
    InputError : an unknown variant, or a csv with other columns.
    """
    unknown = [name for name in variants if name not in VARIANTS]
    if unknown:
        raise InputError(f"No variant {', '.join(unknown)}: choose from {', '.join(VARIANTS)}.")
    out, data = Path(out), Path(data)
    there = {tuple(row[name] for name in KEY) for row in read_rows(out)}
    # A nearest-neighbour bank is not trained: its rows say 1 step.
    grid = ((name, seed, 1 if VARIANTS[name].get("method") == "knn" else length)
            for seed in seeds for length in steps for name in variants)  # fmt: skip
    jobs = [job for job in dict.fromkeys(grid) if (job[0], data.name, str(job[1]), str(job[2])) not in there]
    threads = max(1, torch.get_num_threads() // workers)
    # A fresh process for each run: its peak memory is its own.
    with ProcessPoolExecutor(workers, get_context("spawn"), max_tasks_per_child=1) as pool:
        base = base or Config()
        runs = [pool.submit(_run, *job, data, cache, base, threads) for job in jobs]
        for i, run in enumerate(as_completed(runs), 1):
            rows = run.result()
            _append(out, rows)
            first = rows[0]
            print(f"{i}/{len(jobs)} {first['variant']}, {first['steps']} steps, seed {first['seed']}: image AUROC "
                  f"{first['image_auroc']}, pixel AUROC {first['pixel_auroc']}, {first['cpu_seconds']} s",
                  file=sys.stderr)  # fmt: skip
    return len(jobs)


def _append(path: Path, rows: Sequence[dict]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*read_rows(path), *rows])
    write_atomic(path, text.getvalue().encode())


def _run(
    name: str, seed: int, steps: int, data: Path, cache: str | Path | None, base: Config, threads: int
) -> list[dict]:
    """Train one variant with one seed, in a process of its own; its rows."""
    torch.set_num_threads(threads)
    config = replace(base, **VARIANTS[name], seed=seed, steps=steps, epochs=0)
    dataset = load_dataset(data)
    with tempfile.TemporaryDirectory() as folder:
        start = time.process_time()  # of all threads; unlike the clock on the wall, it leaves out what else runs
        run = train(config, dataset, Path(folder) / "run", cache=cache, progress=False, checkpoint_every=10**9)
        seconds = time.process_time() - start
        tensors, _ = read_checkpoint(run)
        usage, perplexity = tensors["history"][-1, 3:].tolist() if "history" in tensors else (None, None)
        detector = Detector.load(run)
        least = _least_used(detector, dataset, cache)
    same = {
        "data": data.name, "seed": seed, "steps": steps, "usage": _round(usage),
        "least_used": _round(least), "perplexity": _round(perplexity),
        "cpu_seconds": round(seconds), "machine": f"{_processor()}, {threads} threads",
        "torch": torch.__version__, "hvqlib": version("hvqlib"), "commit": _commit(),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "command": f'hvq ablate --data {data} --variants "{name}" --seeds {seed} --steps {steps}',
    }  # fmt: skip
    rows = []
    for reading, options in {name: {}, **(READINGS if name == "full" else {})}.items():
        found = evaluate(detector, dataset, cache=cache, **options).metrics
        right = found["class_accuracy"] or {}
        classes = {c: {m: _round(v) for m, v in row.items()} for c, row in found["classes"].items()}
        rows.append({
            "variant": reading, **same, **{m: _round(v) for m, v in found["mean"].items()},
            "class_accuracy": _round(min((v for v in right.values() if v is not None), default=None)),
            "memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,  # so far
            "classes": json.dumps(classes, separators=(",", ":")),
        })  # fmt: skip
    return rows


@torch.no_grad()
def _least_used(detector: Detector, dataset: AnomalyDataset, cache: str | Path | None) -> float | None:
    """Share of its codes that the codebook which uses fewest gives to the images trained on, of all levels and classes
    that have any; None without codebooks."""
    model, config = detector.model, detector.config
    if isinstance(model, NearestNeighbour) or model.quantizer is None:
        return None
    features = extract_features(detector.backbone, [sample.path for sample in dataset.train], cache)
    class_ids = torch.tensor([sample.class_id for sample in dataset.train])
    seen = (~held_out(class_ids, config.holdout, config.seed)).nonzero()[:, 0]
    used = torch.zeros(len(model.quantizer.quantizers), model.classes, config.codes, dtype=torch.bool)
    for some in seen.split(config.batch_size):
        ids = model(detector.standardize(features[some]), class_ids[some]).code_ids  # (B, levels, L)
        for level, row in enumerate(ids.unbind(1)):
            used[level, model.switch(class_ids[some])[:, None], row] = True
    share = used.float().mean(2)[:, used.any(2).any(0)]
    return float(share.min())


def _round(value: float | None) -> float | None:
    return None if value is None else round(value, 4)


def _processor() -> str:
    """The name of the processor, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(":")[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _commit() -> str:
    """The commit of this working copy, marked where the library differs from it; empty outside of one."""

    def git(*arguments: str) -> str:
        told = subprocess.run(["git", *arguments], cwd=Path(__file__).parent, capture_output=True, text=True)
        return told.stdout.strip()

    return git("rev-parse", "--short", "HEAD") + ("-dirty" if git("status", "--porcelain", "--", ".") else "")
