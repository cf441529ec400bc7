"""Mark students' copies of the course: run their answers in the course's own notebooks, confined, within a time limit.

python -m hvqlib.course.marking FOLDER     # what each notebook is run by: FOLDER/page.ipynb, confined to FOLDER
"""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from hvqlib.course.copies import OWN, STATES, Exercise, exercises, last_line, original, pages, read, source
from hvqlib.course.sandbox import LEAST, UNABLE, confine, end_with_parent, version
from hvqlib.errors import InputError
from hvqlib.files import data_folder, write_atomic

PAGE, LIMITED, SECONDS = "page.ipynb", "of-a-student", 120  # tag of cells that may take so long; others the whole time


class Mark(NamedTuple):
    """Hold how one exercise of a student stands, after their answer was run."""

    student: str  # the folder's name, or its path where another has the same name
    exercise: str  # "10.1"
    title: str
    state: str  # done, tried, failing, stopped (too long, or its kernel ended), untouched, unreadable
    minutes: float  # that its notebook ran
    predictions: int  # that the student committed, in the whole course


def mark(copies: Sequence[Path], minutes: float = 15) -> Iterator[Mark]:
    """Mark every exercise in students' copies; a notebook runs for at most so many minutes.

    What a student wrote runs in the course's notebook in the place of the exercise, whatever else they changed. It can
    write to a temporary folder and to shared memory alone, use no TCP, and signal no other process. Raises InputError
    where this system cannot confine it, a folder is no copy of the course, or the notebooks' packages are missing.
    """
    if version() < LEAST:
        raise InputError(UNABLE)
    for package in ("nbclient", "nbformat", "ipykernel"):
        if find_spec(package) is None:
            raise InputError(f"Marking needs {package}: pip install 'hvqlib[course]'.")
    for copy in copies:
        if not (copy / "notebooks").is_dir():
            raise InputError(f"'{copy}' is no copy of the course: hvq course copy makes one.")
    names = [copy.resolve().name for copy in copies]
    for copy, name in zip(copies, names, strict=True):
        yield from _mark(copy, name if names.count(name) == 1 else copy.as_posix(), minutes)


def _mark(copy: Path, student: str, minutes: float) -> Iterator[Mark]:
    home = original()
    try:
        committed = len(json.loads((copy / "data" / OWN[1]).read_text(encoding="utf-8"))["predictions"])
    except (OSError, ValueError, KeyError, TypeError):
        committed = 0
    for page in pages(home):
        notebook = read(home / page)
        asked = exercises(page, notebook)
        if not asked:
            continue
        try:
            theirs = read(copy / "notebooks" / page)["cells"]
            answers = [_answer(notebook["cells"], exercise, theirs) for exercise in asked]
        except (InputError, KeyError, TypeError, AttributeError):
            yield from (Mark(student, e.name, e.title, "unreadable", 0, committed) for e in asked)
            continue
        began = time.monotonic()
        states = ["untouched"] * len(asked)
        if any(answers):
            for exercise, answer in zip(asked, answers, strict=True):
                if answer is not None:
                    notebook["cells"][exercise.stub]["source"] = answer
                    for i in (exercise.stub, exercise.check):
                        notebook["cells"][i]["metadata"]["tags"] = [LIMITED]
            ran = run(notebook, minutes)
            states = [_state(ran, e, answer) for e, answer in zip(asked, answers, strict=True)]
        took = (time.monotonic() - began) / 60
        yield from (Mark(student, e.name, e.title, s, took, committed) for e, s in zip(asked, states, strict=True))


def _answer(ours: list[dict[str, Any]], exercise: Exercise, theirs: list[dict[str, Any]]) -> str | None:
    """Find what a student wrote for an exercise: all code between its heading and its check; None if nothing."""
    ids = [cell.get("id") for cell in theirs]
    try:
        start, end = ids.index(ours[exercise.stub - 1]["id"]), ids.index(ours[exercise.check]["id"])
    except ValueError:
        start = end = 0
    text = "\n\n".join(source(cell) for cell in theirs[start:end] if cell["cell_type"] == "code")
    return None if text.strip() in ("", source(ours[exercise.stub]).strip()) else text


def _state(ran: dict[str, Any] | None, exercise: Exercise, answer: str | None) -> str:
    if answer is None:
        return "untouched"
    if ran is None:
        return "stopped"
    outputs = [output for i in (exercise.stub, exercise.check) for output in ran["cells"][i]["outputs"]]
    names = {output["ename"] for output in outputs if output["output_type"] == "error"}
    if "KeyboardInterrupt" in names:
        return "stopped"
    if names:
        return "failing"
    told = last_line(ran["cells"][exercise.check])
    return "failing" if ": the code stopped with " in told else STATES.get(told[:1], "stopped")


def run(notebook: dict[str, Any], minutes: float) -> dict[str, Any] | None:
    """Run a notebook, confined, for at most so many minutes; returns it with its outputs, or None if it was stopped."""
    with TemporaryDirectory(prefix="hvq-mark-") as name:
        folder = Path(name)
        for part in ("home", "tmp", "notebooks", "data"):
            (folder / part).mkdir()
        (folder / PAGE).write_text(json.dumps(notebook), encoding="utf-8")
        lend_data(folder / "data")
        places = {"HOME": "home", "TMPDIR": "tmp", "JUPYTER_RUNTIME_DIR": "tmp", "JUPYTER_CONFIG_DIR": "home",
                  "JUPYTER_DATA_DIR": "home", "IPYTHONDIR": "home", "MPLCONFIGDIR": "home", "XDG_CACHE_HOME": "home",
                  "HVQ_DATA": "data"}  # fmt: skip
        environment = {**os.environ, **{key: str(folder / part) for key, part in places.items()}, "HVQ_SCOREBOARD": ""}
        command = [sys.executable, "-m", "hvqlib.course.marking", name]
        process = subprocess.Popen(
            command, cwd=folder, env=environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            with suppress(subprocess.TimeoutExpired):
                process.wait(60 * minutes)
        finally:
            _end(process, folder)
        result = folder / "ran.ipynb"
        return read(result) if process.returncode == 0 and result.is_file() else None


def lend_data(folder: Path) -> None:
    """Link what the data folder holds into an empty one; the cache by its files, so that others can be added."""
    for part in sorted(data_folder().iterdir()):
        if part.name == "cache":
            (folder / "cache").mkdir()
            for file in part.glob("*.features"):
                (folder / "cache" / file.name).symlink_to(file.resolve())
        elif part.name not in OWN and not part.name.startswith("."):
            (folder / part.name).symlink_to(part.resolve())


def _end(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Kill a run with all it started: what was told to work in its folder."""
    told = f"HVQ_DATA={folder}".encode()
    for listed in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):  # it ended meanwhile, or is somebody else's
            if told in listed.read_bytes():
                os.kill(int(listed.parent.name), signal.SIGKILL)
    process.wait()


def table(marks: Sequence[Mark]) -> str:
    """Lay marks out as a csv."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(Mark._fields)
    writer.writerows(one._replace(minutes=round(one.minutes, 1)) for one in marks)
    return file.getvalue()


def summary(marks: Sequence[Mark]) -> str:
    """Say in a line for each student how many exercises stand how."""
    lines = []
    for student in dict.fromkeys(one.student for one in marks):
        mine = [one for one in marks if one.student == student]
        states = dict.fromkeys(one.state for one in mine)
        counted = ", ".join(f"{sum(one.state == state for one in mine)} {state}" for state in states)
        lines.append(f"{student}: {counted}; {mine[0].predictions} predictions committed")
    return "\n".join(lines)


def write(marks: Sequence[Mark], out: Path) -> None:
    """Write the table, whole or not at all."""
    write_atomic(out, table(marks).encode())


def limit(cell: dict[str, Any]) -> int | None:
    """Say how many seconds a cell may take: what a student wrote so many, the course's own what the notebook may."""
    return SECONDS if LIMITED in cell["metadata"].get("tags", ()) else None


def main(folder: Path) -> None:
    """Run FOLDER/page.ipynb and write FOLDER/ran.ipynb, confined to the folder with the kernel that does it."""
    end_with_parent()
    confine([folder])
    import nbformat
    from nbclient import NotebookClient
    from traitlets.config import Config

    notebook = nbformat.read(folder / PAGE, as_version=4)
    settings = Config({"KernelManager": {"transport": "ipc", "ip": str(folder / "tmp" / "kernel")}})
    client = NotebookClient(
        notebook, timeout_func=limit, interrupt_on_timeout=True, allow_errors=True, config=settings,
        resources={"metadata": {"path": str(folder / "notebooks")}},
    )  # fmt: skip
    client.execute()
    nbformat.write(notebook, folder / "ran.ipynb")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
