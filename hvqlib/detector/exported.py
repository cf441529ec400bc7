"""Judge images by an exported detector, in onnxruntime. Imports no torch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from hvqlib.config import Config
from hvqlib.data.decoding import name_of
from hvqlib.data.images import Picture, read_image
from hvqlib.data.tiles import Tile, squares
from hvqlib.detector.prediction import ClassNames, Prediction, given_classes
from hvqlib.errors import InputError
from hvqlib.false_alarms import threshold_rank

FORMATS = (1, 2)  # of models that are given an image, and that are given its tiles


@dataclass
class ExportedDetector:
    """Judge images by the two files that `hvq export --onnx` wrote: `model.onnx`, and `detector.json` beside it."""

    config: Config
    classes: tuple[str, ...]
    session: Any  # onnxruntime.InferenceSession
    scores: np.ndarray  # (N,), ascending: standardised scores of held-out normal images
    peaks: np.ndarray  # (N,), ascending: the highest values of their maps, in spreads
    p_values: np.ndarray  # (N + 1,), of an image that 0, 1, ... N of these scores at least equal
    usual_rate: float | None  # false-alarm rate where none is asked for; None where nothing was held out
    promise: str  # what the held-out images can promise
    white: float | None  # as for `read_image`
    image_mean: np.ndarray  # (classes,), of the scores of normal images
    image_spread: np.ndarray  # (classes,)
    map_mean: np.ndarray  # (classes,), of the scores of their maps alone
    map_spread: np.ndarray  # (classes,)
    layout: tuple[int, int] | None = None  # rows and columns of tiles that the model is given; None: the image

    @classmethod
    def load(cls, path: str | Path, threads: int | None = None) -> ExportedDetector:
        """Read `model.onnx`, and `detector.json` in the same folder, to run on a number of threads; by default on all.

        Raises InputError where onnxruntime or a file is missing, or the two do not belong together.
        """
        try:
            import onnxruntime
        except ImportError as error:
            raise InputError("An exported detector runs in onnxruntime: pip install onnxruntime.") from error
        beside = Path(path).with_name("detector.json")
        try:
            model = Path(path).read_bytes()
            says = json.loads(beside.read_text(encoding="utf-8"))
            if says["format"] not in FORMATS:
                raise InputError(f"{beside} has format {says['format']}, this version reads 1 and 2: export again.")
            if says["model_sha256"] != hashlib.sha256(model).hexdigest():
                raise InputError(f"{path} is not the model that {beside} describes: export again.")
            names = ("image_mean", "image_spread", "map_mean", "map_spread")
            numbers: dict[str, Any] = {name: np.array(says[name], np.float32) for name in names}
            scores, peaks = (np.array(says[f"held_out_{name}"], np.float32) for name in ("scores", "peaks"))
            p_values = np.array(says["p_values"])
            told = says["false_alarm"], says["promise"], says["white"]
            config, classes = Config.from_dict(says["config"]), tuple(says["classes"])
            layout = tuple(says["layout"]) if says["format"] == FORMATS[1] else None
        except OSError as error:
            raise InputError(f"'{error.filename}' cannot be read ({error.strerror}): hvq export writes it.") from error
        except (ValueError, KeyError, TypeError) as error:
            wrong = f"{beside} describes no exported detector ({error!r}): export again."
            raise error if isinstance(error, InputError) else InputError(wrong) from error
        settings = onnxruntime.SessionOptions()
        settings.intra_op_num_threads = threads or 0
        settings.add_session_config_entry("session.intra_op.allow_spinning", "0")  # it slows what runs beside
        try:
            session = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        except Exception as error:  # of a kind of its own
            why = str(error).splitlines()[0]
            raise InputError(f"onnxruntime {onnxruntime.__version__} cannot run {path} ({why}): update it.") from error
        return cls(config, classes, session, scores, peaks, p_values, *told, **numbers, layout=layout)

    def judge(
        self,
        images: Sequence[Picture],
        class_names: ClassNames = None,
        false_alarm: float | None = None,
    ) -> list[Prediction]:
        """Judge N images, in their order. Parameters, verdicts and errors are those of `Detector.judge`."""
        rate = self.usual_rate if false_alarm is None else false_alarm
        rank = threshold_rank(rate, self.p_values.tolist(), self.promise)
        thresholds = self.image_mean + self.scores[rank] * self.image_spread
        pixel_thresholds = self.map_mean + self.peaks[rank] * self.map_spread
        given = given_classes(images, class_names, self.classes)
        verdicts = []
        for image, asked in zip(images, given, strict=True):
            feed = {**self._seen(image), "given_class": np.array([asked], np.int64)}
            anomaly_map, score, class_id, spot, picture, far = self.session.run(None, feed)
            c = int(class_id[0])
            away = (score - self.image_mean[c]) / self.image_spread[c]  # (1,) float32
            higher = len(self.scores) - np.searchsorted(self.scores, away)[0]
            path = Path(image) if isinstance(image, str | Path) else None
            numbers = float(score[0]), float(thresholds[c]), rate, float(self.p_values[higher])
            more = float(spot[0]), float(picture[0]), float(far[0])
            verdict = Prediction(path, self.classes[c], *numbers, *more, anomaly_map, float(pixel_thresholds[c]))
            verdicts.append(verdict)
        return verdicts

    def _seen(self, image: Picture) -> dict[str, np.ndarray]:
        """What the model is given of an image."""
        pixels = read_image(image, self.white)
        if self.layout is None:
            return {"image": pixels}
        height, width = pixels.shape[:2]
        side, rows, columns = squares(width, height, self.config)
        if (len(rows), len(columns)) != self.layout:
            cut = f"{len(rows)} x {len(columns)} tiles, and the model is given {self.layout[0]} x {self.layout[1]}"
            raise InputError(f"The image '{name_of(image)}' is cut into {cut}: judge it by the run, with --run.")
        boxes = [(left, top, left + side, top + side) for top in rows for left in columns]
        tiles = np.stack([Tile(image, box).of(pixels) for box in boxes])
        return {"tiles": tiles, "boxes": (np.array(boxes) / [width, height, width, height]).astype(np.float32)}
