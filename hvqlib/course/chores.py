"""Do the project's chores on any system with Python: set up, run, test, build. The Makefile's targets call these.

python -m hvqlib.course CHORE     # in a checkout, with any Python that is new enough; `--help` lists the chores
"""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Sequence

from hvqlib.course.installation import ROOT, Step, do, install_here, installed, interpreter, set_up
from hvqlib.errors import InputError

CHORES = {
    "setup": "make .venv with all packages; a second call does nothing",
    "run": "make the bundled data set, train and evaluate; again after Ctrl-C, it goes on",
    "test": "lint and types, every test, every notebook against its saved outputs",
    "test-browser": "notebooks in JupyterLab and Chromium, then the site and the slides",
    "lab": "open JupyterLab on the first notebook; what follows goes to it",
    "site": "build the course as static pages, site/index.html",
    "slides": "make slides of the notebooks, slides/lecture.html, and sheets to print",
    "notebooks": "run every notebook in place and save it with its outputs",
    "tables": "fill the tables of docs/ and notebooks/, and draw the figures, from data/results/",
    "lint": "linter and type checker",
    "tidy": "fix what the linter can fix, and drop widget state from notebooks",
    "clean-run": "remove what `run` trained",
}
LIGHT_WILL_DO = ("run", "lab")  # the others need the tools of the full set-up
# Threads that wait without spinning: beside a browser or a second kernel, several times faster on two cores.
PATIENT = ("test", "test-browser", "lab", "notebooks")
UNSCORED = ("test", "test-browser", "notebooks")  # outputs never depend on what somebody predicted before


def steps(chore: str, extra: Sequence[str] = ()) -> list[Step]:
    """List the commands of a chore, less its set-up; `extra` goes to JupyterLab."""
    draw = _module("hvqlib data foundry")  # once, before several processes ask for it
    lint = [_module("ruff check ."), _module("ruff format --check ."), _module("mypy")]
    paths = [path for pattern in ("*.ipynb", "deeper/*.ipynb") for path in sorted((ROOT / "notebooks").glob(pattern))]
    notebooks = [path.relative_to(ROOT).as_posix() for path in paths]
    drop_widgets = _module("nbstripout --keep-output --keep-count --keep-id", notebooks)
    wrong_answers = str(ROOT / "tests" / "wrong_answers.py")  # each check of a notebook must refuse them
    chores = {
        # Each finishes what is unfinished and leaves alone what is done.
        "run": [
            draw,
            _module("hvqlib train --data data/foundry --out runs/demo --preset tiny --resume"),
            _module("hvqlib evaluate --run runs/demo --data data/foundry"),
        ],
        # Two at a time, a thread each.
        "test": [
            *lint,
            draw,
            _module("pytest -n 2 --dist worksteal", OMP_NUM_THREADS="1"),
            _module(
                "pytest -n 2 --dist loadfile --nbval --nbval-current-env --nbval-cell-timeout 600 "
                "--durations 0 --durations-min 10 notebooks",
                OMP_NUM_THREADS="1",
                PYTHONSTARTUP=wrong_answers,
            ),
        ],
        "test-browser": [draw, _module("pytest -n 2 --dist worksteal tests/browser", OMP_NUM_THREADS="1")],
        "lab": [
            _module(
                "jupyterlab --ServerApp.ip=127.0.0.1 --ServerApp.root_dir=. "
                "--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb",
                extra,
            )
        ],
        "site": [Step(["docs/build_site.py"])],
        "slides": [Step(["docs/build_slides.py"])],
        "notebooks": [
            _module("nbconvert --to notebook --execute --inplace --ExecutePreprocessor.record_timing=False", notebooks),
            drop_widgets,
        ],
        "tables": [Step([f"docs/{name}.py"]) for name in ("tables", "course", "figures")],
        "lint": lint,
        "tidy": [_module("ruff check --fix --exit-zero ."), _module("ruff format ."), drop_widgets],
    }
    return chores[chore]


def _module(line: str, more: Sequence[str] = (), **variables: str) -> Step:
    """Run a module by its name: where scripts lie, and what they are called, differs between systems."""
    return Step(["-m", *line.split(), *more], variables)


def variables_for(chore: str) -> dict[str, str]:
    """Give the variables of a chore's commands. Whatever the shell says, they work with this checkout's data folder."""
    variables = {"HVQ_DATA": str(ROOT / "data")}
    if chore in PATIENT:
        variables["OMP_WAIT_POLICY"] = "PASSIVE"
    if chore in UNSCORED:
        variables["HVQ_SCOREBOARD"] = ""
    return variables


def parser() -> argparse.ArgumentParser:
    """Say how chores are asked for."""
    main = argparse.ArgumentParser(prog="python -m hvqlib.course", description="Do a chore of the project.")
    chores = main.add_subparsers(dest="chore", required=True, metavar="CHORE")
    for chore, told in CHORES.items():
        one = chores.add_parser(chore, help=told, description=told[0].upper() + told[1:] + ".")
        if chore == "setup":
            one.add_argument("--light", action="store_true", help="what the notebooks need, and none of the tools")
            one.add_argument("--torch", choices=("cpu", "any"), help="a torch for the CPU alone, or the usual one; "
                             "default: cpu for --light on Linux without an NVIDIA GPU, else any")  # fmt: skip
            one.add_argument("--here", action="store_true", help="install for the Python that runs this, without .venv")
    return main


def chore(options: argparse.Namespace, extra: Sequence[str]) -> int:
    """Do one chore; returns the exit status."""
    if not (ROOT / "constraints.txt").is_file():
        raise InputError(f"'{ROOT}' is no checkout of the project: clone it, and run this in its folder.")
    if options.chore == "clean-run":
        if (ROOT / "runs" / "demo").exists():
            shutil.rmtree(ROOT / "runs" / "demo")
        return 0
    if options.chore == "setup" and options.here:
        return install_here(options.light, options.torch)
    if options.chore == "setup":
        if not (status := set_up(options.light, options.torch)):
            python = "py" if sys.platform == "win32" else "python3"
            print(f"The set-up is done. To open the course: {python} -m hvqlib.course lab")
        return status
    light = options.chore in LIGHT_WILL_DO and installed()[0] == "light"
    status = set_up(light) or do(interpreter(), steps(options.chore, extra), variables_for(options.chore))
    if options.chore == "run" and not status:
        print("Look at runs/demo/gallery.png and runs/demo/metrics.json. To train from the start: clean-run, then run.")
    return status


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the chore that the command line asks for; returns the exit status, that of its command where one failed."""
    options, extra = parser().parse_known_args(arguments)
    if extra and options.chore != "lab":
        parser().error(f"unrecognized arguments: {' '.join(extra)}")
    try:
        return chore(options, extra)
    except InputError as error:
        print(f"hvqlib: {error}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"hvqlib: the system refused ({error}): if that is in .venv, remove it, and repeat.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("hvqlib: stopped; the same command goes on where this one was.", file=sys.stderr)
        return 130
