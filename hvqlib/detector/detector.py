"""Apply a finished run to images: what it makes of them step by step, and its verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.data.decoding import White
from hvqlib.data.images import Picture, read_image
from hvqlib.detector.calibration import Calibration, signal_weights
from hvqlib.detector.class_guess import ClassCentroids
from hvqlib.detector.prediction import CHUNK, ClassNames, Prediction, given_classes
from hvqlib.detector.reading import Method, Reading
from hvqlib.detector.run_folder import build_model, finished_checkpoint, load_weights, read_run, under_prefix
from hvqlib.detector.tiling import Tiles, Tiling
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import features_of_images
from hvqlib.features.standardize import Standardize
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.processes import pick_device
from hvqlib.progress import Progress, in_notebook


@dataclass
class Look:
    """Hold what lies between N images and their scores; tensors on the CPU.

    They were cut into M tiles; M is N and a tile its image where images are seen whole.
    """

    class_ids: Tensor  # (N,), given or inferred
    features: Tensor  # (M, C, H, W), standardised
    reconstruction: Tensor | None  # (M, C, H, W); None for a method that rebuilds nothing
    code_ids: dict[str, Tensor]  # by level, "top", "level 3", ...: each (M, L); {} without codebooks
    code_distances: dict[str, Tensor]  # by level: distance from each token to its code, each (M, L)
    signals: dict[str, Tensor]  # by name, "residual", "covariance", "top", "level 3", ...: each (M, H, W)
    picture: Tensor  # (N,), measure of the residual as a whole
    anomaly_map: Tensor  # (N, S, S)
    score: Tensor  # (N,)


class Judged(NamedTuple):
    """Hold what is made of B images; all but the maps on the CPU."""

    maps: Tensor  # (B, S, S)
    scores: Tensor  # (B,), see :class:`Prediction`
    spots: Tensor  # (B,)
    pictures: Tensor  # (B,)
    class_ids: Tensor  # (B,), given or inferred
    strangeness: Tensor  # (B,)


@dataclass
class Detector:
    """Judge images by a run that was loaded from its folder."""

    config: Config
    classes: tuple[str, ...]
    backbone: Backbone
    standardize: Standardize
    guess: ClassCentroids
    model: Method
    reading: Reading
    calibration: Calibration
    tiling: Tiling
    white: White = None  # full brightness of images of more than 8 bits, as for `read_image`

    @classmethod
    def load(cls, run: str | Path, device: str | None = None) -> Detector:
        """Read a run folder. Raises InputError when it is not finished or does not fit this machine's backbone."""
        config, classes, channels, fingerprint, white, layouts = read_run(Path(run))
        tiling = Tiling(config, layouts or [(1, 1)] * len(classes))
        tensors, _ = finished_checkpoint(Path(run))
        backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling)
        if backbone.fingerprint != fingerprint:
            raise InputError(
                f"{run} was trained on other weights of {config.backbone} than this machine has: train again."
            )
        model = build_model(config, channels, tiling.parts)
        guess, standardize = ClassCentroids(channels, len(classes)), Standardize(channels)
        reading = Reading(config, channels, tiling.parts)
        learned: dict[str, torch.nn.Module] = {
            "model": model, "guess": guess, "standardize": standardize, "reading": reading
        }  # fmt: skip
        for name, module in learned.items():
            load_weights(module, tensors, Path(run), f"{name}.")
        chosen = pick_device(device)
        for module in (backbone, *learned.values()):
            module.to(chosen).eval()
        try:
            calibration = Calibration(reading.names(model), **under_prefix(tensors, "calibration.")).to(chosen)
        except TypeError as error:
            raise InputError(f"{run}/checkpoint.safetensors does not fit its config.json ({error}).") from None
        return cls(config, classes, backbone, standardize, guess, model, reading, calibration, tiling, white)

    @property
    def usual_rate(self) -> float | None:
        """False-alarm rate where none is asked for; see :attr:`Calibration.usual_rate`."""
        return self.calibration.usual_rate

    @property
    def promise(self) -> str:
        """What the held-out images can promise, in a sentence or two.

        None of the held-out images is a stranger, which bounds the share of strangers among normal images as well.
        """
        strangers = f" At most {self.calibration.least:.1%} of normal images are called strangers."
        return self.calibration.promise() + (strangers if self.calibration.promises else "")

    @property
    def device(self) -> torch.device:
        """Where everything is computed."""
        return self.standardize.mean.device

    def judge(
        self,
        images: Sequence[Picture],
        class_names: ClassNames = None,
        false_alarm: float | None = None,
        *,
        cache: str | Path | None = None,
        progress: bool = False,
    ) -> list[Prediction]:
        """Judge N images, in their order, each of its class or, if not given, of the class its features look like.

        Parameters
        ----------
        images : files, PIL images or arrays (H, W, 3) uint8; equal pixels give equal bits whichever way they come.
        class_names : one for all, or one an image, with None where it is to be inferred.
        false_alarm : of normal images like those trained on, at most this share is called defective (see
            :meth:`Calibration.p_values`). Not given: 0.05, or the least that the run's held-out images can promise,
            or, where nothing was held out, None: images that score above all those trained on are called defective.
        cache : folder in which the features of image files are kept.

        Raises InputError where an image cannot be read, or the run does not know a class or cannot promise the rate.
        """
        rate = self.calibration.usual_rate if false_alarm is None else false_alarm
        self.calibration.threshold(rate, torch.zeros(0, dtype=torch.long))  # an impossible rate is refused at once
        verdicts: list[Prediction] = []
        for some in self.stream(images, class_names, cache=cache, progress=progress):
            thresholds = self.calibration.threshold(rate, some.class_ids).tolist()
            pixel_thresholds = self.calibration.pixel_threshold(rate, some.class_ids).tolist()
            p_values = self.calibration.p_values(some.scores, some.class_ids).tolist()
            for i, class_id in enumerate(some.class_ids.tolist()):
                image = images[len(verdicts)]
                path = Path(image) if isinstance(image, str | Path) else None
                score, spot, picture = float(some.scores[i]), float(some.spots[i]), float(some.pictures[i])
                of_class = self.classes[class_id], score, thresholds[i], rate, p_values[i]
                heat, far = some.maps[i].cpu().numpy(), float(some.strangeness[i])
                verdicts.append(Prediction(path, *of_class, spot, picture, far, heat, pixel_thresholds[i]))
        return verdicts

    @torch.no_grad()
    def look(
        self, images: Sequence[Picture], class_names: ClassNames = None, *, cache: str | Path | None = None
    ) -> Look:
        """Show what lies between N images and their scores. Parameters as for :meth:`judge`."""
        looks: list[dict] = []
        for features, ids, tiles in self._batches(images, class_names, cache):
            parts = self.tiling.part_ids(tiles, ids)
            signals, lengths = self._in_batches(features, parts)
            some = self._judged(signals, lengths, ids, torch.zeros(len(ids)), tiles)
            rebuilt, code_ids, distances = None, {}, {}
            if isinstance(self.model, HVQTrans):
                output = self.model(features, parts)
                rebuilt = output.reconstruction
                quantizers = self.model.quantizer.quantizers if self.model.quantizer else ()
                for level, (name, quantizer) in enumerate(zip(self.model.level_names, quantizers, strict=True)):
                    code_ids[name] = output.code_ids[:, level]  # type: ignore[index]  # there are codebooks
                    codes = quantizer.lookup(code_ids[name], self.model.switch(parts))
                    distances[name] = torch.linalg.vector_norm(output.tokens[level].float() - codes, dim=2)
            picture = tiles.length(lengths)
            made = Look(ids, features, rebuilt, code_ids, distances, signals, picture, some.maps, some.scores)
            looks.append(vars(made))
        if not looks:
            raise InputError("There are no images to look at: give at least one.")
        return Look(**{name: _join([one.pop(name) for one in looks]) for name in list(looks[0])})  # none held twice

    def pixels(self, images: Sequence[Picture]) -> Tensor:
        """Turn N images, each squeezed to a square, into what the backbone sees: pixels (N, 3, S, S), normalised."""
        return torch.stack([self.backbone.preprocess(read_image(image, self.white)) for image in images])

    def features(self, images: Sequence[Picture], cache: str | Path | None = None, progress: bool = False) -> Tensor:
        """Compute the standardised features (M, C, H, W) of N images, or read what a `cache` keeps of them.

        M is N unless images are cut into tiles.
        """
        pictures = self.tiling.cut(images).pictures
        features = features_of_images(self.backbone, pictures, cache, progress, self.white)
        return self.standardize(features[:].to(self.device))

    def stream(
        self,
        images: Sequence[Picture],
        class_names: ClassNames = None,
        score: str | None = None,
        normalize: bool | None = None,
        *,
        cache: str | Path | None = None,
        progress: bool = False,
    ) -> Iterator[Judged]:
        """Yield what is made of the images, batch by batch; memory does not grow with their number.

        Parameters as for :meth:`judge` and :meth:`read`. The whole picture counts in the run's own score; with
        another `score`, or `normalize`, the map alone makes the image score.
        """
        for features, ids, tiles in self._batches(images, class_names, cache, progress):
            yield self.read(features, ids, score, normalize, tiles)

    @torch.no_grad()
    def read(
        self,
        features: Tensor,
        ids: Tensor,
        score: str | None = None,
        normalize: bool | None = None,
        tiles: Tiles | None = None,
    ) -> Judged:
        """Read standardised features (B, C, H, W) of class ids (B,); of images cut into M `tiles`, (M, C, H, W).

        `score` and `normalize` are the run's when not given; see :meth:`Calibration.combine`.
        """
        tiles = tiles or Tiles.whole(len(ids))
        wanted = signal_weights(self.config, self.calibration.names, score)
        parts = self.tiling.part_ids(tiles, ids)
        signals, lengths = self._in_batches(features, parts, wanted)
        return self._judged(signals, lengths, ids, self.guess(features, tiles)[1], tiles, score, normalize)

    def _in_batches(
        self, features: Tensor, parts: Tensor, wanted: Collection[str] | None = None
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Read features (M, C, H, W) a batch at a time: an image may have many tiles."""
        size = self.config.batch_size
        if len(features) <= size:
            return self.reading(self.model, features, parts, wanted)  # type: ignore[no-any-return]
        read = [
            self.reading(self.model, f, p, wanted) for f, p in zip(features.split(size), parts.split(size), strict=True)
        ]
        return {name: torch.cat([one[name] for one, _ in read]) for name in read[0][0]}, torch.cat([m for _, m in read])

    def _judged(
        self,
        signals: dict[str, Tensor],
        lengths: Tensor,
        ids: Tensor,
        strangeness: Tensor,
        tiles: Tiles,
        score: str | None = None,
        normalize: bool | None = None,
    ) -> Judged:
        combined = self.calibration.combine(signals, self.tiling.part_ids(tiles, ids), self.config, score, normalize)
        maps, scores = tiles.join(combined, self.config.image_size)
        scores, pictures, ids = scores.cpu(), tiles.length(lengths).cpu(), ids.cpu()
        spots, away = self.calibration.map_away(scores, ids), self.calibration.picture_away(pictures, ids)
        if not self.config.picture:
            away = torch.zeros_like(away)
        elif score in (None, self.config.score) and normalize in (None, self.config.normalize):
            scores = self.calibration.join(scores, pictures, ids)
        return Judged(maps, scores, spots, away, ids, strangeness.cpu())

    def _batches(
        self, images: Sequence[Picture], class_names: ClassNames, cache: str | Path | None, progress: bool = False
    ) -> Iterator[tuple[Tensor, Tensor, Tiles]]:
        """Standardised features (M, C, H, W), class ids (B,) and tiles of B images, a batch after another."""
        given = torch.tensor(given_classes(images, class_names, self.classes), dtype=torch.long)
        for start in Progress(range(0, len(images), CHUNK), desc="judging", unit="part", disable=not in_notebook()):
            chunk, asked = self.tiling.cut(images[start : start + CHUNK]), given[start : start + CHUNK]
            each = len(chunk.pictures) / len(asked)  # tiles an image, on average
            for first in range(0, len(asked), at_once := max(1, int(CHUNK / each))):
                some, ids = chunk.take(slice(first, first + at_once)), asked[first : first + at_once]
                features = features_of_images(self.backbone, some.pictures, cache, progress, self.white)[:]
                for begin in range(0, len(ids), step := max(1, int(self.config.batch_size / each))):
                    mine = slice(begin, begin + step)
                    batch, tiles = self.standardize(features[some.rows(mine)].to(self.device)), some.take(mine)
                    known = ids[mine].to(self.device)
                    yield batch, torch.where(known < 0, self.guess(batch, tiles)[0], known), tiles


def _join(parts: list) -> Any:
    """One of what batches gave: tensors, dictionaries of them, or None."""
    if isinstance(parts[0], dict):
        return {name: torch.cat([part[name] for part in parts]).cpu() for name in parts[0]}
    return None if parts[0] is None else torch.cat(parts).cpu()
