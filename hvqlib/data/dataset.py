"""Read a folder of images as a data set: classes, training samples and test samples. No image is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from hvqlib.data.layouts import Sample, recognise
from hvqlib.errors import InputError


@dataclass(frozen=True)
class AnomalyDataset:
    """Hold what `load_dataset` read: classes, training samples (all normal) and test samples."""

    root: Path
    classes: tuple[str, ...]
    train: tuple[Sample, ...]
    test: tuple[Sample, ...]

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
    training samples only; a class without any mask has image labels only. ``ground_truth/good`` is not looked at.
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
        normal, judged = readers[name]()
        train += [replace(sample, class_id=class_id) for sample in normal]
        test += [replace(sample, class_id=class_id) for sample in judged]
    return AnomalyDataset(root, names, tuple(train), tuple(test))
