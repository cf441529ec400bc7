"""Read a folder of photographs and the list of what an inspector said of them, and sort them into the library's layout.

Such lists come out of Excel: with semicolons or tabs, in several encodings, with headers in any letters' case. What is
amiss is said in a sentence; what can be left out is left out, and named.
"""

from __future__ import annotations

import csv
import os
import re
import shutil
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from hvqlib.data.dataset import LEAST_IMAGES, load_dataset
from hvqlib.data.layouts import BAD_NAMES, GOOD_NAMES, PARTS
from hvqlib.data.listing import images, left_out, reason
from hvqlib.errors import InputError
from hvqlib.files import write_atomic

TABLES, WORKBOOKS = (".csv", ".tsv", ".txt"), (".xlsx", ".xls", ".ods")
COLUMNS = {
    "file": ("file", "filename", "file name", "image", "photo", "photograph", "picture", "name", "path"),
    "product": ("product", "class", "part", "type", "article", "product name"),
    "inspected": ("inspected", "inspection", "label", "verdict", "result", "quality", "status"),
}
GOOD = ("good", "ok", "okay", "io", "pass", "passed", "normal", "gut")
BAD = ("bad", "nok", "notok", "nio", "defective", "defect", "faulty", "fail", "failed", "reject", "rejected", "ko",
       "ng", "anomaly", "schlecht")  # fmt: skip
NOTHING = ("", "none", "na", "open", "unknown", "notinspected")
ASIDE = 10  # good photographs of a product, at most, that are kept to measure with
RECORD = "sorted.csv"  # in a folder that `sort_photographs` filled: what it put there
NAMED = 3  # files that a sentence names


@dataclass(frozen=True)
class Photograph:
    """Hold one photograph, and what is known of it."""

    path: Path
    product: str  # "" if it is not known
    said: str  # "good", "bad", or "" if nobody has inspected it


@dataclass
class Photographs:
    """Hold the photographs of a folder, and sentences on what was found there."""

    photographs: list[Photograph]
    remarks: list[str] = field(default_factory=list)

    def told(self) -> str:
        """Count photographs by product and verdict, a line each, and add the remarks."""
        numbers = Counter((one.product, one.said) for one in self.photographs)
        lines = [
            f"{number:4d} photographs: {product or 'unknown product'}, {said or 'not inspected'}"
            for (product, said), number in sorted(numbers.items())
        ]
        return "\n".join(lines + self.remarks)


def read_photographs(folder: str | Path) -> Photographs:
    """Read which photographs a folder holds, and what its list says of them.

    The list is the table beside the photographs (.csv, .tsv or .txt) with a column of files, one of what was inspected
    and, where there are several products, one of products. Without a list a layout that the library knows is read; else
    every photograph counts as good, of one product. Raises InputError where the folder holds no photograph, or the list
    cannot be understood.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"'{folder}' is not a folder: put the folder of your photographs into PHOTOS.")
    paths = images(folder)
    if not paths:
        raise InputError(f"'{folder}' holds no photograph that can be read: save them as PNG or JPEG.{_unread(folder)}")
    found = _with_list(folder, paths, table) if (table := _find_list(folder)) else _without_list(folder, paths)
    found.remarks += [unread.strip()] if (unread := _unread(folder)) else []
    return found


def sort_photographs(found: Photographs, out: str | Path, leave_out: Collection[Path] = ()) -> dict[Path, Path]:
    """Copy the inspected photographs into `out`, in the layout of MVTec AD; returns the original of each copy.

    Of the good ones of a product a fifth, at most ten, goes into ``test/good``, drawn at random: never the last of
    a shift, which share its light. What an earlier call put into `out` is removed first. Raises InputError where `out`
    holds something else, or no product has as many good photographs as are needed.
    """
    out, rng = Path(out), np.random.default_rng(0)
    _empty(out)
    originals: dict[Path, Path] = {}
    for product in sorted({one.product for one in found.photographs} - {""}):
        mine = [one for one in found.photographs if one.product == product]
        good = [one.path for one in mine if one.said == "good"]
        good = [good[i] for i in rng.permutation(len(good)) if good[i] not in leave_out]  # the others keep their order
        if len(good) < LEAST_IMAGES:
            continue
        number = min(ASIDE, len(good) // 5, len(good) - LEAST_IMAGES)
        bad = [one.path for one in mine if one.said == "bad" and one.path not in leave_out]
        for place, files in (("train/good", good[number:]), ("test/good", good[:number]), ("test/defective", bad)):
            for name, path in _names(files).items():
                originals[out / product / place / name] = path
    if not originals:
        raise InputError(
            f"No product has {LEAST_IMAGES} good photographs to learn from: add some, or say which are good."
        )
    record = "".join(f"{copy.relative_to(out).as_posix()}\n" for copy in originals)
    write_atomic(out / RECORD, os.fsencode(record))
    for copy, path in originals.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    return originals


def too_few(found: Photographs) -> str:
    """Say in a sentence which products have too few good photographs to be learned; "" if none has."""
    good = Counter(one.product for one in found.photographs if one.said == "good")
    few = sorted({one.product for one in found.photographs if one.product and good[one.product] < LEAST_IMAGES})
    return f"Left out, for want of {LEAST_IMAGES} good photographs: {', '.join(few)}." if few else ""


def _without_list(folder: Path, paths: Sequence[Path]) -> Photographs:
    """Take a layout at its word; where there is none, every photograph for good."""
    try:
        dataset = load_dataset(folder)
    except InputError:
        product = _folder_name(folder.resolve().name)
        told = f"There is no list: all {len(paths)} photographs count as good, of one product, '{product}'."
        return Photographs([Photograph(one, product, "good") for one in paths], [told])
    samples = (*dataset.train, *dataset.test)
    found = [Photograph(s.path, _folder_name(s.class_name), "bad" if s.label else "good") for s in samples]
    return Photographs(found, ["There is no list: the folders' names say which photographs are good."])


def _with_list(folder: Path, paths: Sequence[Path], path: Path) -> Photographs:
    remarks, rows = [], _rows(path)
    known = _lookup(folder, paths)
    gone, spelled, said = [], dict[str, str](), dict[Path, tuple[int, Photograph]]()
    for line, row in rows:
        product, name = re.sub(r"\s+", " ", row["product"]), row["file"]
        photograph = known.get(_key(name)) or known.get(_key(re.split(r"[/\\]", name)[-1]))
        if photograph is None:
            gone.append(name)
            continue
        one = Photograph(photograph, spelled.setdefault(product.lower(), product), _said(row["inspected"], path, line))
        before = said.setdefault(photograph, (line, one))
        if before[1] != one:
            both = f"Lines {before[0]} and {line} of '{path.name}'"
            raise InputError(f"{both} say different things of {name}: remove one of them.")
    if gone:
        remarks.append(f"In the list but not in the folder, or not to be read: {_some(gone)}. Left out.")
    if not said:
        raise InputError(f"'{path.name}' names no photograph of '{folder}', such as {paths[0].name}: mend its names.")
    if unsaid := [one for one in paths if one not in said]:
        remarks.append(f"Not in the list: {_some([one.name for one in unsaid])}. They count as not inspected.")
    found = [one for _, one in said.values()] + [Photograph(one, "", "") for one in unsaid]
    if not any(spelled):
        remarks.append(f"The list names no product: all count as one, '{(alone := folder.resolve().name)}'.")
        found = [replace(one, product=alone if one.said else "") for one in found]
    elif homeless := sum(not one.product and bool(one.said) for one in found):
        remarks.append(f"Inspected, but of no product: {homeless} photographs. They are not learned from.")
    return Photographs([replace(one, product=_folder_name(one.product)) for one in found], remarks)


def _find_list(folder: Path) -> Path | None:
    """Find the table beside the photographs: list.csv, or the only one."""
    tables = [path for path in _files(folder) if path.suffix.lower() in TABLES]
    tables = [path for path in tables if path.suffix.lower() != ".txt" or _place(_table(path)[0], "file") is not None]
    tables = [path for path in tables if path.stem.lower() == "list"] or tables
    if len(tables) > 1:
        named = _some([path.name for path in tables])
        raise InputError(f"'{folder}' holds {named}: call the list of photographs list.csv.")
    workbook = next((path.name for path in _files(folder) if path.suffix.lower() in WORKBOOKS), None)
    if workbook and not tables:
        raise InputError(f"'{workbook}' is a workbook: save it as 'CSV UTF-8', as list.csv beside the photographs.")
    return tables[0] if tables else None


def _rows(path: Path) -> list[tuple[int, dict[str, str]]]:
    """Read the rows of a list, each with its line's number, by the names in COLUMNS."""
    heads, lines = _table(path)
    places = {name: _place(heads, name) for name in COLUMNS}
    for name in ("file", "inspected"):
        if places[name] is None:
            told = f"'{path.name}' has no column '{name}', its first line says '{', '.join(heads)}'"
            raise InputError(f"{told}: it should be file,product,inspected.")
    rows = []
    for number, cells in lines:
        row = {k: cells[i].strip() if i is not None and i < len(cells) else "" for k, i in places.items()}
        rows += [(number, row)] if row["file"] else []
    return rows


def _table(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Split a text into its heads, without their letters' case, and its rows, each with its line's number."""
    lines = re.split(r"\r\n|\r|\n", _text(path))  # splitlines would split at more
    start = next((i for i, line in enumerate(lines) if line.strip() and not line.lower().startswith("sep=")), 0)
    reader = csv.reader(lines[start:], delimiter=max(";\t,|", key="".join(lines[start : start + 1]).count))
    try:
        heads = [re.sub(r"[\s_]+", " ", head).strip().lower() for head in next(reader, [])]
        return heads, [(start + reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        if path.suffix.lower() == ".txt":  # no table
            return [], []
        raise InputError(f"'{path.name}' cannot be read as a table ({error}): save it as 'CSV UTF-8'.") from error


def _place(heads: Sequence[str], name: str) -> int | None:
    return next((heads.index(also) for also in COLUMNS[name] if also in heads), None)


def _text(path: Path) -> str:
    """Decode a text by its byte order mark, else as UTF-8, else as Windows writes it."""
    if (content := path.read_bytes())[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return content.decode("utf-16", "replace")
    if b"\0" in content[:2000]:
        return content.decode("utf-16-le" if content[1:2] == b"\0" else "utf-16-be", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", "replace")


def _said(word: str, path: Path, line: int) -> str:
    plain = re.sub(r"[\W_]+", "", word.lower())
    for answer, words in (("good", GOOD), ("bad", BAD), ("", NOTHING)):
        if plain in words:
            return answer
    raise InputError(f"Line {line} of '{path.name}' says '{word}': write good, bad, or nothing if nobody has looked.")


def _lookup(folder: Path, paths: Sequence[Path]) -> dict[str, Path]:
    """Find photographs by their path in the folder, by name, or by name without ending, where that means only one."""
    keys: dict[str, set[Path]] = defaultdict(set)
    for path in paths:
        for name in (path.relative_to(folder).as_posix(), path.name, path.stem):
            keys[_key(name)].add(path)
    return {key: next(iter(some)) for key, some in keys.items() if len(some) == 1}


def _key(name: str) -> str:
    name = unicodedata.normalize("NFC", name)  # a Mac's folders hold umlauts in two parts, tables in one
    return name.replace("\\", "/").removeprefix("./").lower()


def _names(files: Sequence[Path]) -> dict[str, Path]:
    """Give each file a name of its own: those of photographs in several folders may be alike."""
    names: dict[str, Path] = {}
    taken: set[str] = set()  # without letters' case
    for path in files:
        name, number = path.name, 1
        while name.lower() in taken:
            number += 1
            name = f"{path.stem}_{number}{path.suffix}"
        names[name] = path
        taken.add(name.lower())
    return names


def _folder_name(product: str) -> str:
    """Turn a product's name into one that a class folder can have."""
    name = re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", product).strip(" .")
    return f"product {name}" if name.lower() in (*PARTS, *GOOD_NAMES, *BAD_NAMES) else name


def _empty(out: Path) -> None:
    """Remove what an earlier call put into a folder."""
    record = out / RECORD
    if record.is_file():
        for line in filter(None, os.fsdecode(record.read_bytes()).split("\n")):
            (out / line).unlink(missing_ok=True)
        record.unlink()
    for folder in sorted(out.glob("**/*/"), reverse=True):  # the deepest first
        if not any(folder.iterdir()):
            folder.rmdir()
    if stray := _files(out, "**/*"):
        raise InputError(f"'{stray[0]}' was not put there by this page: move it out of '{out}'.")


def _files(folder: Path, pattern: str = "*") -> list[Path]:
    return sorted(p for p in folder.glob(pattern) if p.is_file() and not p.name.startswith((".", "~$")))


def _unread(folder: Path) -> str:
    """Say which files look like photographs and cannot be read, and why; a sentence with a blank before it, or ""."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for path in left_out(folder, set(images(folder)), {folder}, set()):
        reasons[reason(path)].append(path.name)
    return "".join(f" Left out: {_some(names)} ({why})." for why, names in sorted(reasons.items()))


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
