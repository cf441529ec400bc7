"""A finished run on images: maps, scores, verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from hvqlib.config import Config
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.calibration import Calibration, signal_weights
from hvqlib.detector.class_guess import ClassCentroids
from hvqlib.detector.run_folder import build_model, load_weights, read_checkpoint, read_run, under_prefix
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import extract_features
from hvqlib.features.standardize import Standardize
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.processes import pick_device
from hvqlib.rivals.nearest_neighbour import NearestNeighbour

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
        guess.load_state_dict(under_prefix(tensors, "guess."))
        standardize = Standardize(channels)
        standardize.load_state_dict(under_prefix(tensors, "standardize."))
        place = pick_device(device)
        for module in (backbone, standardize, guess, model):
            module.to(place).eval()
        calibration = Calibration(**{k: v.to(place) for k, v in under_prefix(tensors, "calibration.").items()})
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
