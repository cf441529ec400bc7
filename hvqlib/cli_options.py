"""Define what can be said on the command line, and the configuration that it asks for."""

from __future__ import annotations

import argparse

from hvqlib import __version__
from hvqlib.errors import InputError

TYPE_CHECKING = False  # as typing's, which takes a third of the time of `hvq --help` to import
if TYPE_CHECKING:
    from pathlib import Path

    from hvqlib.config import Config

EXAMPLE = """from photographs to verdicts:
  hvq data check data/mine                                   what is in the folder, and can it be used
  hvq train --data data/mine --out runs/mine --minutes 12    learn what normal looks like
  hvq evaluate --run runs/mine --data data/mine              how good it is, if there are test images
  hvq predict --run runs/mine *.jpg                          a verdict and a heat map for each photograph
  hvq export --run runs/mine --onnx small --data data/mine   two files that judge without torch, in any language
on several GPUs:
  torchrun --nproc-per-node 4 -m hvqlib train --data data/mvtec --out runs/mvtec --preset paper --resume
results go to standard output, progress to standard error; for the options of a command: hvq COMMAND --help"""


class Parser(argparse.ArgumentParser):
    """Say what is wrong in one line, without the usage."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise InputError(f"{message[0].upper()}{message[1:]} (see {self.prog} --help).")


def _path(text: str) -> Path:
    from pathlib import Path

    if not text:
        raise argparse.ArgumentTypeError("the name is empty")
    return Path(text)


def parser() -> argparse.ArgumentParser:
    """Build the parser of the whole command line."""
    main = Parser(
        prog="hvq",
        description="Find defects in photographs of products: one model for many, trained on normal images only.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    main.add_argument("--version", action="version", version=f"hvqlib {__version__}")
    commands = main.add_subparsers(dest="command", required=True, metavar="COMMAND", parser_class=Parser)

    data = commands.add_parser("data", help="make the bundled data set, inspect a folder, download a public data set")
    sources = data.add_subparsers(dest="name", required=True, metavar="WHAT", parser_class=Parser)
    foundry = sources.add_parser("foundry", help="make the bundled data set: six drawn products and one "
                                 "photographed, no download")  # fmt: skip
    foundry.add_argument("--out", type=_path, metavar="DIR", help="default: foundry in the data folder")
    foundry.add_argument("--seed", type=int, default=0, help="another seed draws other pictures; default: 0")
    check = sources.add_parser(
        "check",
        help="inspect a folder: layout, counts, images that cannot be read, masks, duplicates",
        description="Reads every image of a folder, and reports what it found and what that means for a run. "
        "Exit status 0: usable, perhaps with remarks; 2: not usable yet.",
    )
    check.add_argument("folder", type=_path, metavar="DIR", help="a folder of class folders, or one class folder")
    check.add_argument("--json", action="store_true", help="print JSON instead of a table")
    get = sources.add_parser(
        "get",
        help="download a public data set: visa; or unpack one that you downloaded: mvtec",
        description="visa: downloads 1.9 GB (CC BY 4.0), checks the SHA-256, unpacks another 1.9 GB; interrupted, it "
        "resumes where it left off. mvtec: says how to get the archive by hand, and with --archive unpacks it.",
    )
    get.add_argument("source", choices=["visa", "mvtec"], help="which one")
    get.add_argument("--out", type=_path, metavar="DIR", help="folder to make; default: its name in the data folder")
    get.add_argument("--archive", type=_path, metavar="FILE", help="the archive, if you have it already")

    train = commands.add_parser("train", help="train on the normal images of a folder")
    train.add_argument("--data", type=_path, required=True, metavar="DIR",
                       help="CLASS/train/good/*.png inside, or another layout that hvq data check knows")  # fmt: skip
    train.add_argument("--out", type=_path, required=True, metavar="RUN", help="run folder to make")
    train.add_argument("--preset", choices=["paper", "small-gpu", "tiny"], default="tiny",
                       help="default: tiny (a CPU, minutes); small-gpu: about an hour on a GPU; paper: as published "
                       "(a GPU, hours)")  # fmt: skip
    train.add_argument("--method", choices=["hvq", "continuous", "dropout", "knn", "kmeans", "place", "pca"],
                       help="default: hvq. continuous: the same network without codebooks; dropout: with dropout in "
                       "their place. Rivals: knn (nearest patch), kmeans (residual codebooks), place (mean of the "
                       "place), pca (PCA of the picture)")  # fmt: skip
    train.add_argument("--backbone", metavar="NAME", help="a timm model; default: the preset's")
    shape = train.add_mutually_exclusive_group()
    shape.add_argument("--fit", choices=["squeeze", "letterbox"],
                       help="how an image becomes a square: squeezed (the default), or with its shape kept and its "
                       "edges repeated")  # fmt: skip
    shape.add_argument("--tiles", type=int, nargs="?", const=0, metavar="PIXELS",
                       help="cut images into overlapping squares of PIXELS a side (default: the image's "
                       "shorter side); hvq data check suggests a size")  # fmt: skip
    train.add_argument("--overlap", type=float, metavar="SHARE",
                       help="least share of a tile that the next one also covers; default: 0.25")  # fmt: skip
    train.add_argument("--codes", type=int, metavar="K", help="prototypes per level and class; use more if normal "
                       "images of a class vary a lot (needs memory); default: the preset's")  # fmt: skip
    length = train.add_mutually_exclusive_group()
    length.add_argument("--minutes", type=float, metavar="M", help="train for M minutes instead of a number of steps")
    length.add_argument("--steps", type=int, help="optimiser steps; default: the preset's")
    train.add_argument("--seed", type=int, help="default: 0")
    train.add_argument("--precision", choices=["float32", "bfloat16"], help="default: the preset's")
    train.add_argument("--resume", action="store_true", help="continue from the run's last checkpoint, if there is one")
    train.add_argument(
        "--checkpoint-every", type=int, default=100, metavar="N", help="steps between checkpoints; default: 100"
    )

    evaluate = commands.add_parser("evaluate", help="per-class metrics of a run on a data set's test images")
    evaluate.add_argument(
        "--data", type=_path, required=True, metavar="DIR", help="test images in CLASS/test/good and CLASS/test/DEFECT"
    )
    evaluate.add_argument(
        "--labels",
        choices=["given", "inferred"],
        default="given",
        help="class of a test image: its folder's (given, the default), or inferred",
    )
    evaluate.add_argument(
        "--score",
        choices=["combined", "residual", "released"],
        help="map from residual and transport score, residual alone, or as in the authors' release; default: the run's",
    )
    evaluate.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="compare each place with its own normal values, not the class's; default: the run's",
    )
    evaluate.add_argument(
        "--json",
        nargs="?",
        const="",
        metavar="FILE",
        help="print the metrics as JSON; with FILE, print the table and write JSON to FILE",
    )

    predict = commands.add_parser("predict", help="judge photographs, with a heat map for each")
    predict.add_argument(
        "--out",
        type=_path,
        default="predictions",
        metavar="DIR",
        help="for heat maps and scores.json and .csv; adds to what is there; default: predictions",
    )
    predict.add_argument(
        "--class", dest="class_name", metavar="NAME", help="class of all these photographs; inferred if not given"
    )
    predict.add_argument("--false-alarm", type=float, metavar="RATE",
                         help="share of normal images that may be called defective; default: 0.05, or the "
                         "lowest rate that the run can promise")  # fmt: skip
    predict.add_argument("--masks", action="store_true", help="write masks of what is anomalous, and boxes around it")
    predict.add_argument("--smallest", type=int, metavar="PIXELS",
                         help="area below which a region is left out of --masks and boxes; default: 1")  # fmt: skip
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="photographs of any size, folders, or patterns")

    detector = predict.add_mutually_exclusive_group(required=True)
    detector.add_argument("--run", type=_path, help="run folder that hvq train made")
    detector.add_argument("--model", type=_path, metavar="FILE",
                          help="or the model.onnx that hvq export --onnx made; needs no torch")  # fmt: skip

    export = commands.add_parser(
        "export", help="make a small copy of a finished run, or an ONNX model that runs without torch"
    )
    folder = export.add_mutually_exclusive_group(required=True)
    folder.add_argument("--out", type=_path, metavar="DIR",
                        help="folder to make for a small run: float16, only what judging needs")  # fmt: skip
    folder.add_argument("--onnx", type=_path, metavar="DIR",
                        help="folder to make, of model.onnx and detector.json; needs --data")  # fmt: skip
    export.add_argument("--data", type=_path, metavar="DIR",
                        help="data set on whose training images --onnx is compared with the run")  # fmt: skip

    recalibrate = commands.add_parser(
        "recalibrate",
        help="calibrate a run again with new normal images, no training",
        description="Give it normal images that a person has checked. The old run is kept; a table shows what changed.",
    )
    recalibrate.add_argument("--add", required=True, nargs="+", metavar="IMAGE", help="images, folders, or patterns")
    recalibrate.add_argument(
        "--class", dest="class_name", metavar="NAME", help="class of the new images; needed if the run knows several"
    )
    recalibrate.add_argument("--out", type=_path, required=True, metavar="NEW", help="run folder to make")

    course = commands.add_parser("course", help="working copies of the notebooks: make, reset, check, mark")
    works = course.add_subparsers(dest="name", required=True, metavar="WHAT", parser_class=Parser)
    copy = works.add_parser("copy", help="make a working copy of the course in a new folder")
    copy.add_argument("folder", type=_path, metavar="DIR", help="folder to make, outside of the project")
    copy.add_argument("--students", action="store_true", help="hide solutions, right answers and hints")
    reset = works.add_parser("reset", help="replace a notebook of a copy by a fresh one; the old one is kept beside it")
    reset.add_argument("folder", type=_path, metavar="DIR", help="the copy")
    reset.add_argument("page", metavar="PAGE", help="such as 05, or deeper/05")
    done = works.add_parser("check", help="list which exercises of a copy are done, from its saved outputs")
    done.add_argument("folder", type=_path, metavar="DIR", help="the copy")
    mark = works.add_parser(
        "mark",
        help="run the answers in students' copies, and write a table",
        description="Runs what each student wrote, in the course's own notebooks. Their code can write only to a "
        "temporary folder and to shared memory, and cannot use TCP (Linux 6.12 or newer).",
    )
    mark.add_argument("folders", nargs="+", type=_path, metavar="DIR", help="students' copies")
    mark.add_argument("--out", type=_path, default="marks.csv", metavar="FILE", help="default: marks.csv")
    mark.add_argument("--minutes", type=float, default=15, metavar="M", help="limit for one notebook; default: 15")

    for command in (evaluate, export, recalibrate):
        command.add_argument("--run", type=_path, required=True, help="run folder that hvq train made")
    for command in (train, predict, export, recalibrate):
        command.add_argument("--json", action="store_true", help="print the result as JSON")
    for command in (train, evaluate, predict):
        command.add_argument("--device", help='"cpu", "cuda", ...; default: the first GPU if there is one')
    for command in (train, evaluate, recalibrate):
        command.add_argument("--cache", type=_path, metavar="DIR",
                             help="folder of cached features; default: cache in the data folder")  # fmt: skip
    return main


def settings(options: argparse.Namespace) -> Config:
    """Make the configuration that the options of `hvq train` ask for."""
    from dataclasses import replace

    from hvqlib.config import PRESETS

    names = ("method", "backbone", "fit", "overlap", "codes", "steps", "seed", "precision")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.tiles is not None:
        given |= {"fit": "tiles", "tile": options.tiles}
    elif options.overlap is not None:
        raise InputError("--overlap goes with --tiles.")
    if "steps" in given:
        given["epochs"] = 0
    return replace(PRESETS[options.preset], **given)
