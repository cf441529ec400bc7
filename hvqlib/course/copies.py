"""Make working copies of the course, begin a page again, and say which exercises are done."""

from __future__ import annotations

import ast
import json
import shutil
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from hvqlib.course.sealed import FILE, seal
from hvqlib.errors import InputError
from hvqlib.files import data_folder, refuse_filled, whole_folder, write_atomic

ABOUT = ".course.json"  # in a copy: how it was made
OWN = ("my_photographs", "scoreboard.json")  # of the data folder: what a reader makes, and no copy shares
STATES = {"✓": "done", "✗": "tried", "○": "untouched"}  # by how the line of a check begins


class Exercise(NamedTuple):
    """Hold where an exercise is among the cells of a notebook of the course."""

    name: str  # "10.1": the first of notebook 10
    title: str
    stub: int  # cell for the reader's answer
    check: int
    solution: range  # markdown and code


def source(cell: dict[str, Any]) -> str:
    """Join the lines of a cell."""
    return "".join(cell["source"])


def last_line(checked: dict[str, Any]) -> str:
    """Read what the cell of a check says: its last line, for the reader's code may print before it; "" if nothing."""
    printed = [output for output in checked.get("outputs", []) if output.get("name") == "stdout"]
    lines = "".join("".join(output["text"]) for output in printed).split("\n")
    return next((line for line in reversed(lines) if line.strip()), "")


def exercises(page: Path, notebook: dict[str, Any]) -> list[Exercise]:
    """Find the exercises of a notebook of the course."""
    heads = [i for i, c in enumerate(notebook["cells"]) if c["cell_type"] == "markdown" and source(c).startswith("#")]
    found: list[Exercise] = []
    for i, after in zip(heads, [*heads[1:], len(notebook["cells"])], strict=True):
        text = source(notebook["cells"][i])
        if text.startswith("### Exercise"):
            end = next((j for j in heads if j > after), len(notebook["cells"]))
            title = text.splitlines()[0].removeprefix("### ")
            found.append(Exercise(f"{page.stem[:2]}.{len(found) + 1}", title, i + 1, after - 1, range(after, end)))
    return found


def original() -> Path:
    """Find the notebooks of the course; raises InputError where they did not come with this hvqlib."""
    folder = Path(__file__).resolve().parents[2] / "notebooks"
    if not folder.is_dir():
        raise InputError(f"'{folder}' is missing: the notebooks come with a checkout of the project; work in one.")
    return folder


def pages(folder: Path) -> list[Path]:
    """List the notebooks in a folder and in its folder `deeper`, as paths in it."""
    return [path.relative_to(folder) for path in sorted([*folder.glob("[0-9]*.ipynb"), *folder.glob("deeper/*.ipynb")])]


def read(path: Path) -> dict[str, Any]:
    """Read a notebook. Raises InputError where it is none."""
    try:
        notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(notebook["cells"], list):
            raise ValueError("no list of cells")
        return notebook
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"'{path}' is no notebook ({error}): hvq course reset gives a new one.") from error


def without_solutions(page: Path, notebook: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Take solutions, right answers and hints out of a notebook, in place; return them, for `seal`."""
    cells, sealed, gone = notebook["cells"], {}, set()
    for exercise in exercises(page, notebook):
        checked = cells[exercise.check]
        answer = [cells[i] for i in exercise.solution if cells[i]["cell_type"] == "code"]
        call: Any = ast.parse(source(checked)).body[-1]
        mine = ast.unparse(call.value.args[1])
        solution = "\n".join(source(cell) for cell in answer if "check_solution(" not in source(cell))
        sealed[exercise.name] = {"check": source(checked), "solution": solution}
        checked["source"] = [f'check_sealed("{exercise.name}", {mine})']
        run = f'run_sealed("{exercise.name}")  # the course\'s own answer, which cells below use'
        answer[0] |= {"source": [run], "outputs": []}
        gone |= {i for i in exercise.solution if cells[i] is not answer[0]}
    notebook["cells"] = [cell for i, cell in enumerate(cells) if i not in gone]
    if sealed:
        first = next(cell for cell in notebook["cells"] if cell["cell_type"] == "code")
        line = "from hvqlib.course.sealed import check_sealed, run_sealed  # this copy shows no solutions\n"
        first["source"] = [line, *first["source"]]
    return sealed


def copy_course(out: Path, students: bool = False) -> None:
    """Make a working copy of the course in a new folder: notebooks, glossary, and links to the data.

    With `students` it shows no solutions. Raises InputError where `out` holds something or lies in the project itself.
    """
    home = original()
    refuse_filled(out, "choose another folder, or begin a page again with hvq course reset")
    if home.parent in [out.resolve(), *out.resolve().parents]:
        raise InputError(f"'{out}' lies in the project itself, '{home.parent}': choose a folder outside of it.")
    with whole_folder(out) as made:
        (made / "notebooks" / "deeper").mkdir(parents=True)
        sealed: dict[str, dict[str, str]] = {}
        for page in pages(home):
            notebook = read(home / page)
            if students:
                sealed |= without_solutions(page, notebook)
            (made / "notebooks" / page).write_text(_text(notebook), encoding="utf-8")
        shutil.copyfile(home / "glossary.md", made / "notebooks" / "glossary.md")
        if students:
            (made / "notebooks" / FILE).write_bytes(seal(sealed))
        (made / ABOUT).write_text(json.dumps({"students": students}), encoding="utf-8")
        link_data(made / "data")
        if (docs := home.parent / "docs").is_dir():
            with suppress(OSError):  # Windows allows it to some only; two pages link there
                (made / "docs").symlink_to(docs, target_is_directory=True)


def link_data(folder: Path) -> None:
    """Make a data folder that links to what this one's holds, but for what a reader makes."""
    folder.mkdir(parents=True)
    for part in sorted(data_folder().iterdir()):
        if part.name not in OWN and not part.name.startswith("."):
            try:
                (folder / part.name).symlink_to(part.resolve(), target_is_directory=part.is_dir())
            except OSError:  # Windows allows it to some only
                with suppress(OSError):
                    folder.rmdir()
                return  # without a folder `data`, the library finds that of the checkout


def reset(copy: Path, name: str) -> tuple[Path, Path | None]:
    """Begin a page of a copy again, such as "05"; returns its path and where the old one, if any, is kept beside it."""
    about, home = _about(copy), original()
    chosen = [page for page in pages(home) if page.as_posix().startswith(name) or page.name == name]
    if len(chosen) != 1:
        fits = ", ".join(page.as_posix() for page in chosen) or "none"
        raise InputError(f"'{name}' should name one page of the course, such as 05 or deeper/05; it fits {fits}.")
    page, notebook = chosen[0], read(home / chosen[0])
    if about["students"]:
        without_solutions(page, notebook)
    path = copy / "notebooks" / page
    kept = None
    if path.exists():
        kept = path.with_name(f"{path.stem}.before-{time.strftime('%Y%m%d-%H%M%S')}.ipynb")
        if kept.exists():
            raise InputError(f"'{kept}' is there already: wait a second.")
        path.rename(kept)
    write_atomic(path, _text(notebook).encode())
    return path, kept


def progress(copy: Path) -> Iterator[tuple[str, str, str]]:
    """Say of each exercise of a copy, by its name and title, how it stands, by what the notebooks say as saved.

    "done", "tried", "untouched"; "not checked" where an answer was changed after its check was run, or none was;
    "removed" where a cell is missing.
    """
    _about(copy)
    home = original()
    for page in pages(home):
        begun = read(home / page)
        asked = exercises(page, begun)
        if not asked:
            continue
        mine = {cell.get("id"): cell for cell in read(copy / "notebooks" / page)["cells"]}
        for exercise in asked:
            stub, checked = (mine.get(begun["cells"][i]["id"]) for i in (exercise.stub, exercise.check))
            yield exercise.name, exercise.title, _state(source(begun["cells"][exercise.stub]), stub, checked)


def _state(begun: str, stub: dict[str, Any] | None, checked: dict[str, Any] | None) -> str:
    if stub is None or checked is None:
        return "removed"
    if source(stub).strip() == begun.strip():
        return "untouched"
    state = STATES.get(last_line(checked)[:1], "not checked")
    later = (stub.get("execution_count") or 0) > (checked.get("execution_count") or 0)
    return "not checked" if later or state == "untouched" else state


def progress_table(copy: Path) -> str:
    """Lay out how the exercises of a copy stand, a line for each notebook."""
    lines: dict[str, list[str]] = {}
    for name, title, state in progress(copy):
        lines.setdefault(name[:2], []).append(f"{title.split(' · ')[0].removeprefix('Exercise ')} {state}")
    every = [state for line in lines.values() for state in line]
    done = sum(state.endswith(" done") for state in every)
    body = [f"{number}   " + "".join(f"{state:<18}" for state in line).rstrip() for number, line in lines.items()]
    return "\n".join([*body, f"{done} of {len(every)} exercises done"])


def _about(copy: Path) -> dict[str, Any]:
    try:
        return dict(json.loads((copy / ABOUT).read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise InputError(f"'{copy}' is no copy of the course: hvq course copy makes one.") from error


def _text(notebook: dict[str, Any]) -> str:
    return json.dumps(notebook, ensure_ascii=False, indent=1) + "\n"
