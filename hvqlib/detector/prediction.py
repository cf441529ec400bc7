"""Hold verdicts, and which classes they are asked for. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvqlib.data.images import Picture
from hvqlib.errors import InputError

CHUNK = 64  # images whose features are in memory at once
ClassNames = str | Sequence[str | None] | None  # one for all images, or one an image; None where it is to be inferred


@dataclass
class Prediction:
    """Hold the verdict on one image."""

    path: Path | None  # None for an image that is in no file
    class_name: str  # given or inferred
    score: float  # higher is more anomalous: highest value of the smoothed map, and what the whole picture adds
    threshold: float  # images of this class that score above are called defective
    false_alarm: float | None  # the share of normal images that this may befall, at most; None: nothing is promised
    p_value: float  # upper bound of the share of normal images that score as high, in (0, 1]
    spot: float  # spreads by which the map's highest value is above that of a normal image
    picture: float  # spreads by which the picture as a whole is further from normal ones than they from each other
    strangeness: float  # above 1 the image is unlike every class trained on; no held-out image is above 0.5
    anomaly_map: np.ndarray  # (S, S)
    pixel_threshold: float  # of the map; above it no pixel of a normal image lies, at the same false-alarm rate

    @property
    def defective(self) -> bool:
        """Whether the score is too high for a normal image, at the false-alarm rate that was asked for."""
        if self.false_alarm is None:
            return self.score > self.threshold
        return self.p_value <= self.false_alarm + 1e-9

    @property
    def verdict(self) -> str:
        """Give the verdict: "stranger" for an image unlike every class, else "defective" or "normal"."""
        return "stranger" if self.strangeness > 1 else "defective" if self.defective else "normal"

    @property
    def spoke(self) -> str:
        """Which of the two spoke the louder: "a spot here", or "the picture as a whole"."""
        return "a spot here" if self.spot >= self.picture else "the picture as a whole"

    def row(self) -> dict[str, str | float | None]:
        """Give everything but the map, ready for JSON."""
        return {"image": None if self.path is None else str(self.path), "class": self.class_name,
                "verdict": self.verdict, "score": self.score, "threshold": self.threshold, "p_value": self.p_value,
                "false_alarm": self.false_alarm, "spot": self.spot, "picture": self.picture, "spoke": self.spoke,
                "strangeness": self.strangeness}  # fmt: skip


def given_classes(images: Sequence[Picture], class_names: ClassNames, classes: Sequence[str]) -> list[int]:
    """Find the class id of each of N images among the names `classes`, -1 where it is to be inferred.

    Raises InputError where the images are no list, or a name is unknown or missing.
    """
    if isinstance(images, str | Path) or not (hasattr(images, "__len__") and hasattr(images, "__getitem__")):
        raise InputError(f"Images come as a list, of one if need be, not as {type(images).__name__}.")
    names = [class_names] * len(images) if isinstance(class_names, str | None) else list(class_names)
    if len(names) != len(images):
        raise InputError(f"There are {len(images)} images and {len(names)} class names: give one an image.")
    for name in {class_names} if isinstance(class_names, str) else names:  # also where there is no image yet
        if name is not None and name not in classes:
            raise InputError(f"The run knows no class '{name}': choose from {', '.join(classes)}.")
    return [-1 if name is None else classes.index(name) for name in names]
