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
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hvqlib.errors import InputError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
GOOD, OK = "good", "ok"
GOOD_NAMES = (GOOD, "normal", OK)  # of the folders of a class without a split
BAD_NAMES = ("bad", "defective", "ko", "anomaly")
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


Lists = tuple[list[Sample], list[Sample]]  # training and test samples of one class, as class 0


def recognise(root: Path) -> tuple[str, dict[str, Callable[[], Lists]]]:
    """Recognise the layout of a folder of class folders, or of one class folder.

    Returns
    -------
    name : "MVTec AD", "MVTec LOCO AD", "BTAD", "VisA" or "good and bad".
    classes : by name, sorted: a function that lists the training and test samples of its class, and raises InputError
        where that class cannot be used.

    Raises InputError where the folder is missing, holds no class, or mixes layouts, or VisA's table cannot be read.
    """
    if not root.is_dir():
        raise InputError(f"'{root}' is not a folder: give the folder that holds the class folders.")
    if (root / SPLIT).is_file() and (visa := _visa(root)):
        return "VisA", visa
    alone = _layouts(root) if _named(root / "train", (GOOD, OK)) or _named(root, GOOD_NAMES + BAD_NAMES) else []
    inside = {p: known for p in _folders(root) if p.name not in PARTS and (known := _layouts(p))}
    if alone and inside:
        raise InputError(
            f"'{root}' is one class by its folders of images, yet holds the class '{next(iter(inside)).name}' too: "
            "move one of them elsewhere."
        )
    layouts = {root: alone} if alone else inside
    if not layouts:
        deeper = [p for p in _folders(root) if (p / SPLIT).is_file() or any(map(_layouts, _folders(p)))]
        hint = f" Perhaps you mean '{deeper[0]}'." if deeper else ""
        raise InputError(
            f"No class found in '{root}': it should hold one folder a class, each with normal images in train/good."
            + hint
        )
    examples = {layout: folder for folder, known in layouts.items() for layout in known}
    if len(examples) > 1:
        told = ", ".join(f"'{folder}' has that of {layout}" for layout, folder in sorted(examples.items()))
        raise InputError(f"'{root}' mixes layouts: {told}. Bring all classes into one layout, or move some elsewhere.")
    (layout,) = examples
    read: Callable[[Path, str], Lists] = _good_and_bad
    if layout != "good and bad":
        read = partial(_split, good=OK if layout == "BTAD" else GOOD)
    if layout == "MVTec AD" and any((folder / "validation" / GOOD).is_dir() for folder in layouts):
        layout = "MVTec LOCO AD"
    names = {folder: root.resolve().name if folder == root else folder.name for folder in layouts}
    return layout, {name: partial(read, folder, name) for folder, name in names.items()}


def _layouts(folder: Path) -> list[str]:
    """List the layouts that a class folder may have: none if it is no class, more than one if that is not clear."""
    layouts = []
    if (folder / "train").is_dir() or (folder / "test").is_dir():
        layouts.append("MVTec AD" if not _named(folder / "train", (OK,)) else "BTAD")
    if _named(folder, GOOD_NAMES + BAD_NAMES):
        layouts.append("good and bad")
    return layouts


def _split(folder: Path, name: str, good: str) -> Lists:
    """Read a class with a split: MVTec AD, MVTec LOCO AD, BTAD."""
    other = {GOOD: OK, OK: GOOD}[good]
    for part in ("train", "test"):
        if (folder / part / other).is_dir():
            raise InputError(
                f"Class '{name}' has '{folder / part / other}', though its normal training images are in "
                f"'{good}': call the folders of normal images all '{GOOD}'."
            )
    normal = images(folder / "train" / good)
    if not normal:
        raise InputError(
            f"Class '{name}' has no images in '{folder / 'train' / good}': put its normal training images there."
        )
    normal += images(folder / "validation" / good)
    test = []
    masks = _find_masks(folder, good)
    for defect_folder in _folders(folder / "test"):
        defect = defect_folder.name
        for path in images(defect_folder):
            mask = masks.get(path)
            if masks and mask is None and defect != good:
                wanted = folder / "ground_truth" / defect / f"{path.stem}_mask.png"
                raise InputError(
                    f"The defective image '{path}' has no mask, though others of class "
                    f"'{name}' have one: add '{wanted}'."
                )
            test.append(Sample(path, name, 0, int(defect != good), GOOD if defect == good else defect, mask))
    return [Sample(path, name, 0, 0, GOOD) for path in normal], test


def _find_masks(folder: Path, good: str) -> dict[Path, Path]:
    """Find which mask, a file or a folder of files, belongs to which test image; a mask of no image is an error."""
    masks: dict[Path, Path] = {}
    for defect_folder in _folders(folder / "ground_truth"):
        if defect_folder.name == good:
            continue
        tested = {path.stem: path for path in images(folder / "test" / defect_folder.name)}
        for mask in [*images(defect_folder), *filter(images, _folders(defect_folder))]:
            stem = mask.name if mask.is_dir() else mask.stem
            image = tested.get(stem.removesuffix("_mask")) or tested.get(stem)
            if image is None:
                raise InputError(
                    f"The mask '{mask}' has no image of that name in "
                    f"'{folder / 'test' / defect_folder.name}': add the image or remove the mask."
                )
            if image in masks:
                raise InputError(f"The image '{image}' has two masks, '{masks[image]}' and '{mask}': remove one.")
            masks[image] = mask
    return masks


def _good_and_bad(folder: Path, name: str) -> Lists:
    """Read a class without a split: of its good images every fifth by name is kept to judge, the others train."""
    chosen = []
    for names in (GOOD_NAMES, BAD_NAMES):
        present = _named(folder, names)
        if len(present) > 1:
            raise InputError(f"Class '{name}' has both '{present[0]}' and '{present[1]}': put their images into one.")
        chosen.append(present[0] if present else folder / names[0])
    good, bad = chosen
    for stray in _folders(folder):
        if stray not in (good, bad) and images(stray):
            raise InputError(
                f"Class '{name}' has folders of good and of bad images, and '{stray}', which is neither: move its "
                f"images into '{bad}', or sort all of them into train/good, test/good and test/DEFECT."
            )
    normal = [Sample(path, name, 0, 0, GOOD) for path in images(good)]
    if not normal:
        raise InputError(f"Class '{name}' has no images in '{good}': put its normal images there.")
    train = [sample for i, sample in enumerate(normal, 1) if i % 5]
    return train, normal[4::5] + [Sample(path, name, 0, 1, "bad") for path in images(bad)]


def _visa(root: Path) -> dict[str, Callable[[], Lists]]:
    """Read the classes of VisA's table of splits."""
    rows = sorted(_table(root / SPLIT, ("object", "split", "label", "image", "mask")), key=lambda row: row["image"])
    lists: dict[str, Lists] = {name: ([], []) for name in sorted({row["object"] for row in rows})}
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
        lists[row["object"]][0 if training else 1].append(sample)
    return {name: partial(_visa_class, root, name, samples) for name, samples in lists.items()}


def _visa_class(root: Path, name: str, samples: Lists) -> Lists:
    """Give a class of VisA, which must have something to learn from."""
    if not samples[0]:
        raise InputError(f"'{root / SPLIT}' has no training images of '{name}': take VisA's own table.")
    return samples


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


def _named(folder: Path, names: Sequence[str]) -> list[Path]:
    """List folders of these names inside a folder, less those that are classes with a split themselves."""
    there = [folder / name for name in names if (folder / name).is_dir()]
    return [p for p in there if not (p / "train").is_dir() and not (p / "test").is_dir()]


def _folders(folder: Path) -> list[Path]:
    """List visible folders inside a folder, sorted by name; none if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def images(folder: Path) -> list[Path]:
    """List visible image files inside a folder, sorted by name; none if it does not exist."""
    if not folder.is_dir():
        return []
    visible = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in visible if p.suffix.lower() in EXTENSIONS)
