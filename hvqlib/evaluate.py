"""A trained run on images: per-class metrics of a data set, or maps and scores of loose files."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .backbone import Backbone, Standardize, extract_features
from .calibrate import Calibration, signal_weights
from .classes import ClassCentroids
from .config import Config, InputError
from .data import AnomalyDataset, Sample, read_mask
from .knn import NearestNeighbour
from .metrics import METRICS, mean_over_classes, summarize
from .model import HVQTrans, image_score, upsample
from .run import build_model, load_weights, part, pick_device, read_checkpoint, read_run

CHUNK = 64  # images whose features, or maps in `hvq predict`, are in memory at once


@dataclass
class Detector:
    """A run, loaded: from image files to anomaly maps."""

    config: Config
    classes: tuple[str, ...]
    backbone: Backbone
    standardize: Standardize
    guess: ClassCentroids
    model: HVQTrans | NearestNeighbour
    calibration: Calibration

    @classmethod
    def load(cls, run: str | Path, device: str | None = None) -> Detector:
        """Read a run folder. Raises InputError when it is not finished or does not fit this machine's backbone."""
        config, classes, channels, fingerprint = read_run(Path(run))
        tensors, state = read_checkpoint(Path(run))
        if not state["done"]:
            raise InputError(f"The training in {run} is not finished: go on with hvq train ... --resume.")
        backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling)
        if backbone.fingerprint != fingerprint:
            raise InputError(
                f"{run} was trained on other weights of {config.backbone} than this machine has: train again."
            )
        model = build_model(config, channels, len(classes))
        load_weights(model, tensors, Path(run))
        guess = ClassCentroids(channels, len(classes))
        guess.load_state_dict(part(tensors, "guess."))
        standardize = Standardize(channels)
        standardize.load_state_dict(part(tensors, "standardize."))
        place = pick_device(device)
        for module in (backbone, standardize, guess, model):
            module.to(place).eval()
        calibration = Calibration(**{k: v.to(place) for k, v in part(tensors, "calibration.").items()})
        return cls(config, classes, backbone, standardize, guess, model, calibration)

    def maps(
        self,
        paths: Sequence[Path],
        class_ids: Sequence[int] | None = None,
        cache: str | Path | None = None,
        progress: bool = False,
        score: str | None = None,
        normalize: bool | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Anomaly maps (N, S, S) float32, image scores (N,) and class ids (N,); the class is guessed if not given.

        `score` and `normalize` are the run's when not given; see :meth:`Calibration.combine`.
        """
        parts = list(self.stream(paths, class_ids, cache, progress, score, normalize))
        return tuple(np.concatenate(kind) for kind in zip(*parts, strict=True))  # type: ignore[return-value]

    def stream(
        self,
        paths: Sequence[Path],
        class_ids: Sequence[int] | None = None,
        cache: str | Path | None = None,
        progress: bool = False,
        score: str | None = None,
        normalize: bool | None = None,
    ) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """What :meth:`maps` gives, a batch at a time, so that memory does not grow with the number of images."""
        place = self.standardize.mean.device
        size = (self.config.image_size, self.config.image_size)
        weights = signal_weights(self.config, self.calibration.mean.shape[1], score)
        wanted = [i for i, weight in enumerate(weights) if weight]  # the rest need not be computed
        for some in range(0, len(paths), CHUNK):
            features = extract_features(self.backbone, paths[some : some + CHUNK], cache, progress=progress)
            given = None if class_ids is None else torch.tensor(class_ids[some : some + CHUNK], dtype=torch.long)
            for rows in torch.arange(len(features)).split(self.config.batch_size):
                batch = self.standardize(features[rows].to(place))
                ids = self.guess(batch) if given is None else given[rows].to(place)
                signals = self.model.signals(batch, ids, wanted)
                maps = upsample(self.calibration.combine(signals, ids, self.config, score, normalize), size)
                yield maps.cpu().numpy(), image_score(maps).cpu().numpy(), ids.cpu().numpy()


@dataclass
class Example:
    """One test image with what the detector made of it, for a gallery."""

    sample: Sample
    anomaly_map: np.ndarray  # (S, S)
    score: float
    low: float  # map value for the darkest colour: the class's 20 % quantile
    high: float  # map value for the brightest: its 99.9 % quantile


@dataclass
class Evaluation:
    """Metrics of a data set, and two telling examples a class (the median and the lowest-scored defective image)."""

    metrics: dict  # {"classes": {name: {...}}, "mean": {...}, "n": {name: {...}}}
    examples: list[Example]


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

    Raises
    ------
    InputError : the data set has a class the run was not trained on, or no test images.
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
    per_class, numbers, examples = {}, {}, []
    right: dict[int, list[bool]] = {0: [], 1: []}  # by label: whether the inferred class is the true one
    for name in dataset.classes:
        samples = [sample for sample in dataset.test if sample.class_name == name]
        if not samples:
            continue
        class_id = detector.classes.index(name)
        given = [class_id] * len(samples) if labels == "given" else None
        with _Spool() as maps, _Spool() as masks:
            scores, ids = [], []
            paths = [sample.path for sample in samples]
            for some, their_scores, their_ids in detector.stream(paths, given, cache, progress, score, normalize):
                maps.extend(some)
                scores += their_scores.tolist()
                ids += their_ids.tolist()
            if masked := dataset.has_masks(name):
                masks.extend(read_mask(sample, len(maps[0])) for sample in samples)
            label = np.array([sample.label for sample in samples])
            for kind in (0, 1):
                right[kind] += (np.array(ids)[label == kind] == class_id).tolist()
            per_class[name] = summarize(label, scores, *((masks, maps) if masked else ()))
            numbers[name] = {"good": int((label == 0).sum()), "defective": int(label.sum())}
            ranked = sorted(np.flatnonzero(label).tolist(), key=lambda i: scores[i])
            shown = [maps[i] for i in range(0, len(maps), -(-len(maps) // 64))]  # enough to set the colours by
            low, high = (float(q) for q in np.quantile(shown, (0.2, 0.999)))
            for i in dict.fromkeys([ranked[len(ranked) // 2], ranked[0]] if ranked else []):
                examples.append(Example(samples[i], maps[i], scores[i], low, high))
    accuracy = {kind: None if labels == "given" or not r else float(np.mean(r)) for kind, r in
                (("good", right[0]), ("defective", right[1]))}  # fmt: skip
    metrics = {"classes": per_class, "mean": mean_over_classes(per_class), "n": numbers, "labels": labels,
               "class_accuracy": accuracy}  # fmt: skip
    return Evaluation(metrics, examples)


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


@dataclass
class Prediction:
    """What a detector says of one image file."""

    path: Path
    class_name: str  # given or inferred
    score: float  # highest value of the smoothed map; higher is more anomalous
    threshold: float  # images of this class that score above are called defective
    false_alarm: float  # the share of normal images that this may befall, at most
    p_value: float  # upper bound of the share of normal images that score as high, in (0, 1]
    anomaly_map: np.ndarray  # (S, S)

    @property
    def defective(self) -> bool:
        """The verdict, at the false-alarm rate that was asked."""
        return self.p_value <= self.false_alarm + 1e-9


def predict(
    detector: Detector,
    paths: Sequence[str | Path],
    class_name: str | None = None,
    false_alarm: float | None = None,
    progress: bool = False,
) -> list[Prediction]:
    """Judge image files, all of class `class_name`, or each of the class its features look like.

    Of normal images like those trained on, a share of at most `false_alarm` is called defective (see
    :meth:`Calibration.p_values`); not given, 0.05, or the least that the run's held-out images can promise. Raises
    InputError when an image cannot be read, the run does not know the class, or cannot promise the rate.
    """
    class_ids = None
    if class_name is not None:
        if class_name not in detector.classes:
            raise InputError(f"The run knows no class '{class_name}': choose from {', '.join(detector.classes)}.")
        class_ids = [detector.classes.index(class_name)] * len(paths)
    calibration = detector.calibration
    rate = max(0.05, calibration.least) if false_alarm is None else false_alarm
    calibration.threshold(rate, torch.zeros(0, dtype=torch.long))  # an impossible rate is refused at once
    if not paths:
        return []
    files = [Path(path) for path in paths]
    maps, scores, ids = detector.maps(files, class_ids, progress=progress)
    place = calibration.scores.device
    known, chosen = torch.as_tensor(scores, device=place), torch.as_tensor(ids, device=place)
    thresholds = calibration.threshold(rate, chosen).tolist()
    p_values = calibration.p_values(known, chosen).tolist()
    names, rates = [detector.classes[c] for c in ids], [rate] * len(ids)
    rows = zip(files, names, scores.tolist(), thresholds, rates, p_values, maps, strict=True)
    return [Prediction(*row) for row in rows]


def table(metrics: dict) -> str:
    """The per-class table as text, values in percent."""
    head = ("class", *(name.replace("_", " ") for name in METRICS))
    rows = [*metrics["classes"].items(), ("mean", metrics["mean"])]
    width = max(len(name) for name, _ in rows) + 2
    cells = [[f"{100 * row[m]:.1f}" if row[m] is not None else "n/a" for m in METRICS] for _, row in rows]
    lines = [head[0].ljust(width) + "".join(h.rjust(13) for h in head[1:])]
    lines += [name.ljust(width) + "".join(c.rjust(13) for c in row) for (name, _), row in zip(rows, cells, strict=True)]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:-1], "-" * len(lines[0]), lines[-1]])
