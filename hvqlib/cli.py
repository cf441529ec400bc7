"""Run the command line: hvq data | train | evaluate | predict | export | recalibrate | course.

Results go to standard output, progress and messages to standard error. Exit status 0: done; 2: bad input, said in
one sentence; 1: a run that failed through no fault of its input. What a command needs is imported when it runs.
"""

from __future__ import annotations

import sys

from hvqlib.cli_options import parser, settings
from hvqlib.errors import InputError, RunError, exit_status

TYPE_CHECKING = False  # as in cli_options
if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from hvqlib.detector.detector import Detector
    from hvqlib.detector.exported import ExportedDetector


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    for stream in (sys.stdout, sys.stderr):  # a name that a console cannot show must not stop the work
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    stopped = "stopped; a download resumes where it left off when repeated, a training with --resume."
    return exit_status("hvq", lambda: _run(parser().parse_args(arguments)), stopped)


def _run(options: argparse.Namespace) -> None:
    if options.command == "course":
        return _course(options)
    name = options.name if options.command == "data" else options.command
    {"foundry": _foundry, "check": _check, "get": _get, "train": _train, "evaluate": _evaluate,
     "predict": _predict, "export": _export, "recalibrate": _recalibrate}[name](options)  # fmt: skip


def _course(options: argparse.Namespace) -> None:
    from hvqlib.course import copies

    if options.name == "copy":
        copies.copy_course(options.folder, options.students)
        print(f"{options.folder}: open it with jupyter lab {options.folder}/notebooks", file=sys.stderr)
    elif options.name == "reset":
        path, kept = copies.reset(options.folder, options.page)
        print(f"{path}: begun again" + (f"; as it was before: {kept.name}" if kept else ""), file=sys.stderr)
    elif options.name == "check":
        print(copies.progress_table(options.folder))
    else:
        from hvqlib.course import marking

        marks: list[marking.Mark] = []
        if options.out.is_dir():
            raise InputError(f"'{options.out}' is a folder: name a file for the table with --out.")
        for one in marking.mark(options.folders, options.minutes):
            marks.append(one)
            marking.write(marks, options.out)
            if one.state != "untouched":
                print(f"{one.student} {one.exercise}: {one.state}", file=sys.stderr)
        print(marking.summary(marks))


def _foundry(options: argparse.Namespace) -> None:
    from hvqlib.course.foundry.dataset import PHOTOGRAPHED, make_foundry
    from hvqlib.files import data_folder

    out = options.out or data_folder(make=True) / "foundry"
    print(f"{out}: {', '.join(make_foundry(out, options.seed)) or 'already there'}", file=sys.stderr)
    if not (out / PHOTOGRAPHED).is_dir():
        where = data_folder(make=True) / PHOTOGRAPHED
        print(
            f"The photographs of {PHOTOGRAPHED} come with a checkout of the project, and '{where}' is not there: "
            "the data set has its six drawn products only.",
            file=sys.stderr,
        )


def _check(options: argparse.Namespace) -> None:
    from hvqlib.data.inspection import inspect_folder, report_table

    report = inspect_folder(options.folder)
    print(_json(report) if options.json else report_table(report))
    if not report["usable"]:
        raise InputError(f"'{options.folder}' cannot be used yet: see what is marked as a problem.")


def _get(options: argparse.Namespace) -> None:
    from hvqlib.data.download import MVTEC_STEPS, fetch_dataset
    from hvqlib.files import data_folder

    out = options.out or data_folder(make=True) / options.source
    if fetch_dataset(options.source, out, options.archive):
        print(f"{out}: unpacked. To inspect it: hvq data check {out}", file=sys.stderr)
    else:
        print(MVTEC_STEPS)


def _train(options: argparse.Namespace) -> None:
    import os
    from collections import Counter

    from hvqlib import processes
    from hvqlib.data.dataset import load_dataset
    from hvqlib.detector.detector import Detector
    from hvqlib.detector.run_folder import read_checkpoint
    from hvqlib.detector.tiling import told_fit
    from hvqlib.false_alarms import told_shortage
    from hvqlib.files import data_folder
    from hvqlib.training.train import train

    config, dataset = settings(options), load_dataset(options.data)
    if os.environ.get("RANK", "0") == "0":  # of several processes the first
        print(dataset.told_left_out() + told_fit(config, dataset), end="", file=sys.stderr)
    train(
        config,
        dataset,
        options.out,
        minutes=options.minutes,
        resume=options.resume,
        cache=options.cache or data_folder(make=True) / "cache",
        checkpoint_every=options.checkpoint_every,
        device=options.device,
    )
    if processes.rank():
        return  # process 0 reports
    tensors, state = read_checkpoint(options.out)
    if "history" in tensors:
        from hvqlib.evaluation.figures import curves

        curves(tensors["history"].numpy(), options.out / "curves.png")
    print(f"{options.out}: {state['step']} steps, {state['seconds']:.0f} s", file=sys.stderr)
    if state["done"]:
        print(Detector.load(options.out, options.device).promise, file=sys.stderr)
    numbers = Counter(sample.class_name for sample in dataset.train)
    if few := told_shortage(list(numbers.values()), config.holdout):
        print(few, file=sys.stderr)
    if options.json:
        print(_json({"run": str(options.out), **state}))


def _evaluate(options: argparse.Namespace) -> None:
    from pathlib import Path

    from hvqlib.data.dataset import load_dataset
    from hvqlib.detector.detector import Detector
    from hvqlib.evaluation.evaluate import evaluate, metrics_table
    from hvqlib.evaluation.figures import gallery
    from hvqlib.files import data_folder, write_atomic

    detector, dataset = Detector.load(options.run, options.device), load_dataset(options.data)
    print(dataset.told_left_out(), end="", file=sys.stderr)
    result = evaluate(
        detector,
        dataset,
        cache=options.cache or data_folder(make=True) / "cache",
        score=options.score,
        normalize=options.normalize,
        labels=options.labels,
        progress=True,
    )
    if options.json == "":
        print(_json(result.metrics))
    else:
        print(metrics_table(result.metrics))
        if options.labels == "inferred":
            shares = [f"{k} {'n/a' if v is None else f'{v:.3f}'}" for k, v in result.metrics["class_accuracy"].items()]
            print(f"class accuracy: {', '.join(shares)}")
    text = (_json(result.metrics) + "\n").encode()  # after the table, which must not be lost where this is refused
    for path in filter(None, (options.json, options.run / "metrics.json")):
        write_atomic(Path(path), text)
    gallery(result.examples, options.run / "gallery.png", detector.white)


def _predict(options: argparse.Namespace) -> None:
    from tqdm.auto import tqdm

    from hvqlib.evaluation.predictions import predict

    if options.smallest is not None and not (options.masks and options.smallest > 0):
        raise InputError("--smallest goes with --masks, and is 1 or more.")
    images = _photographs(options.images)
    detector = _detector(options)
    detector.judge([], options.class_name, options.false_alarm)  # what cannot be is refused at once
    rate = options.false_alarm if options.false_alarm is not None else detector.usual_rate
    judged_at = "if they score above all images trained on" if rate is None else f"at a false-alarm rate of {rate:.1%}"
    print(f"{detector.promise} Images are called defective {judged_at}.", file=sys.stderr)

    def tell(path: object, row: dict | InputError) -> None:
        bar.update()
        if isinstance(row, InputError):
            bar.write(f"hvq predict: {row}", sys.stderr)
        elif not options.json:
            why = f"  ({row['spoke']})" if row["verdict"] == "defective" and detector.config.picture else ""
            said = f"{row['verdict']:9}  p {row['p_value']:.3f}  {row['score']:8.3f}"
            why += f"  (the first of {row['pages']} pages)" if "pages" in row else ""
            bar.write(f"{said}  {row['class']}  {path}{why}", sys.stdout)

    with tqdm(total=len(images), desc="judging", unit="image", disable=len(images) < 2) as bar:
        rows, unread = predict(
            detector, images, options.out, options.class_name, options.false_alarm,
            masks=options.masks, smallest=options.smallest or 1, tell=tell,
        )  # fmt: skip
    if options.json:
        print(_json(rows))
    else:
        print(f"{options.out}: heat maps, scores.json and scores.csv", file=sys.stderr)
    if unread:
        names = ", ".join(f"'{path}'" for path in unread)
        others = " The others are written." if rows else ""
        raise RunError(f"{len(unread)} of {len(images)} images could not be judged: {names}.{others}")


def _photographs(given: Sequence[str]) -> list[Path]:
    """List photographs, and tell what is left out."""
    from hvqlib.data.listing import reason
    from hvqlib.evaluation.predictions import photographs

    images, own, others = photographs(given)
    if own:
        print(f"Left out: {len(own)} heat maps or masks of hvq predict, such as '{own[0]}'.", file=sys.stderr)
    if others:
        print(f"Left out: {len(others)} others, such as '{others[0]}' ({reason(others[0])}).", file=sys.stderr)
    if not images:
        raise InputError("Nothing but heat maps or masks of hvq predict was given: give photographs.")
    return images


def _detector(options: argparse.Namespace) -> Detector | ExportedDetector:
    if options.model:
        from hvqlib.detector.exported import ExportedDetector

        if options.device:
            raise InputError("--device goes with --run: an exported detector runs on the CPU.")
        return ExportedDetector.load(options.model)
    from hvqlib.detector.detector import Detector

    return Detector.load(options.run, options.device)


def _export(options: argparse.Namespace) -> None:
    if options.onnx and not options.data:
        raise InputError("--onnx needs --data, a data set on whose training images the export is tried.")
    if options.out:
        from hvqlib.detector.run_folder import export

        export(options.run, options.out)
        result: dict = {"run": str(options.out)}
        said = ""
    else:
        from hvqlib.detector.onnx_export import export_onnx

        found = export_onnx(options.run, options.onnx, options.data)
        result = {"model": str(options.onnx / "model.onnx"), **found}
        said = (
            f": on {found['images']} images the same classes and verdicts as the run; scores differ by at most "
            f"{found['score']:.1e} of them ({found['ties']} by more than 1e-4), maps by {found['map']:.1e}"
        )
    print(f"{options.out or options.onnx}: exported{said}", file=sys.stderr)
    if options.json:
        print(_json(result))


def _recalibrate(options: argparse.Namespace) -> None:
    from hvqlib.files import data_folder
    from hvqlib.training.recalibrate import add_images

    images = _photographs(options.add)
    cache = options.cache or data_folder(make=True) / "cache"
    found = add_images(options.run, images, options.class_name, options.out, cache)
    if options.json:
        return print(_json(found))
    rate = (
        "no rate promised" if found["false_alarm"] is None else f"at a false-alarm rate of {found['false_alarm']:.1%}"
    )
    print(f"class {found['class']}: {found['images']} images known, {found['new']} new")
    print(f"{'':24}{'before':>12}{'after':>12}")
    for key, form in (("promising", "{:.0f}"), ("least", "{:.1%}"), ("threshold", "{:.3f}")):
        said = {"promising": "images that promise", "least": "least rate promised", "threshold": "threshold"}[key]
        print(f"{said:24}{form.format(found['before'][key]):>12}{form.format(found['after'][key]):>12}")
    print(f"The old run calls {found['flagged']} of the new ones other than normal, {rate}.")
    p = f"p = {found['p_value']:.3g}; said wrongly in 1 of 100 cases"
    print({
        True: "They look like the old ones.",
        False: f"They do not look like the old ones ({p}): the camera or the product has changed.",
        None: f"{found['compared']} old held-out images are too few to tell whether they look like those.",
    }[found["alike"]])  # fmt: skip


def _json(result: object) -> str:
    import json

    return json.dumps(result, indent=2)
