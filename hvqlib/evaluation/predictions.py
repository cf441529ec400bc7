"""Judge photographs by the folder: verdicts, heat maps and masks go into one folder, written as they come."""

from __future__ import annotations

import csv
import glob
import io
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from hvqlib.data.decoding import pages
from hvqlib.data.images import read_image
from hvqlib.data.listing import images as images_inside
from hvqlib.data.listing import left_out, reason
from hvqlib.detector.prediction import Prediction
from hvqlib.errors import InputError
from hvqlib.evaluation.figures import heat_map, is_own, save_picture
from hvqlib.files import sole_writer, write_atomic

AT_ONCE, PIXELS = 16, 50_000_000  # images, and pixels of theirs, in memory at once
LONGEST = 180  # bytes of a photograph's name in the names of its pictures; file systems allow 255
OF_PAGES = (".gif", ".tif", ".tiff", ".webp")  # may hold several pictures, of which the first is judged
UNHURRIED = 20  # what is known is written again after so many times the seconds that the last writing took


class Judge(Protocol):
    """Judge images: a `Detector`, or an exported one."""

    @property
    def white(self) -> float | None: ...  # as for `read_image`

    def judge(
        self, images: Sequence[Any], class_names: str | None, false_alarm: float | None, /
    ) -> list[Prediction]: ...


def photographs(given: Sequence[str | Path]) -> tuple[list[Path], list[Path], list[Path]]:
    """List the photographs that names of files, folders and patterns stand for, in their order, each once.

    The second list holds heat maps and masks that :func:`predict` made, which are no photographs; the third, files and
    folders that are left out though they look like photographs (:func:`hvqlib.data.listing.reason` says why). A file
    that is not there stays in the list, to be named when it is read. Raises InputError where a folder or a pattern
    holds no image.
    """
    listed: list[Path] = []
    unused: list[Path] = []
    for name in given:
        some = [Path(name)]
        if not os.path.lexists(name) and glob.has_magic(str(name)):
            some = [Path(found) for found in sorted(glob.glob(str(name), recursive=True))]
        inside = [image for path in some for image in (images_inside(path) if path.is_dir() else [path])]
        others = [one for path in some if path.is_dir() for one in left_out(path, set(inside), {path.parent}, set())]
        if not inside:
            why = f" ('{others[0]}': {reason(others[0])})" if others else ""
            raise InputError(f"'{name}' holds no image{why}: give image files, folders of them, or patterns.")
        listed += inside
        unused += others
    once = list({os.path.abspath(path): path for path in reversed(listed)}.values())[::-1]
    own = {path for path in once if is_own(path)}
    return [path for path in once if path not in own], sorted(own), list(dict.fromkeys(unused))


@dataclass
class Predictions:
    """Keep the rows of a folder, those of earlier calls included: ``scores.json``, and ``scores.csv`` for Excel.

    Both are replaced whole, as often as costs a twentieth of the time. An image that is judged again replaces its row,
    and its pictures; no two images share one. Paths in them are absolute.
    """

    out: Path
    rows: dict[str, dict[str, Any]] = field(default_factory=dict)  # by absolute path of the image
    due: float = 0.0  # time of the next writing
    taken: set[str] = field(default_factory=set)  # names of heat maps that rows have
    stale: list[Path] = field(default_factory=list)  # masks of rows that were replaced by rows without one

    def __post_init__(self) -> None:
        path = self.out / "scores.json"
        try:
            known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else []
            self.rows = {os.path.abspath(row["image"]): row for row in known}
            self.taken = {Path(row["heat_map"]).name for row in known if "heat_map" in row}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"'{path}' is not what hvq predict writes ({error!r}): choose another --out.") from None

    def name_for(self, image: Path) -> str:
        """Choose what the pictures made of an image are called: its stem, shortened or numbered where it must be."""
        if (row := self.rows.get(os.path.abspath(image))) and "heat_map" in row:
            return Path(row["heat_map"]).name.removesuffix("_heatmap.png")
        stem = os.fsencode(image.stem)[:LONGEST].decode("utf-8", "ignore") or "image"
        name, number = stem, 1
        while f"{name}_heatmap.png" in self.taken or any(
            os.path.lexists(self.out / f"{name}_{kind}.png") for kind in ("heatmap", "mask")
        ):
            number += 1
            name = f"{stem}_{number}"
        return name

    def add(self, row: dict[str, Any]) -> None:
        """Keep the row of an image, and write all if it is time."""
        files = {name: os.path.abspath(row[name]) for name in ("image", "heat_map", "mask") if name in row}
        if "mask" in (old := self.rows.get(files["image"], {})) and "mask" not in row:
            self.stale.append(self.out / Path(old["mask"]).name)  # the folder may be a copy
        self.rows[files["image"]] = row | files
        self.taken.add(Path(files["heat_map"]).name)
        if time.monotonic() >= self.due:
            self.write()

    def write(self) -> None:
        """Write all rows, into both files."""
        began = time.monotonic()
        rows = list(self.rows.values())
        write_atomic(self.out / "scores.json", (json.dumps(rows, indent=2) + "\n").encode())
        flat = [row | {"boxes": len(row["boxes"])} if "boxes" in row else row for row in rows]
        table = io.StringIO(newline="")
        writer = csv.DictWriter(table, list(dict.fromkeys(name for row in flat for name in row)))
        writer.writeheader()
        writer.writerows(flat)
        # Excel takes a file for UTF-8 by its byte order mark; a name that is no text shows its bytes.
        write_atomic(self.out / "scores.csv", table.getvalue().encode("utf-8-sig", "backslashreplace"))
        for mask in filter(is_own, self.stale):
            mask.unlink(missing_ok=True)
        self.stale = []
        self.due = time.monotonic() + UNHURRIED * (time.monotonic() - began)


def predict(
    detector: Judge,
    images: Sequence[Path],
    out: Path,
    class_name: str | None = None,
    false_alarm: float | None = None,
    *,
    masks: bool = False,
    smallest: int = 1,
    tell: Callable[[Path, dict[str, Any] | InputError], object],
) -> tuple[list[dict[str, Any]], list[Path]]:
    """Judge image files into the folder `out`; returns the rows of those judged, and the files that cannot be judged.

    Parameters
    ----------
    class_name, false_alarm : as for :meth:`Detector.judge`.
    masks : write a mask of the pixels above the pixel threshold too, and boxes around its regions into the rows.
    smallest : area in pixels of the image below which a region is left out.
    tell : called with each file and its row, or with what is wrong with it, in order.

    Of an image of several pages the first is judged, and its row has their number, ``pages``. Raises InputError as
    `judge` does, and where `out` is a file, holds a scores.json of another make, or another call is writing there.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"'{out}' is a file: choose another --out.")
    detector.judge([], class_name, false_alarm)  # a wrong class or rate is refused before anything is written
    judged: list[dict[str, Any]] = []
    unread: list[Path] = []
    waiting: list[tuple[Path, np.ndarray]] = []

    def refuse(path: Path, error: InputError) -> None:
        unread.append(path)
        tell(path, error)

    def judge_all(some: Sequence[tuple[Path, np.ndarray]]) -> None:
        try:
            verdicts = detector.judge([picture for _, picture in some], class_name, false_alarm)
        except InputError as error:  # of one of them, such as one of another shape
            if len(some) == 1:
                return refuse(some[0][0], InputError(str(error).replace("'in memory'", f"'{some[0][0]}'")))
            for one in some:
                judge_all([one])
            return
        for (path, picture), verdict in zip(some, verdicts, strict=True):
            name = kept.name_for(path)
            heat = out / f"{name}_heatmap.png"
            heat_map(heat, picture, verdict.anomaly_map, 0, 2 * verdict.pixel_threshold)
            row: dict[str, Any] = verdict.row() | {"image": str(path), "heat_map": str(heat)}
            if path.suffix.lower() in OF_PAGES and (number := pages(path)) > 1:
                row["pages"] = number
            if masks:
                mask, boxes = regions(verdict.anomaly_map, verdict.pixel_threshold, picture.shape[:2], smallest)
                save_picture(out / f"{name}_mask.png", Image.fromarray(mask))
                row |= {"mask": str(out / f"{name}_mask.png"), "boxes": boxes}
            kept.add(row)
            judged.append(row)
            tell(path, row)

    with sole_writer(out, "Another hvq predict"):
        kept = Predictions(out)
        try:
            for path in images:
                try:
                    picture = read_image(path, detector.white)
                except InputError as error:
                    judge_all(waiting)  # in order
                    waiting = []
                    refuse(path, error)
                    continue
                waiting.append((path, picture))
                if len(waiting) == AT_ONCE or sum(one.shape[0] * one.shape[1] for _, one in waiting) > PIXELS:
                    judge_all(waiting)
                    waiting = []
            judge_all(waiting)
        finally:
            kept.write()  # what is judged is kept, however the rest ends
    return judged, unread


def regions(
    anomaly_map: np.ndarray, threshold: float, size: tuple[int, int], smallest: int = 1
) -> tuple[np.ndarray, list[dict[str, Any]]]:
    """Mark where an anomaly map (S, S) is above a threshold, at an image's size (H, W).

    Returns the mask (H, W) bool, and for each connected region of at least `smallest` pixels its ``box`` (left, top,
    right, bottom; the last two just outside), ``area`` in pixels and ``highest`` map value, largest area first.
    """
    from scipy import ndimage

    height, width = size
    large = np.asarray(
        Image.fromarray(anomaly_map.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
    )
    labels, number = ndimage.label(large > threshold, np.ones((3, 3)))  # corners touch, too
    areas = np.bincount(labels.ravel(), minlength=number + 1)
    found = []
    for i, (rows, columns) in enumerate(ndimage.find_objects(labels), 1):
        if areas[i] >= smallest:
            inside = large[rows, columns][labels[rows, columns] == i]
            box = [columns.start, rows.start, columns.stop, rows.stop]
            found.append({"box": box, "area": int(areas[i]), "highest": float(inside.max())})
    kept = areas >= smallest
    kept[0] = False
    return kept[labels], sorted(found, key=lambda region: -region["area"])
