"""The command line: hvq data | train | evaluate | predict | export | ablate.

Results go to standard output, progress and messages to standard error. Exit status 0: done; 2: bad input, said in
one sentence; 1: a run that failed through no fault of its input.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from .config import PRESETS, Config, InputError, RunError

CACHE = Path("data/cache")
RESULTS = Path("data/results/ablations.csv")


class _Parser(argparse.ArgumentParser):
    """argparse that says what is wrong in one line, without the usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise InputError(f"{message[0].upper()}{message[1:]} (see {self.prog} --help).")


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    main = _Parser(prog="hvq", description="Visual anomaly detection with HVQ-Trans: one model for many products.")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=_Parser)

    data = commands.add_parser("data", help="draw the bundled data set, look a folder over, get a public data set")
    sources = data.add_subparsers(dest="name", required=True, metavar="WHAT", parser_class=_Parser)
    foundry = sources.add_parser("foundry", help="draw the bundled data set: six products, no download")
    foundry.add_argument("--out", type=Path, default=Path("data/foundry"), metavar="DIR", help="default: data/foundry")
    foundry.add_argument("--seed", type=int, default=0)
    check = sources.add_parser(
        "check",
        help="look a folder over: layout, counts, images that cannot be read, masks, duplicates",
        description="Reads every image of a folder and says what was found and what follows from it. "
        "Exit status 0: it can be used, whatever is remarked; 2: it cannot yet.",
    )
    check.add_argument("folder", type=Path, metavar="DIR", help="a folder of class folders, or one class folder")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    get = sources.add_parser(
        "get",
        help="get a public data set: visa (downloaded), mvtec (you download it, this unpacks it)",
        description="visa: downloads 1.9 GB (CC BY 4.0), checks the SHA-256, unpacks another 1.9 GB; interrupted, it "
        "goes on where it was. mvtec: says how to get the archive by hand, and with --archive unpacks it.",
    )
    get.add_argument("source", choices=["visa", "mvtec"])
    get.add_argument("--out", type=Path, metavar="DIR", help="folder to make; default: data/visa or data/mvtec")
    get.add_argument("--archive", type=Path, metavar="FILE", help="the archive, where you have it already")

    train = commands.add_parser("train", help="train on the normal images of a folder in MVTec AD layout")
    train.add_argument("--data", type=Path, required=True, metavar="DIR", help="CLASS/train/good/*.png inside")
    train.add_argument("--out", type=Path, required=True, metavar="RUN", help="run folder to make")
    train.add_argument("--preset", choices=sorted(PRESETS), default="tiny", help="default: tiny (CPU, minutes)")
    train.add_argument("--method", choices=["hvq", "continuous", "knn"], help="default: hvq; the others are baselines")
    train.add_argument("--backbone", metavar="NAME", help="a timm model; default: the preset's")
    train.add_argument("--minutes", type=float, metavar="M", help="train for M minutes instead of a number of steps")
    train.add_argument("--steps", type=int, help="optimiser steps; default: the preset's")
    train.add_argument("--seed", type=int, help="default: 0")
    train.add_argument("--precision", choices=["float32", "bfloat16"], help="default: the preset's")
    train.add_argument("--resume", action="store_true", help="go on from the run's last checkpoint, if there is one")
    train.add_argument("--checkpoint-every", type=int, default=100, metavar="N", help="steps; default: 100")

    evaluate = commands.add_parser("evaluate", help="per-class metrics of a run on a data set's test images")
    evaluate.add_argument("--run", type=Path, required=True)
    evaluate.add_argument("--data", type=Path, required=True, metavar="DIR")
    evaluate.add_argument("--labels", choices=["given", "inferred"], default="given", help="default: given")
    evaluate.add_argument("--score", choices=["combined", "residual", "released"], help="default: the run's")
    evaluate.add_argument("--normalize", action=argparse.BooleanOptionalAction, help="by place; default: the run's")
    evaluate.add_argument("--json", type=Path, metavar="FILE", help="write the metrics here too")

    predict = commands.add_parser("predict", help="score photographs, with a heat map beside each")
    predict.add_argument("--run", type=Path, required=True)
    predict.add_argument("--out", type=Path, required=True, metavar="DIR")
    predict.add_argument("--class", dest="class_name", metavar="NAME", help="their class; inferred when not given")
    predict.add_argument("--false-alarm", type=float, metavar="RATE",
                         help="share of normal images that may be called defective; default: 0.05")  # fmt: skip
    predict.add_argument("images", nargs="+", type=Path, metavar="IMAGE")

    export = commands.add_parser("export", help="make a finished run small: float16, only what judging images needs")
    export.add_argument("--run", type=Path, required=True)
    export.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder to make")

    ablate = commands.add_parser("ablate", help="train and evaluate variants of the model, a row of a csv for each run")
    ablate.add_argument("--data", type=Path, required=True, metavar="DIR")
    ablate.add_argument("--out", type=Path, default=RESULTS, metavar="FILE",
                        help=f"default: {RESULTS}; rows that are in it are not computed again")  # fmt: skip
    ablate.add_argument("--variants", metavar="A,B", help="default: all of them")
    ablate.add_argument("--seeds", default="0,1,2", metavar="S,S", help="default: 0,1,2")
    ablate.add_argument("--steps", type=int, default=300, help="optimiser steps of each run; default: 300")
    ablate.add_argument("--workers", type=int, default=1, help="runs at a time; default: 1")

    for command in (train, evaluate, predict):
        command.add_argument("--device", help='"cpu", "cuda", ...; default: the first GPU if there is one')
    for command in (train, evaluate, ablate):
        command.add_argument(
            "--cache", type=Path, default=CACHE, metavar="DIR", help=f"folder of cached features; default: {CACHE}"
        )
    return main


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    try:
        options = parser().parse_args(arguments)
        COMMANDS[options.command](options)
        return 0
    except InputError as error:
        print(f"hvq: {error}", file=sys.stderr)
        return 2
    except (RunError, OSError) as error:
        print(f"hvq: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hvq: stopped; a training goes on from its last checkpoint with --resume.", file=sys.stderr)
        return 1


def _data(options: argparse.Namespace) -> None:
    {"foundry": _foundry, "check": _check, "get": _get}[options.name](options)


def _foundry(options: argparse.Namespace) -> None:
    from .synthetic import draw_foundry

    drawn = draw_foundry(options.out, options.seed)
    print(f"{options.out}: {'drawn' if drawn else 'already there'}", file=sys.stderr)


def _check(options: argparse.Namespace) -> None:
    from .check import check, table

    report = check(options.folder)
    print(json.dumps(report, indent=2) if options.json else table(report))
    if not report["usable"]:
        raise InputError(f"'{options.folder}' cannot be used yet: see what is marked as a problem.")


def _get(options: argparse.Namespace) -> None:
    from .download import MVTEC_STEPS, get

    out = options.out or Path("data") / options.source
    if get(options.source, out, options.archive):
        print(f"{out}: unpacked. To look it over: hvq data check {out}", file=sys.stderr)
    else:
        print(MVTEC_STEPS)


def settings(options: argparse.Namespace) -> Config:
    """The configuration that the options of `hvq train` ask for."""
    names = ("method", "backbone", "steps", "seed", "precision")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if "steps" in given:
        given["epochs"] = 0
    config = replace(PRESETS[options.preset], **given)
    return replace(config, score="residual") if config.method != "hvq" else config  # no codebooks, no transport


def _train(options: argparse.Namespace) -> None:
    from . import parallel
    from .data import load_dataset
    from .run import read_checkpoint
    from .train import train

    if options.checkpoint_every < 1:
        raise InputError(f"--checkpoint-every is {options.checkpoint_every}; it must be 1 or more.")
    train(
        settings(options),
        load_dataset(options.data),
        options.out,
        minutes=options.minutes,
        resume=options.resume,
        cache=options.cache,
        checkpoint_every=options.checkpoint_every,
        device=options.device,
    )
    if parallel.rank():
        return  # process 0 tells
    tensors, state = read_checkpoint(options.out)
    if "history" in tensors:
        from .plots import curves

        curves(tensors["history"].numpy(), options.out / "curves.png")
    print(f"{options.out}: {state['step']} steps, {state['seconds']:.0f} s", file=sys.stderr)


def _evaluate(options: argparse.Namespace) -> None:
    from .data import load_dataset
    from .evaluate import Detector, evaluate, table
    from .plots import gallery
    from .run import write_atomic

    detector = Detector.load(options.run, options.device)
    result = evaluate(
        detector,
        load_dataset(options.data),
        cache=options.cache,
        score=options.score,
        normalize=options.normalize,
        labels=options.labels,
        progress=True,
    )
    text = (json.dumps(result.metrics, indent=2) + "\n").encode()
    for path in filter(None, (options.run / "metrics.json", options.json)):
        write_atomic(path, text)
    gallery(result.examples, options.run / "gallery.png")
    print(table(result.metrics))
    if options.labels == "inferred":
        shares = [f"{k} {'n/a' if v is None else f'{v:.3f}'}" for k, v in result.metrics["class_accuracy"].items()]
        print(f"class accuracy: {', '.join(shares)}")


def _predict(options: argparse.Namespace) -> None:
    from .data import read_image
    from .evaluate import Detector, predict
    from .plots import heat_map
    from .run import write_atomic

    rows = []
    stems = [path.stem for path in options.images]
    detector = Detector.load(options.run, options.device)
    judged = predict(detector, options.images, options.class_name, options.false_alarm, progress=True)
    for i, found in enumerate(judged):
        name = stems[i] if stems.count(stems[i]) == 1 else f"{stems[i]}_{i}"
        heat = options.out / f"{name}_heatmap.png"
        heat_map(heat, read_image(found.path), found.anomaly_map, 0, 2 * found.threshold)
        verdict = "defective" if found.defective else "normal"
        row = {"image": str(found.path), "class": found.class_name, "verdict": verdict, "score": found.score,
               "threshold": found.threshold, "p_value": found.p_value, "false_alarm": found.false_alarm,
               "heat_map": str(heat)}  # fmt: skip
        rows.append(row)
        print(f"{verdict:9}  p {found.p_value:.3f}  {found.score:8.3f}  {found.class_name}  {found.path}")
    write_atomic(options.out / "scores.json", (json.dumps(rows, indent=2) + "\n").encode())


def _export(options: argparse.Namespace) -> None:
    from .run import export

    export(options.run, options.out)


def _ablate(options: argparse.Namespace) -> None:
    from .ablate import VARIANTS, ablate

    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; it must be 1 or more.")
    try:
        seeds = [int(seed) for seed in options.seeds.split(",")]
    except ValueError as error:
        raise InputError(f"--seeds is {options.seeds}; give whole numbers with commas between them.") from error
    variants = options.variants.split(",") if options.variants else list(VARIANTS)
    ablate(options.data, options.out, variants, seeds, options.steps, options.workers, options.cache)


COMMANDS = {
    "data": _data,
    "train": _train,
    "evaluate": _evaluate,
    "predict": _predict,
    "export": _export,
    "ablate": _ablate,
}
