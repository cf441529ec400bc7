"""Measure the notebooks, and write what they take into their heads and the table of notebooks/README.md.

    python docs/course.py           # writes; `make tables`
    python docs/course.py --check   # exit status 1 where a page differs from what was measured

Reading takes a minute for 150 words and 4 s for a line of code, exercises and their solutions apart. The seconds to run
are of data/results/notebook_times.csv (`python -m benchmarks.notebook_times`).
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]
NOTEBOOKS = ROOT / "notebooks"
TIMES = ROOT / "data" / "results" / "notebook_times.csv"
WORDS_A_MINUTE, SECONDS_A_LINE = 150, 4
PLACE = re.compile(r"(<!-- table: notebooks -->\n).*?(<!-- end -->)", re.DOTALL)
HEAD = re.compile(r"\*\*Time\.\*\* [^\n]*")


class Size(NamedTuple):
    """Hold what one notebook asks of its reader."""

    cells: int  # all
    words: int  # of text, without exercises and solutions
    lines: int  # of code, not empty, without exercises and solutions
    exercises: int
    seconds: int  # to run, rounded up to 5

    @property
    def minutes(self) -> int:
        """Minutes to read and to run, exercises apart."""
        return round(self.words / WORDS_A_MINUTE + (self.lines * SECONDS_A_LINE + self.seconds) / 60)


def times() -> dict[str, float]:
    """Seconds that each notebook ran, by its path in notebooks/."""
    with TIMES.open(encoding="utf-8", newline="") as file:
        return {row["notebook"]: float(row["seconds"]) for row in csv.DictReader(file)}


def size(path: Path) -> Size:
    """Count one notebook."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    words = lines = exercises = 0
    within = False  # an exercise or its solution: until the next heading
    for cell in cells:
        text = "".join(cell["source"])
        if cell["cell_type"] == "markdown" and re.match(r"#+ ", text):
            within = bool(re.search(r"^### (Exercise|Solution)", text, re.MULTILINE))
            exercises += len(re.findall(r"^### Exercise", text, re.MULTILINE))
        if not within and cell["cell_type"] == "markdown":
            words += len(re.sub(r"<[^>]+>|!?\[([^\]]*)\]\([^)]*\)", r" \1 ", HEAD.sub("", text)).split())
        elif not within:
            lines += sum(bool(line.strip()) for line in text.splitlines())
    name = path.relative_to(NOTEBOOKS).as_posix()
    return Size(len(cells), words, lines, exercises, 5 * -int(-times().get(name, 0) // 5))


def pages() -> dict[Path, str]:
    """What notebooks/README.md and each notebook should hold."""
    new, rows, whole = {}, [], []
    for path in [*sorted(NOTEBOOKS.glob("*.ipynb")), *sorted(NOTEBOOKS.glob("deeper/*.ipynb"))]:
        one = size(path)
        notebook = json.loads(path.read_text(encoding="utf-8"))
        first = "".join(notebook["cells"][0]["source"])
        title = first.splitlines()[0].removeprefix("# ")
        question = re.search(r"\*\*Question\.\*\* (.*?\?)", first, re.DOTALL)
        said = f"**Time.** {one.minutes} min to read and run (of which {one.seconds} s running, on two CPU cores)"
        said += f", and 5 to 10 min for each of {one.exercises} exercises." if one.exercises else "."
        notebook["cells"][0]["source"] = HEAD.sub(said, first, count=1).splitlines(keepends=True)
        new[path] = json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"
        link = f"[{title}]({path.relative_to(NOTEBOOKS).as_posix()})"
        asked = " ".join(question[1].split()) if question else ""
        rows.append(
            (link, asked, *map(str, (one.cells, one.words, one.lines, one.exercises, one.seconds, one.minutes)))
        )
        if path.parent == NOTEBOOKS:
            whole.append(one)
    total = [sum(getattr(one, name) for one in whole) for name in ("cells", "words", "lines", "exercises", "seconds")]
    main = sum(path.parent == NOTEBOOKS for path in new)
    total_row = (f"The {main} main ones", "", *map(str, total), str(sum(one.minutes for one in whole)))
    head = ("notebook", "question", "cells", "words", "lines of code", "exercises", "run (s)", "read and run (min)")
    lines = [head, ("---",) * 2 + ("---:",) * 6, *rows[:main], total_row, *rows[main:]]
    table = "\n".join("| " + " | ".join(row) + " |" for row in lines)
    readme = NOTEBOOKS / "README.md"
    new[readme] = PLACE.sub(lambda m: f"{m[1]}\n{table}\n\n{m[2]}", readme.read_text(encoding="utf-8"))
    return new


def main(check: bool) -> int:
    stale = [(path, text) for path, text in pages().items() if path.read_text(encoding="utf-8") != text]
    for path, text in stale:
        if not check:
            path.write_text(text, encoding="utf-8")
        said = "not what was counted and measured: make tables" if check else "written"
        print(f"{path.relative_to(ROOT)}: {said}", file=sys.stderr)
    return int(check and bool(stale))


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
