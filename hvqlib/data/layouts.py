"""Recognise how data sets lay out their files: one small function a layout, from folders to lists of samples.

MVTec AD (Bergmann et al., CVPR 2019), and the layout for one's own images:

    ROOT/CLASS/train/good/*                          normal images to learn from
    ROOT/CLASS/test/good/*, ROOT/CLASS/test/DEFECT/* images to judge
    ROOT/CLASS/ground_truth/DEFECT/STEM_mask.png     which pixels are defective (optional)

MVTec LOCO AD (Bergmann et al., IJCV 2022), the same with several masks an image, and more normal images:

    ROOT/CLASS/ground_truth/DEFECT/STEM/000.png ...  together they mark the defective pixels
    ROOT/CLASS/validation/good/*                     joins the training images, a share of which is held out anyway

BTAD (Mishra et al., ISIE 2021), the same with other names for good and defective:

    ROOT/CLASS/train/ok/*, ROOT/CLASS/test/ok/*, ROOT/CLASS/test/ko/*, ROOT/CLASS/ground_truth/ko/STEM.png

VisA (Zou et al., ECCV 2022) as its archive unpacks, known by its table of splits, whose paths start at ROOT:

    ROOT/split_csv/1cls.csv                          object,split,label,image,mask
    ROOT/CLASS/image_anno.csv                        image,label,mask: the kinds of defect (optional)
    ROOT/CLASS/Data/Images/*, ROOT/CLASS/Data/Masks/*

Any two folders, ROOT/good and ROOT/bad, or ROOT/CLASS/good and ROOT/CLASS/bad: every fifth good image is kept to judge.

In all but VisA's, letters' case does not count in the names of these folders, good may be called normal or ok, and
folders inside them are read too, masks by the same path; a mask directly in ground_truth/ goes by its name alone.
"""

from __future__ import annotations

import csv
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from hvqlib.data.listing import folders, images
from hvqlib.errors import InputError

GOOD, OK = "good", "ok"
GOOD_NAMES = (GOOD, "normal", OK)  # of folders, in any letters' case
BAD_NAMES = ("bad", "defective", "ko", "anomaly")  # of the folders of a class without a split
PARTS = ("train", "validation", "test", "ground_truth")  # of a class: never names of classes without a split
SPLIT = "split_csv/1cls.csv"  # VisA's: one class, all of its normal training images


@dataclass(frozen=True)
class Sample:
    """Describe one image of a data set."""

    path: Path
    class_name: str
    class_id: int  # the position of its class in `AnomalyDataset.classes`
    label: int  # 0 normal, 1 defective
    defect: str  # "good", or the name of its folder under ``test``; for VisA what `image_anno.csv` says
    mask: Path | None = None  # the file that marks its defective pixels, or a folder of such files (MVTec LOCO AD)


class Fault(NamedTuple):
    """Describe what is wrong with the mask of an image: a kind in `findings.FILES`, the file, a sentence."""

    kind: str
    path: Path
    sentence: str


class ClassFiles(NamedTuple):
    """Hold the training and test samples of one class, as class 0, and what is wrong with its masks."""

    train: list[Sample]
    test: list[Sample]
    faults: list[Fault]


def recognise(root: Path) -> tuple[str, dict[str, Callable[[], ClassFiles]]]:
    """Recognise the layout of a folder of class folders, or of one class folder.

    Returns
    -------
    name : "MVTec AD", "MVTec LOCO AD", "BTAD", "VisA" or "good and bad".
    classes : by name, sorted: a function that lists the files of its class, and raises InputError where there are no
        normal training images, or folders contradict each other.

    Raises InputError where the folder is missing, holds no class, or mixes layouts, or VisA's table cannot be read.
    """
    if not root.is_dir():
        raise InputError(f"'{root}' is not a folder: give the folder that holds the class folders.")
    if (root / SPLIT).is_file() and (visa := _visa(root)):
        return "VisA", visa
    alone = _layouts(root) if _inside(root, "train", *GOOD_NAMES) or _unsplit(root, GOOD_NAMES + BAD_NAMES) else []
    inside = {p: known for p in folders(root) if p.name.lower() not in PARTS and (known := _layouts(p))}
    if alone and inside:
        raise InputError(
            f"'{root}' is one class by its folders of images, yet holds the class '{next(iter(inside)).name}' too: "
            "move one of them elsewhere."
        )
    layouts = {root: alone} if alone else inside
    if not layouts:
        deeper = [p for p in folders(root) if (p / SPLIT).is_file() or any(map(_layouts, folders(p)))]
        hint = f" Perhaps you mean '{deeper[0]}'." if deeper else ""
        raise InputError(
            f"No class found in '{root}': it should hold one folder a class, each with normal images in train/good, or "
            "in good (and defective ones in bad)." + hint
        )
    examples = {layout: folder for folder, known in layouts.items() for layout in known}
    if len(examples) > 1:
        told = ", ".join(f"'{folder}' has that of {layout}" for layout, folder in sorted(examples.items()))
        raise InputError(f"'{root}' mixes layouts: {told}. Bring all classes into one layout, or move some elsewhere.")
    (layout,) = examples
    read = _good_and_bad if layout == "good and bad" else _split
    if layout == "MVTec AD" and all(_inside(folder, "train", OK) for folder in layouts):
        layout = "BTAD"
    elif layout == "MVTec AD" and any(_inside(folder, "validation", *GOOD_NAMES) for folder in layouts):
        layout = "MVTec LOCO AD"
    names = {folder: Path(os.path.abspath(root)).name if folder == root else folder.name for folder in layouts}
    return layout, {name: partial(read, folder, name) for folder, name in names.items()}


def _layouts(folder: Path) -> list[str]:
    """List the layouts that a class folder may have: none if it is no class, more than one if that is not clear."""
    split, unsplit = _named(folder, ("train", "test")), _unsplit(folder, GOOD_NAMES + BAD_NAMES)
    return ["MVTec AD"] * bool(split) + ["good and bad"] * bool(unsplit)


def _split(folder: Path, name: str) -> ClassFiles:
    """Read a class with a split: MVTec AD, MVTec LOCO AD, BTAD."""
    train, test, truth, validation = (_one(folder, part) for part in ("train", "test", "ground_truth", "validation"))
    good = _one(train, *GOOD_NAMES)
    normal = images(good)
    if not normal:
        elsewhere = next((f" ('{path.parent}' has some)" for path in images(train)), "")
        raise InputError(f"Class '{name}' has no images in '{good}'{elsewhere}: put its normal training images there.")
    normal += images(_one(validation, *GOOD_NAMES))
    tested = {defect: images(defect) for defect in folders(test)}
    good = _one(test, *GOOD_NAMES)
    masks, faults = _find_masks(truth, {defect: paths for defect, paths in tested.items() if defect != good})
    samples = []
    for defect, paths in tested.items():
        for path in paths:
            if masks and path not in masks and defect != good:
                wanted = truth / path.relative_to(test).with_name(f"{path.stem}_mask.png")
                faults.append(_no_mask(path, name, wanted))
            samples.append(Sample(path, name, 0, int(defect != good), GOOD if defect == good else defect.name,
                                  masks.get(path)))  # fmt: skip
    return ClassFiles([Sample(path, name, 0, 0, GOOD) for path in normal], samples, faults)


def _no_mask(path: Path, name: str, wanted: Path) -> Fault:
    told = f"The defective image '{path}' has no mask, though others of class '{name}' have one: add '{wanted}'."
    return Fault("no mask", path, told)


def _find_masks(truth: Path, tested: dict[Path, list[Path]]) -> tuple[dict[Path, Path], list[Fault]]:
    """Find which mask, a file or a folder of files, belongs to which defective image; a mask of no image is a fault.

    But one that lies in no folder of a defect is used only if it can be meant for one image alone.
    """
    places: dict[Path, list[Path]] = defaultdict(list)  # DEFECT/STEM, with the folders in between: images
    for defect, paths in tested.items():
        for path in paths:
            places[_below(path, defect.parent).with_name(path.stem)].append(path)
    masks: dict[Path, Path] = {}
    faults: list[Fault] = []
    for mask in images(truth):
        place = _below(mask, truth)
        loose = len(place.parts) == 1
        if not loose and place.parts[0] in GOOD_NAMES:
            continue
        taken, wanted = mask, list[Path]()
        for key, path in ((place.with_name(mask.stem), mask), *zip(place.parents[:-2], mask.parents, strict=False)):
            for stem in (key.name.removesuffix("_mask"), key.name):
                if not wanted and key.parent / stem in places:
                    taken, wanted = path, places[key.parent / stem]
        if not wanted and len(place.parts) < 3:  # then by its name alone; in the folders of LOCO all are called alike
            names = (mask.stem.removesuffix("_mask"), mask.stem)
            near = [p for p in places if p.name in names and (loose or p.parts[0] == place.parts[0])]
            wanted = [path for p in near for path in places[p]]
        if loose and len(wanted) != 1:
            continue
        if not wanted:
            where = truth.parent / "test" / place.parts[0]
            told = f"The mask '{mask}' has no image of that name in '{where}': call it STEM_mask.png after its image, "
            faults.append(Fault("stray mask", mask, told + "or remove it."))
        elif len(wanted) > 1:
            told = f"The mask '{mask}' may be that of '{wanted[0]}' or of '{wanted[1]}', which have one name: rename "
            faults.append(Fault("stray mask", mask, told + "one of them, and its mask."))
        elif masks.setdefault(wanted[0], taken) != taken:
            told = f"The image '{wanted[0]}' has two masks, '{masks[wanted[0]]}' and '{taken}': remove one."
            faults.append(Fault("second mask", taken, told))
    return masks, faults


def _good_and_bad(folder: Path, name: str) -> ClassFiles:
    """Read a class without a split: of its good images every fifth by name is kept to judge, the others train."""
    chosen = []
    for names in (GOOD_NAMES, BAD_NAMES):
        present = _unsplit(folder, names)
        if len(present) > 1:
            raise InputError(f"Class '{name}' has both '{present[0]}' and '{present[1]}': put their images into one.")
        chosen.append(present[0] if present else folder / names[0])
    good, bad = chosen
    for stray in folders(folder):
        if stray not in (good, bad) and any(path.parent == stray for path in images(stray)):
            raise InputError(
                f"Class '{name}' has folders of good and of bad images, and '{stray}', which is neither: move its "
                f"images into '{bad}', or sort all of them into train/good, test/good and test/DEFECT."
            )
    normal = [Sample(path, name, 0, 0, GOOD) for path in images(good)]
    if not normal:
        raise InputError(f"Class '{name}' has no images in '{good}': put its normal images there.")
    train = [sample for i, sample in enumerate(normal, 1) if i % 5]
    return ClassFiles(train, normal[4::5] + [Sample(path, name, 0, 1, "bad") for path in images(bad)], [])


def _visa(root: Path) -> dict[str, Callable[[], ClassFiles]]:
    """Read the classes of VisA's table of splits."""
    rows = sorted(_table(root / SPLIT, ("object", "split", "label", "image", "mask")), key=lambda row: row["image"])
    lists = {name: ClassFiles([], [], []) for name in sorted({row["object"] for row in rows})}
    kinds: dict[str, str] = {}
    for name in lists:
        annotated = root / name / "image_anno.csv"
        if annotated.is_file():
            kinds |= {row["image"]: row["label"] for row in _table(annotated, ("image", "label"))}
    for row in rows:
        label, training = int(row["label"] != "normal"), row["split"] == "train"
        if label and training:
            raise InputError(f"'{root / SPLIT}' trains on the defective '{row['image']}': take VisA's own table.")
        image, mask = root / row["image"], root / row["mask"] if label and row["mask"] else None
        for path in filter(None, (image, mask)):
            if not path.is_file():
                raise InputError(f"'{root / SPLIT}' names '{path}', which is not there: unpack VisA again.")
        several = [kind.strip() for kind in kinds.get(row["image"], "").split(",")]
        kind = ",".join(k for k in several if k not in ("", "normal")) or "anomaly"
        sample = Sample(image, row["object"], 0, label, kind if label else GOOD, mask)
        (lists[row["object"]].train if training else lists[row["object"]].test).append(sample)
    return {name: partial(_visa_class, root, name, samples) for name, samples in lists.items()}


def _visa_class(root: Path, name: str, files: ClassFiles) -> ClassFiles:
    """Give a class of VisA, which must have something to learn from."""
    if not files.train:
        raise InputError(f"'{root / SPLIT}' has no training images of '{name}': take VisA's own table.")
    defective = [sample for sample in files.test if sample.label]
    bare = [sample.path for sample in defective if sample.mask is None]
    if len(bare) == len(defective):
        return files
    wanted = root / name / "Data" / "Masks" / "Anomaly"
    return files._replace(faults=[_no_mask(path, name, wanted / f"{path.stem}.png") for path in bare])


def _table(path: Path, columns: Sequence[str]) -> list[dict[str, str]]:
    """Read the rows of a csv file that must have these columns."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            table = csv.DictReader(file)
            lacking = set(columns) - set(table.fieldnames or ())
            rows = list(table)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"'{path}' cannot be read as a table: take VisA's own ({error}).") from error
    if lacking:
        raise InputError(f"'{path}' lacks {', '.join(sorted(lacking))}: take VisA's own table.")
    for row in rows:
        if any(row[column] is None for column in columns):
            raise InputError(f"'{path}' has a row cut short, {list(row.values())}: take VisA's own table.")
    return rows


def _below(path: Path, folder: Path) -> Path:
    """Give the path inside a folder; letters' case does not count in the name of the defect, its first part."""
    first, *rest = path.relative_to(folder).parts
    return Path(first.lower(), *rest) if rest else Path(first)


def _named(folder: Path, names: Sequence[str]) -> list[Path]:
    """List folders of these names, in any letters' case, inside a folder."""
    return [path for path in folders(folder) if path.name.lower() in names]


def _unsplit(folder: Path, names: Sequence[str]) -> list[Path]:
    """List folders of these names inside a folder, less those that are classes with a split themselves."""
    return [path for path in _named(folder, names) if not _named(path, ("train", "test"))]


def _inside(folder: Path, part: str, *names: str) -> bool:
    return any(_named(path, names) for path in _named(folder, (part,)))


def _one(folder: Path, *names: str) -> Path:
    """Give the folder of one of these names, the first if there is none; two of them are an InputError."""
    there = _named(folder, names)
    if len(there) > 1:
        raise InputError(f"'{there[0]}' and '{there[1]}' mean the same: put their images into one folder.")
    return there[0] if there else folder / names[0]
