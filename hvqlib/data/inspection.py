"""Inspect a data set before hours are spent on it: what is there, what is amiss, and what follows from that."""

from __future__ import annotations

import glob
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy import ndimage
from tqdm.auto import tqdm

from hvqlib.config import Config
from hvqlib.data.dataset import LEAST_IMAGES, SHOWN, unused_images
from hvqlib.data.decoding import common_white, decode, pages, white_for
from hvqlib.data.findings import FILES, SIDE, finding
from hvqlib.data.images import check_size, read_marks
from hvqlib.data.layouts import GOOD, GOOD_NAMES, ClassFiles, Sample, recognise
from hvqlib.data.listing import reason
from hvqlib.data.published import compare_counts
from hvqlib.data.tiles import FAR_FROM_SQUARE, squares
from hvqlib.errors import InputError
from hvqlib.false_alarms import told_shortage

JPEG = (".jpg", ".jpeg", ".jpe", ".jfif")


def inspect_folder(root: str | Path, progress: bool = True) -> dict[str, Any]:
    """Inspect a folder: decode every image and mask, one at a time, and report.

    Returns
    -------
    A dictionary, ready for JSON. ``layout``; ``classes``: for each its counts (``train``, ``test_good``,
    ``test_defective`` by defect, ``masks``) and the ``width`` and ``height`` of its upright images, smallest and
    largest; ``published``: the authors' counts beside those here, where it is their data set, else None; ``findings``:
    each with its ``kind``, whether it is a ``problem`` (the set cannot be used) or only a remark, a ``sentence`` on
    what follows from it, and ``files``; ``usable``. Raises InputError where the folder is missing, holds no class, or
    mixes layouts: there is nothing to inspect.
    """
    root = Path(root)
    layout, readers = recognise(root)
    findings: list[dict[str, Any]] = []
    lists: dict[str, ClassFiles] = {}
    for name, read in readers.items():
        try:
            lists[name] = read()
        except InputError as error:
            findings.append(finding("class", True, str(error)))
    amiss: dict[str, list[Path]] = {kind: [] for kind in FILES}
    deep: dict[bool, list[tuple[float, Path]]] = {True: [], False: []}  # in train?: largest pixel, file
    seen: dict[bytes, list[tuple[bool, Path]]] = defaultdict(list)  # SHA-256: in train?, file
    classes = {}
    first: dict[str, str] = {}  # sentence on the first file of a kind
    for fault in (fault for files in lists.values() for fault in files.faults):
        amiss[fault.kind].append(fault.path)
        first.setdefault(fault.kind, fault.sentence)
    with tqdm(
        desc="checking", total=sum(len(files.train) + len(files.test) for files in lists.values()), disable=not progress
    ) as bar:
        for name, (train, test, _) in lists.items():
            sizes, defects = [], list[float]()
            for i, sample in enumerate([*train, *test]):
                try:
                    sizes.append(_look(sample, amiss, deep[i < len(train)], defects))
                    seen[_sha256(sample.path)].append((i < len(train), sample.path))
                except InputError as error:
                    amiss["image"].append(sample.path)
                    first.setdefault("image", str(error))
                bar.update()
            classes[name] = _counts(train, test) | _sizes(sizes)
            findings += _small(name, sizes, defects)
    for copies in seen.values():
        trained = [path for training, path in copies if training]
        amiss["twice in train"] += trained[1:]
        amiss["train and test"] += [path for training, path in copies if trained and not training]
    findings += _brightness(deep, amiss, first)
    for kind, (problem, what, then) in FILES.items():
        if amiss[kind]:
            told = f" The first: {first[kind]}" if kind in first else ""
            findings.append(finding(kind, problem, f"{what}: {len(amiss[kind]):,}; {then}.{told}", amiss[kind]))
    published = compare_counts(layout, classes)
    findings += _places(root, layout, readers, lists) + _saved(lists) + _remarks(classes, published)
    usable = not any(one["problem"] for one in findings)
    return {"root": str(root), "layout": layout, "usable": usable, "classes": classes, "published": published,
            "findings": findings}  # fmt: skip


def report_table(report: dict[str, Any]) -> str:
    """Lay out what `inspect_folder` reports, for reading."""
    rows = [("class", "train", "test good", "test defective", "masks", "size in pixels")]
    for name, one in report["classes"].items():
        kinds = ", ".join(f"{defect} {n}" for defect, n in one["test_defective"].items())
        total = sum(one["test_defective"].values())
        shown = f"{total}: {kinds}" if len(kinds) <= 60 and kinds else f"{total} of {len(one['test_defective'])} kinds"
        sides = [str(a) if a == b else f"{a} to {b}" for a, b in filter(None, (one["width"], one["height"]))]
        size = " x ".join(sides)
        rows.append((name, str(one["train"]), str(one["test_good"]), shown, str(one["masks"]), size))
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{report['root']}: layout of {report['layout']}", ""]
    lines += ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    published = report["published"]
    if published and published["found"] == published["wanted"]:
        lines += ["", f"Complete: the counts are those published for {published['data_set']}."]
    for one in report["findings"]:
        lines += ["", f"{'Problem' if one['problem'] else 'Remark'}: {one['sentence']}"]
        lines += [f"  {path}" for path in one["files"][:SHOWN]]
        more = len(one["files"]) - SHOWN
        lines += [f"  and {more} more (--json names all)"] if more > 0 else []
    return "\n".join([*lines, "", "It can be used." if report["usable"] else "It cannot be used yet."])


def _look(
    sample: Sample,
    amiss: dict[str, list[Path]],
    deep: list[tuple[float, Path]],
    defects: list[float],
) -> tuple[int, int]:
    """Decode an image and its mask, and return width and height; what is wrong with them goes into `amiss`.

    The size of each defect, the side in pixels of a square of its area, goes into `defects`.
    """
    path = sample.path
    decoded = decode(path)
    width, height = decoded.image.size
    if decoded.deep is not None:
        deep.append((decoded.largest, path))
    twin = path.stem.removesuffix("_mask")
    for kind, found in {
        "pages": pages(path) > 1,
        "upper bits": decoded.cut,
        "squeezed": max(width, height) > FAR_FROM_SQUARE * min(width, height),
        "called a mask": twin != path.stem and any(path.parent.glob(f"{glob.escape(twin)}.*")),
    }.items():
        if found:
            amiss[kind].append(path)
    if sample.mask is not None:
        try:
            defect, labels, between = read_marks(sample.mask)
            check_size(sample, defect, (width, height))
        except InputError:
            amiss["mask"].append(sample.mask)
        else:
            regions, _ = ndimage.label(defect, np.ones((3, 3)))
            defects += np.sqrt(np.bincount(regions.ravel())[1:]).tolist()
            coverage = Image.fromarray(np.uint8(255 * defect)).resize((SIDE, SIDE), Image.Resampling.BOX)
            for kind, found in {
                "black mask": not defect.any(),
                "grey mask": between > 0,
                "label mask": labels,
                "full mask": defect.mean() > 0.9,
                "thin mask": defect.any() and np.asarray(coverage).max() < 128,
            }.items():
                if found:
                    amiss[kind].append(sample.mask)
    return width, height


def _brightness(
    deep: dict[bool, list[tuple[float, Path]]], amiss: dict[str, list[Path]], first: dict[str, str]
) -> list[dict[str, Any]]:
    """Say how pixels of more than 8 bits are read; files that are read badly go into `amiss`."""
    try:
        white = common_white(deep[True])
    except InputError as error:
        return [finding("white", True, str(error))]
    for training in deep:
        for largest, path in deep[training]:
            try:
                other = white is None or isinstance(white, int) != isinstance(largest, int)
                full = white_for(largest, path) if white is None or other else white
            except InputError as error:
                amiss["image"].append(path)
                first.setdefault("image", str(error))
            else:
                amiss["dark"] += [path] * (largest < full / 16)
                amiss["bright"] += [path] * (largest > full * 1.01)
    if white in (None, 1.0, 65535):
        return []
    told = f"Only a part of 16 bits is used: the brightest pixel of {len(deep[True]):,} training images is "
    told += f"{max(deep[True])[0]:g}, so {white:g} is taken as full brightness, in every image that the run will judge."
    return [finding("white", False, told)]


def _places(root: Path, layout: str, classes: Iterable[str], lists: dict[str, ClassFiles]) -> list[dict[str, Any]]:
    """Say what has no place in the layout, and which folders are read as good under another name."""
    samples = [sample for files in lists.values() for sample in [*files.train, *files.test]]
    reasons: dict[str, list[Path]] = defaultdict(list)
    told = {fault.path for files in lists.values() for fault in files.faults}
    for path in unused_images(root, classes, samples, set(classes) - set(lists)) if samples else ():
        if path not in told:
            reasons[reason(path)].append(path)
    found = [
        finding("left out", False, f"Left out, though like images: {len(paths):,}: {why}.", paths)
        for why, paths in sorted(reasons.items())
    ]
    called: dict[Path, None] = {}
    for path, base in ((s.path, root / s.class_name) for s in samples if not s.label):
        base = base if base in path.parents else root
        place = base.joinpath(*path.relative_to(base).parts[: 1 if layout == "good and bad" else 2])
        if place.name.lower() in GOOD_NAMES and place.name != GOOD:
            called[place] = None
    if called and layout not in ("BTAD", "VisA"):
        text = f"Folders read as '{GOOD}', that is normal, under another name: {len(called):,}"
        found.append(finding("good", False, f"{text}; if one is a kind of defect, rename it.", list(called)))
    return found


def _saved(lists: dict[str, ClassFiles]) -> list[dict[str, Any]]:
    """Name the classes whose images are saved in different ways."""
    mixed = [
        name for name, files in lists.items()
        if len({sample.path.suffix.lower() in JPEG for sample in [*files.train, *files.test]}) > 1
    ]  # fmt: skip
    if not mixed:
        return []
    told = (
        f"Classes saved partly as JPEG and partly without loss: {', '.join(mixed)}; JPEG changes fine detail, so that "
    )
    told += "a normal image saved in another way than those trained on may be called defective: save all in one way."
    return [finding("saved", False, told)]


def _remarks(classes: dict[str, dict[str, Any]], published: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Say what follows from the counts."""
    remarks = []
    if small := [name for name, one in classes.items() if one["train"] < LEAST_IMAGES]:
        text = f"Classes with fewer than {LEAST_IMAGES} normal training images: {', '.join(small)}"
        remarks.append(finding("too few", True, f"{text}; training would stop there: add images."))
    lacking = [name for name, one in classes.items() if not one["test_good"] or not one["test_defective"]]
    if lacking:
        text = "Classes without good or without defective test images: " + ", ".join(lacking)
        remarks.append(finding("test", False, f"{text}; they can be trained on, but have no AUROC."))
    if told := told_shortage([one["train"] for one in classes.values()], Config.holdout):
        remarks.append(finding("few", False, told))
    if published and published["found"] != published["wanted"]:
        wanted, here = (", ".join(f"{k} {n:,}" for k, n in published[key].items()) for key in ("wanted", "found"))
        text = f"Published for {published['data_set']} are {wanted}; here are {here}"
        remarks.append(finding("published", False, f"{text}; results do not compare with published ones: unpack the "
                              "whole archive again, into an empty folder."))  # fmt: skip
    return remarks


def _counts(train: list[Sample], test: list[Sample]) -> dict[str, Any]:
    defective = [sample for sample in test if sample.label]
    return {
        "train": len(train),
        "test_good": len(test) - len(defective),
        "test_defective": dict(sorted(Counter(sample.defect for sample in defective).items())),
        "masks": sum(sample.mask is not None for sample in defective),
    }


def _sizes(shapes: list[tuple[int, int]]) -> dict[str, Any]:
    width, height = ([min(side), max(side)] for side in zip(*shapes, strict=True)) if shapes else (None, None)
    return {"width": width, "height": height}


def _small(name: str, sizes: list[tuple[int, int]], defects: list[float]) -> list[dict[str, Any]]:
    """Suggest tiles where half of a class's defects are smaller than a place of the anomaly map."""
    if not defects:
        return []
    width, height = (round(float(np.median(side))) for side in zip(*sizes, strict=True))
    across = float(np.median(defects))
    tile = max(SIDE, round(Config.grid * across))  # a defect is as large as a place, or the image is not enlarged
    _, rows, columns = squares(width, height, Config(fit="tiles", tile=tile))
    if across >= max(width, height) / Config.grid or len(rows) * len(columns) == 1:
        return []
    given = f"--tiles {tile}" if tile < min(width, height) else "--tiles"
    told = (
        f"Small defects in {name}: half are at most {across:.0f} pixels across, where a place of the anomaly map shows "
        f"{width / Config.grid:.0f} x {height / Config.grid:.0f} pixels of the image; hvq train {given} cuts an image "
        f"into {len(rows)} x {len(columns)} squares; judging then takes several times as long."
    )
    return [finding("small", False, told)]


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
