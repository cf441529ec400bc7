"""Minutes that each part of the paths in teaching/paths.md takes, as counted and run; the rows of path_times.csv.

    python -m benchmarks.path_times ["90 minutes"] ["half a day"] ["two days"] ["a term"] [--csv FILE]
                                    [--seconds run|notebooks|kept]

A part is a row of a table of teaching/paths.md, and is counted as that page says: words and lines of the sections that
"where" links to, exercises and solutions apart, less what "skip" names; the minutes that "let do" states; a minute for
each question of "ask". To run a part, each of its notebooks is run in a kernel of its own from its first cell to the
last one linked; a later part of the same path goes on in that kernel. With `--seconds notebooks` nothing is run: the
seconds of the whole notebook, from notebook_times.csv, stand in the first part that needs it. With `--seconds kept`
those of the table stay, and words, lines and minutes are counted anew. A path that is named again has its rows
replaced. Data sets are drawn and features cached before: run `make test` once.
"""

from __future__ import annotations

import argparse
import csv
import datetime
import json
import os
import re
import runpy
import time
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbclient import NotebookClient

from benchmarks.measure import commit, processor_name, write_rows
from hvqlib.errors import InputError

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "teaching" / "paths.md"
TIMES = ROOT / "data" / "results" / "path_times.csv"
COURSE = runpy.run_path(str(ROOT / "docs" / "course.py"))  # how fast a page is read
COLUMNS = ("minutes", "where", "show", "let do", "ask", "skip", "if it fails")
FIELDS = [
    *("path", "part", "planned", "seconds", "seconds_from", "words", "lines", "doing", "questions", "minutes"),
    *("machine", "commit", "date"),
]
LINK = re.compile(r"\[((?:[^\[\]])+)\]\(([^()#\s]+\.ipynb)(?:#((?:[^()\s]|\([^()\s]*\))+))?\)")


class Section(NamedTuple):
    """Hold what stands under one heading of a notebook, up to the next heading of any level."""

    level: int
    title: str
    text: str  # of its markdown; none of an exercise or solution
    lines: int  # of code, not empty; none of an exercise or solution
    predictions: int  # cells that ask for one
    end: int  # the cell after its last one

    @property
    def anchor(self) -> str:
        """Its name in a link, as JupyterLab makes it."""
        return self.title.replace(" ", "-")

    @property
    def paragraphs(self) -> list[str]:
        """Its paragraphs, the heading apart, each on one line."""
        return [" ".join(part.split()) for part in self.text.split("\n\n")[1:]]


class Count(NamedTuple):
    """Hold what a part takes, apart from running it."""

    words: int
    lines: int
    doing: int  # minutes
    questions: int

    def minutes(self, seconds: float) -> float:
        """Minutes in all, with so many seconds of waiting for cells."""
        read = self.words / COURSE["WORDS_A_MINUTE"] + self.lines * COURSE["SECONDS_A_LINE"] / 60
        return read + self.doing + self.questions + seconds / 60


def words(text: str) -> int:
    """Count words as docs/course.py does: no tags, of a link its text alone."""
    return len(re.sub(r"<[^>]+>|!?\[([^\]]*)\]\([^)]*\)", r" \1 ", COURSE["HEAD"].sub("", text)).split())


@cache
def sections(path: Path) -> list[Section]:
    """Cut a notebook at its headings."""
    found: list[Section] = []
    for number, cell in enumerate(json.loads(path.read_text(encoding="utf-8"))["cells"]):
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            for piece in filter(None, re.split(r"^(?=#{1,4} )", source, flags=re.MULTILINE)):
                if heading := re.match(r"(#+) (.+)", piece):
                    found.append(Section(len(heading[1]), heading[2].strip(), "", 0, 0, number))
                text = "" if _is_exercise(found[-1]) else piece
                found[-1] = found[-1]._replace(text=f"{found[-1].text}{text}\n\n", end=number + 1)
        else:
            lines = sum(bool(line.strip()) for line in source.splitlines())
            asks = bool(re.search(r"^predict\(", source, re.MULTILINE))
            last = found[-1]
            if not _is_exercise(last):
                last = last._replace(lines=last.lines + lines, predictions=last.predictions + asks)
            found[-1] = last._replace(end=number + 1)
    return found


def _is_exercise(section: Section) -> bool:
    return section.level == 3 and section.title.startswith(("Exercise", "Solution"))


def tables(page: str) -> dict[str, list[dict[str, str]]]:
    """Read the rows of each path from the page, by the path's name in lower case."""
    paths = {}
    for part in re.split(r"^## ", page, flags=re.MULTILINE)[1:]:
        name, rows, head = part.splitlines()[0].strip().lower(), [], None
        for line in part.splitlines():
            cells = [cell.strip() for cell in line.strip().strip("|").split(" | ")] if line.startswith("|") else []
            if not cells:
                head = None
            elif head is None:
                head = [cell.strip("| ") for cell in cells]
            elif not set(line) <= set("|-: "):
                rows.append(dict(zip(head, cells, strict=True)))
        if rows:
            paths[name] = rows
    return paths


def linked(cell: str) -> list[tuple[Path, list[Section]]]:
    """Find the sections that a cell of a table links to: of each link its notebook and them.

    A link to a heading stands for all below it, up to the next of its level; to a title, for the head alone; to a
    notebook, for all of it; "A to B" for all from A to the end of B. Raises InputError for a heading that is not there.
    """
    found: list[tuple[Path, list[Section]]] = []
    before = 0
    for match in LINK.finditer(cell):
        path = (PAGE.parent / match[2]).resolve()
        every = sections(path)
        first, last = 0, len(every)
        if match[3]:
            first = next((i for i, one in enumerate(every) if one.anchor == match[3]), -1)
            if first < 0:
                raise InputError(f"{PAGE.name}: {path.name} has no heading '{match[3]}'; link to one that it has.")
            level = every[first].level
            later = range(first + 1, len(every))
            last = first + 1 if level == 1 else next((i for i in later if every[i].level <= level), len(every))
        if found and cell[before : match.start()] == " to ":
            start = every.index(found.pop()[1][0])
            found.append((path, every[start:last]))
        else:
            found.append((path, every[first:last]))
        before = match.end()
    return found


def counted(row: dict[str, str]) -> Count:
    """Count the words, lines, minutes and questions of a part."""
    read = [section for _, those in linked(row["where"]) for section in those]
    skip = row["skip"]
    code_of = " ".join(re.findall(r"code of (\[[^\]]+\]\([^ ]+\))", skip))
    shown = [] if "all code" in skip else [one for one in read if one not in _inside(code_of)]
    away = _inside(re.sub(r"code of \[[^\]]+\]\([^ ]+\)", "", skip))
    total = sum(words(one.text) for one in read if one not in away)
    for begin in quoted(skip):
        long = [text for one in read if one not in away for text in one.paragraphs if text.startswith(begin)]
        if not long:
            raise InputError(f"{PAGE.name}: no paragraph of {row['where']} begins with '{begin}'; quote one that does.")
        total -= words(long[0])
    lines = sum(one.lines for one in shown if one not in away)
    doing = sum(int(number) for number in re.findall(r"\((\d+) min\)", row["let do"]))
    questions = len(quoted(row["ask"]))
    if "every prediction" in row["ask"]:
        questions += sum(one.predictions for one in read if one not in away)
    return Count(total, lines, doing, questions)


def _inside(cell: str) -> list[Section]:
    return [section for _, those in linked(cell) for section in those]


def quoted(cell: str) -> list[str]:
    """What stands in double quotes in a cell."""
    return re.findall(r'"([^"]+)"', LINK.sub("", cell))


def run(rows: list[dict[str, str]]) -> list[float]:
    """Run what each part of a path needs; returns the seconds of each."""
    clients: dict[Path, NotebookClient] = {}
    done: dict[Path, int] = {}
    seconds = []
    with ExitStack() as stack:
        for row in rows:
            began = time.perf_counter()
            for path, those in linked(row["where"]):
                if path not in clients:
                    notebook = nbformat.read(path, as_version=4)
                    home = {"metadata": {"path": str(path.parent)}}
                    clients[path] = NotebookClient(notebook, timeout=900, resources=home)
                    stack.enter_context(clients[path].setup_kernel())
                    done[path] = 0
                for number in range(done[path], those[-1].end):
                    clients[path].execute_cell(clients[path].nb.cells[number], number)
                done[path] = max(done[path], those[-1].end)
            seconds.append(time.perf_counter() - began)
            print(f"part {len(seconds)}: {seconds[-1]:.0f} s", flush=True)
    return seconds


def recorded(rows: list[dict[str, str]]) -> list[float]:
    """Seconds of notebook_times.csv for the notebooks of each part, each where the path first needs it."""
    times, seconds = COURSE["times"](), []
    seen: set[Path] = set()
    for row in rows:
        new = {path for path, _ in linked(row["where"])} - seen
        seen |= new
        seconds.append(sum(times[path.relative_to(ROOT / "notebooks").as_posix()] for path in new))
    return seconds


def main() -> None:
    """Count and run the paths one after the other, and write what each part took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", help="names of paths; all of them where none is named")
    parser.add_argument("--csv", type=Path, default=TIMES)
    parser.add_argument("--seconds", choices=("run", "notebooks", "kept"), default="run", help="where they are from")
    options = parser.parse_args()
    os.environ["HVQ_SCOREBOARD"] = ""
    every = tables(PAGE.read_text(encoding="utf-8"))
    named = options.paths or list(every)
    if unknown := set(named) - set(every):
        parser.error(f"{PAGE.name} has no path {', '.join(sorted(unknown))}; it has {', '.join(every)}.")
    kept: list[dict[str, str]] = []
    if options.csv.exists():
        with options.csv.open(encoding="utf-8", newline="") as file:
            kept = list(csv.DictReader(file))
    for name in named:
        rows = every[name]
        counts = [counted(row) for row in rows]
        before = [row for row in kept if row["path"] == name]
        kept = [row for row in kept if row["path"] != name]
        if options.seconds == "kept":
            if len(before) != len(rows):
                parser.error(
                    f"{options.csv.name} has {len(before)} parts of '{name}', and the page {len(rows)}: run it."
                )
            seconds = [float(row["seconds"]) for row in before]
        else:
            seconds = run(rows) if options.seconds == "run" else recorded(rows)
            source = "this run" if options.seconds == "run" else "notebook_times.csv"
            now = {"machine": processor_name(), "commit": commit(), "date": datetime.date.today().isoformat()}
            before = [{"seconds_from": source, **now} for _ in rows]
        for part, (row, count, took, measured) in enumerate(zip(rows, counts, seconds, before, strict=True), 1):
            minutes = count.minutes(took)
            values = {"path": name, "part": part, "planned": row["minutes"], "seconds": round(took, 1)}
            values |= {**count._asdict(), "minutes": round(minutes, 1)}
            kept.append(measured | {field: str(value) for field, value in values.items()})
            over = "" if minutes <= int(row["minutes"]) else "  <- over"
            print(f"{name}, part {part}: planned {row['minutes']}, counted {minutes:.1f}; {count}{over}")
        all_of = sum(count.minutes(took) for count, took in zip(counts, seconds, strict=True))
        print(f"{name}: planned {sum(int(row['minutes']) for row in rows)}, counted {all_of:.1f}")
    order = {name: number for number, name in enumerate(every)}
    kept = sorted((row for row in kept if row["path"] in order), key=lambda row: order[row["path"]])
    write_rows(options.csv, FIELDS, kept)


if __name__ == "__main__":
    main()
