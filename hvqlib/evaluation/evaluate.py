"""Evaluate a run: the metrics of a data set, class by class."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from hvqlib.data.dataset import AnomalyDataset
from hvqlib.data.images import read_mask
from hvqlib.data.layouts import Sample
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.evaluation.metrics import METRICS, all_metrics, mean_over_classes


@dataclass
class Example:
    """Hold one test image and what the detector made of it, for a gallery."""

    sample: Sample
    anomaly_map: np.ndarray  # (S, S)
    score: float
    low: float  # map value for the darkest colour: the class's 20 % quantile
    high: float  # map value for the brightest: its 99.9 % quantile


@dataclass
class Evaluation:
    """Hold the metrics of a data set, and what they come from."""

    metrics: dict  # {"classes": {name: {...}}, "mean": {...}, "n": {name: {...}}}
    examples: list[Example]  # two a class: the defective images of the median and of the lowest score
    scores: dict[str, tuple[list[float], list[float]]]  # by class: of good images and of defective ones, as in the data


def evaluate(
    detector: Detector,
    dataset: AnomalyDataset,
    *,
    cache: str | Path | None = None,
    score: str | None = None,
    normalize: bool | None = None,
    labels: str = "given",
    progress: bool = False,
) -> Evaluation:
    """Score every test image, one class at a time; maps and masks wait on disk, in the folder for temporary files.

    Parameters
    ----------
    score, normalize : as :meth:`Calibration.combine`; the run's when not given.
    labels : "given", every image is scored as of its own class; "inferred", as of the class its features look like.
        Metrics are per true class in both cases.

    Returns
    -------
    Evaluation; its `metrics` has, for each class and their mean, the seven values of METRICS (null where the class
    has no masks, or only good or only defective images), under "n" the numbers of test images, under "labels" how the
    class was known, and under "class_accuracy" the share of images whose inferred class is right (null for given).
    Raises InputError where the data set has a class that the run was not trained on, or no test images.
    """
    strange = [name for name in dataset.classes if name not in detector.classes]
    if strange:
        raise InputError(
            f"The run was not trained on {', '.join(strange)} (it knows {', '.join(detector.classes)}): "
            "train on this data set first."
        )
    if not dataset.test:
        raise InputError(f"{dataset.root} has no test images: put some into CLASS/test/good and CLASS/test/DEFECT.")
    if labels not in ("given", "inferred"):
        raise InputError(f'labels is {labels!r}; choose "given" or "inferred".')
    per_class, numbers, examples, of_class = {}, {}, [], {}
    right: dict[int, list[bool]] = {0: [], 1: []}  # by label: whether the inferred class is the true one
    for name in dataset.classes:
        samples = [sample for sample in dataset.test if sample.class_name == name]
        if not samples:
            continue
        class_id = detector.classes.index(name)
        given = name if labels == "given" else None
        with _Spool() as maps, _Spool() as masks:
            scores: list[float] = []
            ids: list[int] = []
            judged = detector.stream(
                [sample.path for sample in samples], given, score, normalize, cache=cache, progress=progress
            )
            for some in judged:
                maps.extend(some.maps.cpu().numpy())
                scores += some.scores.tolist()
                ids += some.class_ids.tolist()
            if masked := dataset.has_masks(name):
                masks.extend(read_mask(sample, len(maps[0])) for sample in samples)
            label = np.array([sample.label for sample in samples])
            for kind in (0, 1):
                right[kind] += (np.array(ids)[label == kind] == class_id).tolist()
            per_class[name] = all_metrics(label, scores, *((masks, maps) if masked else ()))
            good, defective = (np.array(scores)[label == kind].tolist() for kind in (0, 1))
            of_class[name] = good, defective
            numbers[name] = {"good": int((label == 0).sum()), "defective": int(label.sum())}
            ranked = sorted(np.flatnonzero(label).tolist(), key=lambda i: scores[i])
            shown = [maps[i] for i in range(0, len(maps), -(-len(maps) // 64))]  # enough to set the colours by
            low, high = (float(q) for q in np.quantile(shown, (0.2, 0.999)))
            for i in dict.fromkeys([ranked[len(ranked) // 2], ranked[0]] if ranked else []):
                examples.append(Example(samples[i], maps[i], scores[i], low, high))
    kinds = {"good": right[0], "defective": right[1]}
    accuracy = {kind: float(np.mean(r)) if labels != "given" and r else None for kind, r in kinds.items()}
    metrics = {"classes": per_class, "mean": mean_over_classes(per_class), "n": numbers, "labels": labels,
               "class_accuracy": accuracy}  # fmt: skip
    return Evaluation(metrics, examples, of_class)


class _Spool(Sequence[np.ndarray]):
    """Arrays of one shape, on disk until the block ends."""

    def __enter__(self) -> _Spool:
        self.file, self.number = tempfile.TemporaryFile(), 0
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def extend(self, arrays: Iterable[np.ndarray]) -> None:
        self.file.seek(0, 2)
        for array in arrays:
            self.shape, self.dtype = array.shape, array.dtype
            self.file.write(array.tobytes())
            self.number += 1

    def __len__(self) -> int:
        return self.number

    def __getitem__(self, index: int) -> np.ndarray:  # type: ignore[override]
        if not 0 <= index < self.number:
            raise IndexError(index)
        size = int(np.prod(self.shape)) * self.dtype.itemsize
        self.file.seek(index * size)
        return np.frombuffer(self.file.read(size), self.dtype).reshape(self.shape)


def metrics_table(metrics: dict) -> str:
    """Lay out metrics as a table in text, a row a class, values in percent."""
    head = ("class", *(name.replace("_", " ") for name in METRICS))
    rows = [*metrics["classes"].items(), ("mean", metrics["mean"])]
    width = max(len(name) for name, _ in rows) + 2
    cells = [[f"{100 * row[m]:.1f}" if row[m] is not None else "n/a" for m in METRICS] for _, row in rows]
    lines = [head[0].ljust(width) + "".join(h.rjust(13) for h in head[1:])]
    lines += [name.ljust(width) + "".join(c.rjust(13) for c in row) for (name, _), row in zip(rows, cells, strict=True)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:-1], "-" * len(lines[0]), lines[-1]])
