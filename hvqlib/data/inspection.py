"""Inspect a data set before hours are spent on it: what is there, what is amiss, and what follows from that."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from hvqlib.data.images import check_size, read_defect, read_image
from hvqlib.data.layouts import Sample, recognise
from hvqlib.errors import InputError

# What the authors publish: Bergmann et al., CVPR 2019; Zou et al., ECCV 2022.
PUBLISHED = {
    "MVTec AD": {"classes": 15, "train": 3629, "test good": 467, "test defective": 1258},
    "VisA": {"classes": 12, "train": 8659, "test good": 962, "test defective": 1200},
}

NAMES = {
    "MVTec AD": "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush transistor "
    "wood zipper",
    "VisA": "candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 pipe_fryum",
}


# What can be found about files: whether the set cannot be used before it is mended, what it is, what follows from it.
FILES = {
    "image": (True, "Images that cannot be read", "training or evaluation would stop there: replace or remove them"),
    "mask": (True, "Masks that cannot be read, or have another size than their image",
             "evaluation would stop there: replace them"),
    "no mask": (True, "Defective images without a mask, in classes with masks",
                "evaluation would stop there: add the masks"),
    "black mask": (False, "Masks that mark no pixel", "their images count as defective, without a defect to find: "
                   "draw the masks, or move the images to the good ones"),
    "train and test": (False, "Images in test that are, byte for byte, in train too",
                       "the test result will look too good: remove them from one of the two"),
    "twice in train": (False, "Training images that are, byte for byte, copies of another",
                       "they count double, and images held out to calibrate may have been seen: remove the copies"),
}  # fmt: skip

SHOWN = 5  # files named with a finding in the table; the JSON has all


def inspect_folder(root: str | Path, progress: bool = True) -> dict[str, Any]:
    """Inspect a folder: decode every image and mask, one at a time, and report.

    Returns
    -------
    A dictionary, ready for JSON. ``layout``; ``classes``: for each its counts (``train``, ``test_good``,
    ``test_defective`` by defect, ``masks``) and the ``width`` and ``height`` of its images, smallest and largest;
    ``published``: the authors' counts beside those here, where it is their data set, else None; ``findings``: each with
    its ``kind``, whether it is a ``problem`` (the set cannot be used) or only a remark, a ``sentence`` on what follows
    from it, and ``files``; ``usable``. Raises InputError where the folder is missing, holds no class, or mixes layouts:
    there is nothing to inspect.
    """
    root = Path(root)
    layout, readers = recognise(root)
    findings: list[dict[str, Any]] = []
    lists: dict[str, tuple[list[Sample], list[Sample]]] = {}
    for name, read in readers.items():
        try:
            lists[name] = read()
        except InputError as error:
            findings.append(_finding("class", True, str(error)))
    amiss: dict[str, list[Path]] = {kind: [] for kind in FILES}
    seen: dict[bytes, list[tuple[bool, Path]]] = defaultdict(list)  # SHA-256: in train?, file
    classes = {}
    with tqdm(desc="checking", total=sum(len(a) + len(b) for a, b in lists.values()), disable=not progress) as bar:
        for name, (train, test) in lists.items():
            sizes = []
            masked = any(sample.mask for sample in test)
            for i, sample in enumerate([*train, *test]):
                if size := _look(sample, masked, amiss):
                    sizes.append(size)
                    seen[_sha256(sample.path)].append((i < len(train), sample.path))
                bar.update()
            classes[name] = _counts(train, test) | _sizes(sizes)
    for copies in seen.values():
        trained = [path for training, path in copies if training]
        amiss["twice in train"] += trained[1:]
        amiss["train and test"] += [path for training, path in copies if trained and not training]
    for kind, (problem, what, then) in FILES.items():
        if amiss[kind]:
            findings.append(_finding(kind, problem, f"{what}: {len(amiss[kind]):,}; {then}.", amiss[kind]))
    published = _published(layout, classes)
    findings += _remarks(classes, published)
    usable = not any(finding["problem"] for finding in findings)
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
    for finding in report["findings"]:
        lines += ["", f"{'Problem' if finding['problem'] else 'Remark'}: {finding['sentence']}"]
        lines += [f"  {path}" for path in finding["files"][:SHOWN]]
        more = len(finding["files"]) - SHOWN
        lines += [f"  and {more} more (--json names all)"] if more > 0 else []
    return "\n".join([*lines, "", "It can be used." if report["usable"] else "It cannot be used yet."])


def _finding(kind: str, problem: bool, sentence: str, files: Sequence[Path] = ()) -> dict[str, Any]:
    return {"kind": kind, "problem": problem, "sentence": sentence, "files": [str(path) for path in files]}


def _look(sample: Sample, masked: bool, amiss: dict[str, list[Path]]) -> tuple[int, int] | None:
    """Decode an image and its mask; what is wrong goes into `amiss`. Width and height, None if it cannot be read."""
    try:
        height, width, _ = read_image(sample.path).shape
    except InputError:
        amiss["image"].append(sample.path)
        return None
    if sample.mask is not None:
        try:
            defect = read_defect(sample.mask)
            check_size(sample, defect, (width, height))
        except InputError:
            amiss["mask"].append(sample.mask)
        else:
            if not defect.any():
                amiss["black mask"].append(sample.mask)
    elif sample.label and masked:
        amiss["no mask"].append(sample.path)
    return width, height


def _remarks(classes: dict[str, dict[str, Any]], published: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Say what follows from the counts."""
    remarks = []
    lacking = [name for name, one in classes.items() if not one["test_good"] or not one["test_defective"]]
    if lacking:
        text = "Classes without good or without defective test images: " + ", ".join(lacking)
        remarks.append(_finding("test", False, f"{text}; they can be trained on, but have no AUROC."))
    if published and published["found"] != published["wanted"]:
        wanted, here = (", ".join(f"{k} {n:,}" for k, n in published[key].items()) for key in ("wanted", "found"))
        text = f"Published for {published['data_set']} are {wanted}; here are {here}"
        remarks.append(_finding("published", False, f"{text}; results do not compare with published ones: unpack the "
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


def _published(layout: str, classes: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Compare the authors' counts with those here, where most of the classes are the authors'."""
    names = NAMES.get(layout, "").split()
    if 2 * len(classes.keys() & set(names)) <= len(names):
        return None
    here = {
        "classes": len(classes),
        "train": sum(one["train"] for one in classes.values()),
        "test good": sum(one["test_good"] for one in classes.values()),
        "test defective": sum(sum(one["test_defective"].values()) for one in classes.values()),
    }
    return {"data_set": layout, "wanted": PUBLISHED[layout], "found": here}


def _sha256(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
