"""Folders of images in the layout of MVTec AD or of VisA, as lists of samples.

MVTec AD (Bergmann et al., CVPR 2019), and the layout for one's own images:

    ROOT/CLASS/train/good/*                          normal images to learn from
    ROOT/CLASS/test/good/*, ROOT/CLASS/test/DEFECT/* images to judge
    ROOT/CLASS/ground_truth/DEFECT/STEM_mask.png     which pixels are defective (optional)

VisA (Zou et al., ECCV 2022) as its archive unpacks, known by its table of splits, whose paths start at ROOT:

    ROOT/split_csv/1cls.csv                          object,split,label,image,mask
    ROOT/CLASS/Data/Images/*, ROOT/CLASS/Data/Masks/*

Listing (`load_dataset`) opens no image; reading (`read_image`, `read_mask`) decodes one file.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hvqlib.config import InputError

EXTENSIONS = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"})
GOOD = "good"
SPLIT = "split_csv/1cls.csv"  # VisA's: one class, all of its normal training images


@dataclass(frozen=True)
class Sample:
    """One image of a data set.

    Parameters
    ----------
    path : Path
        The image file.
    class_name, class_id : str, int
        Its class, and the place of that class in `AnomalyDataset.classes`.
    label : int
        0 normal, 1 defective.
    defect : str
        "good", or the name of the folder it lies in under ``test``.
    mask : Path or None
        The file that marks its defective pixels; None for a normal image or in a class without.
    """

    path: Path
    class_name: str
    class_id: int
    label: int
    defect: str
    mask: Path | None = None


@dataclass(frozen=True)
class AnomalyDataset:
    """What `load_dataset` found: classes, training samples (all normal) and test samples."""

    root: Path
    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]

    def has_masks(self, class_name: str) -> bool:
        """Whether the defective test images of a class come with masks."""
        return any(s.mask is not None for s in self.test if s.class_name == class_name)


def load_dataset(root: str | Path, classes: Sequence[str] | str | None = None) -> AnomalyDataset:
    """List the images of a folder in the layout of MVTec AD or VisA.

    Parameters
    ----------
    root : str or Path
        A folder of class folders, or one class folder (a folder that contains ``train/good``).
    classes : sequence of str, optional
        The classes wanted; class ids follow this order. By default all, sorted by name.

    Returns
    -------
    AnomalyDataset
        Samples ordered by class, defect and file name. A class without ``test`` has training
        samples only; a class without any mask has image labels only. ``ground_truth/good`` is not
        looked at. Every defective image of VisA has the defect "anomaly".

    Raises
    ------
    InputError
        The folder is missing or holds no class; a class is not there or has no image in
        ``train/good``; a mask has no image, or a defective image of a class with masks has none;
        VisA's table lacks a column, or names a file that is not there.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"'{root}' is not a folder: give the folder that holds the class folders.")
    listed = _read_split(root) if (root / SPLIT).is_file() else {}
    if listed:
        found = {name: root / name for name in sorted(listed)}
    elif (root / "train" / GOOD).is_dir():
        found = {root.resolve().name: root}
    else:
        found = {
            folder.name: folder
            for folder in _folders(root)
            if (folder / "train").is_dir() or (folder / "test").is_dir()
        }
    if not found:
        raise InputError(
            f"No class found in '{root}': it should hold one folder a class, each with normal images in train/good."
        )
    names = (classes,) if isinstance(classes, str) else tuple(found if classes is None else classes)
    for name in names:
        if name not in found:
            raise InputError(f"No class '{name}' in '{root}': choose from {', '.join(found)}.")
    if not names or len(set(names)) < len(names):
        raise InputError(f"The classes, {list(names)}, should be one or more different names.")

    train: list[Sample] = []
    test: list[Sample] = []
    for class_id, name in enumerate(names):
        normal, judged = listed.get(name) or _read_class(found[name], name)
        if not normal:
            raise InputError(f"'{root / SPLIT}' has no training images of '{name}': take VisA's own table.")
        train += [replace(sample, class_id=class_id) for sample in normal]
        test += [replace(sample, class_id=class_id) for sample in judged]
    return AnomalyDataset(root, names, tuple(train), tuple(test))


def read_image(path: str | Path) -> np.ndarray:
    """Decode one image file completely.

    Every kind of pixel becomes 8-bit RGB: 16-bit grey is divided by 257 (65535 becomes 255),
    transparent pixels are laid on white, grey, palette, 1-bit and CMYK are converted. The camera's
    orientation tag is applied.

    Returns
    -------
    ndarray of uint8, shape (H, W, 3), range 0 to 255

    Raises
    ------
    InputError
        The file is missing, no image, cut short, unsafely large, or has pixels of over 16 bits.
    """
    image = _decode(path)
    if image.mode.startswith("I"):  # 16 bits; PIL's own conversion to 8 would clip at 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"The image '{path}' has pixels of over 16 bits: save it with 8 or 16.")
        return np.repeat(np.rint(values / 257).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise InputError(f"The image '{path}' has pixels of 32-bit floats: save it with 8 or 16 bits.")
    if image.mode in ("RGBA", "RGBa", "LA", "La", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))  # a copy: torch wants writable memory


def read_mask(sample: Sample, size: int) -> np.ndarray:
    """The defective pixels of a sample, at the size the model works at.

    Any non-zero value of the mask file is defect (so save masks without loss, not as JPEG); a pixel
    of the smaller mask takes the value of the nearest pixel of the file.

    Returns
    -------
    ndarray of bool, shape (size, size)
        All False for a normal image.

    Raises
    ------
    InputError
        The mask cannot be read, has another size than its image, or a defective sample has none.
    """
    if sample.mask is None:
        if sample.label:
            raise InputError(f"The defective image '{sample.path}' has no mask: add one.")
        return np.zeros((size, size), dtype=bool)
    mask, image = _decode(sample.mask), _decode(sample.path)
    if mask.size != image.size:
        raise InputError(
            f"The mask '{sample.mask}' is {mask.width} x {mask.height} pixels but its image "
            f"'{sample.path}' is {image.width} x {image.height}: make them the same size."
        )
    if mask.mode not in ("1", "L", "F") and not mask.mode.startswith("I"):
        background = Image.new("RGBA", mask.size, "black")  # a transparent pixel marks nothing
        mask = Image.alpha_composite(background, mask.convert("RGBA")).convert("RGB")
    defect = np.asarray(mask) != 0
    if defect.ndim == 3:
        defect = defect.any(axis=2)
    small = Image.fromarray(defect.astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(small) > 0


def _decode(path: str | Path) -> Image.Image:
    """Open, decode and turn upright one image, whatever its mode; any failure is an InputError."""
    try:
        with Image.open(path) as image:
            image.load()  # Image.open reads only the header: a file cut short shows here
            return ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise InputError(f"The image '{path}' is unsafely large: make it smaller ({error}).") from error
    except Exception as error:  # PIL raises OSError, ValueError, SyntaxError, struct.error, ...
        raise InputError(f"The image '{path}' cannot be read: replace it ({error}).") from error


def _read_class(folder: Path, name: str) -> tuple[list[Sample], list[Sample]]:
    """Training and test samples of a class in MVTec AD's layout, as class 0."""
    normal = _images(folder / "train" / GOOD)
    if not normal:
        raise InputError(
            f"Class '{name}' has no images in '{folder / 'train' / GOOD}': put its normal training images there."
        )
    test = []
    masks = _find_masks(folder)
    for defect_folder in _folders(folder / "test"):
        defect = defect_folder.name
        for path in _images(defect_folder):
            mask = masks.get(path)
            if masks and mask is None and defect != GOOD:
                wanted = folder / "ground_truth" / defect / f"{path.stem}_mask.png"
                raise InputError(
                    f"The defective image '{path}' has no mask, though others of class "
                    f"'{name}' have one: add '{wanted}'."
                )
            test.append(Sample(path, name, 0, int(defect != GOOD), defect, mask))
    return [Sample(path, name, 0, 0, GOOD) for path in normal], test


def _read_split(root: Path) -> dict[str, tuple[list[Sample], list[Sample]]]:
    """Training and test samples of every class in VisA's layout, as class 0."""
    listed: dict[str, tuple[list[Sample], list[Sample]]] = {}
    with (root / SPLIT).open(newline="", encoding="utf-8-sig") as file:
        table = csv.DictReader(file)
        lacking = {"object", "split", "label", "image", "mask"} - set(table.fieldnames or ())
        if lacking:
            raise InputError(f"'{root / SPLIT}' lacks {', '.join(sorted(lacking))}: take VisA's own table.")
        for row in sorted(table, key=lambda row: row["image"]):
            label, training = int(row["label"] != "normal"), row["split"] == "train"
            if label and training:
                raise InputError(f"'{root / SPLIT}' trains on the defective '{row['image']}': take VisA's own table.")
            image, mask = root / row["image"], root / row["mask"] if label and row["mask"] else None
            for path in filter(None, (image, mask)):
                if not path.is_file():
                    raise InputError(f"'{root / SPLIT}' names '{path}', which is not there: unpack VisA again.")
            train, test = listed.setdefault(row["object"], ([], []))
            defect = "anomaly" if label else GOOD
            (train if training else test).append(Sample(image, row["object"], 0, label, defect, mask))
    return listed


def _find_masks(folder: Path) -> dict[Path, Path]:
    """Which mask belongs to which test image of one class; a mask of no image is an error."""
    masks: dict[Path, Path] = {}
    for defect_folder in _folders(folder / "ground_truth"):
        if defect_folder.name == GOOD:
            continue
        images = {path.stem: path for path in _images(folder / "test" / defect_folder.name)}
        for mask in _images(defect_folder):
            image = images.get(mask.stem.removesuffix("_mask")) or images.get(mask.stem)
            if image is None:
                raise InputError(
                    f"The mask '{mask}' has no image of that name in "
                    f"'{folder / 'test' / defect_folder.name}': add the image or remove the mask."
                )
            if image in masks:
                raise InputError(f"The image '{image}' has two masks, '{masks[image]}' and '{mask}': remove one.")
            masks[image] = mask
    return masks


def _folders(folder: Path) -> list[Path]:
    """Visible folders inside a folder, sorted by name; none if it does not exist."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.is_dir() and not p.name.startswith("."))


def _images(folder: Path) -> list[Path]:
    """Visible image files inside a folder, sorted by name; none if it does not exist."""
    if not folder.is_dir():
        return []
    visible = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in visible if p.suffix.lower() in EXTENSIONS)
