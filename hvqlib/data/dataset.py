"""Read a folder of images as a data set: classes, training samples and test samples. No image is opened."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hvqlib.data.layouts import Sample, recognise
from hvqlib.data.listing import images, left_out
from hvqlib.errors import InputError

LEAST_IMAGES = (
    5  # normal training images of a class; with fewer, how they differ cannot be told, and scores mean nothing
)
SHOWN = 5  # files that a message or a table names; `hvq data check` with --json names all


@dataclass(frozen=True)
class AnomalyDataset:
    """Hold what `load_dataset` read: classes, training samples (all normal) and test samples."""

    root: Path
    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]
    left_out: tuple[Path, ...] = ()  # what looks like an image and is not used: files, folders that hold such only

    def told_left_out(self) -> str:
        """Say in a line what is left out; nothing if that is nothing."""
        if not self.left_out:
            return ""
        number, named = len(self.left_out), ", ".join(f"'{path}'" for path in self.left_out[:SHOWN])
        more = f" and {number - SHOWN:,} more" if number > SHOWN else ""
        return f"Left out, though like images: {number:,}: {named}{more}; hvq data check says why (--json names all).\n"

    def has_masks(self, class_name: str) -> bool:
        """Say whether the defective test images of a class come with masks."""
        return any(s.mask is not None for s in self.test if s.class_name == class_name)


def load_dataset(root: str | Path, classes: Sequence[str] | str | None = None) -> AnomalyDataset:
    """List the images of a folder in one of the layouts that `hvqlib.data.layouts` describes.

    Parameters
    ----------
    root : a folder of class folders, or one class folder (a folder that contains ``train/good``, say).
    classes : the classes wanted; class ids follow this order. By default all, sorted by name.

    Returns
    -------
    Samples ordered by class, defect and file name; those of VisA by class and file. A class without ``test`` has
    training samples only; a class without any mask has image labels only. ``ground_truth/good`` is not looked at. What
    looks like an image, in these classes or beside them, and has no place in the layout, is in ``left_out``.
    Defective images of VisA have the kinds that ``image_anno.csv`` names, or "anomaly"; those of ``bad`` have "bad".

    Raises InputError where the folder is missing, holds no class, or mixes layouts; a class is missing, or has no image
    in ``train/good``; a mask has no image, or a defective image of a class with masks has none; VisA's table lacks a
    column, or names a missing file.
    """
    root = Path(root)
    _, readers = recognise(root)
    names = (classes,) if isinstance(classes, str) else tuple(readers if classes is None else classes)
    for name in names:
        if name not in readers:
            raise InputError(f"No class '{name}' in '{root}': choose from {', '.join(readers)}.")
    if not names or len(set(names)) < len(names):
        raise InputError(f"The classes, {list(names)}, should be one or more different names.")

    train: list[Sample] = []
    test: list[Sample] = []
    for class_id, name in enumerate(names):
        normal, judged, faults = readers[name]()
        if faults:
            more = f" ({len(faults) - 1:,} more faults of masks: hvq data check names them.)" if len(faults) > 1 else ""
            raise InputError(faults[0].sentence + more)
        train += [replace(sample, class_id=class_id) for sample in normal]
        test += [replace(sample, class_id=class_id) for sample in judged]
    unused = unused_images(root, readers, [*train, *test], set(readers) - set(names))
    return AnomalyDataset(root, names, tuple(train), tuple(test), tuple(unused))


def unused_images(
    root: Path, classes: Iterable[str], samples: Iterable[Sample], skip: Collection[str] = ()
) -> list[Path]:
    """List what looks like an image in a data set, and belongs to no sample; classes to `skip` are not looked at."""
    used = {path for sample in samples for path in (sample.path, sample.mask) if path}
    used.update(*(images(path) for path in used if path.is_dir()))
    places = {name: path if (path := root / name).is_dir() else root for name in classes}  # root: it is the one class
    return left_out(root, used, set(places.values()), {places[name] for name in skip})
