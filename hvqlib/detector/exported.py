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
from hvqlib.data.images import Picture, read_image
from hvqlib.detector.prediction import ClassNames, Prediction, given_classes
from hvqlib.errors import InputError

FORMAT = 1


@dataclass
class ExportedDetector:
    """Judge images by the two files that `hvq export --onnx` wrote: `model.onnx`, and `detector.json` beside it."""

    config: Config
    classes: tuple[str, ...]
    session: Any  # onnxruntime.InferenceSession
    image_mean: np.ndarray  # (classes,), of the scores of normal images
    image_spread: np.ndarray  # (classes,)
    scores: np.ndarray  # (N,), ascending: standardised scores of held-out normal images
    p_values: np.ndarray  # (N + 1,), of an image that 0, 1, ... N of these scores at least equal

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
            if says["format"] != FORMAT:
                raise InputError(f"{beside} has format {says['format']}, this version reads {FORMAT}: export again.")
            if says["model_sha256"] != hashlib.sha256(model).hexdigest():
                raise InputError(f"{path} is not the model that {beside} describes: export again.")
            of_scores = (says[name] for name in ("image_mean", "image_spread", "held_out_scores"))
            numbers = (*(np.array(values, np.float32) for values in of_scores), np.array(says["p_values"]))
            config, classes = Config.from_dict(says["config"]), tuple(says["classes"])
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
            told = str(error).splitlines()[0]
            raise InputError(f"onnxruntime {onnxruntime.__version__} cannot run {path} ({told}): update it.") from error
        return cls(config, classes, session, *numbers)

    def judge(
        self,
        images: Sequence[Picture],
        class_names: ClassNames = None,
        false_alarm: float | None = None,
        *,
        progress: bool = False,
    ) -> list[Prediction]:
        """Judge N images, in their order. Parameters, verdicts and errors are those of `Detector.judge`."""
        from tqdm.auto import tqdm

        rate = max(0.05, float(self.p_values[0])) if false_alarm is None else false_alarm
        thresholds = self.thresholds(rate)
        given = given_classes(images, class_names, self.classes)
        verdicts = []
        for image, asked in zip(tqdm(images, unit="image", disable=not progress), given, strict=True):
            feed = {"image": read_image(image), "given_class": np.array([asked], np.int64)}
            anomaly_map, score, class_id, spot, picture = self.session.run(None, feed)
            c = int(class_id[0])
            away = (score - self.image_mean[c]) / self.image_spread[c]  # (1,) float32
            higher = len(self.scores) - np.searchsorted(self.scores, away)[0]
            path = Path(image) if isinstance(image, str | Path) else None
            numbers = float(score[0]), float(thresholds[c]), rate, float(self.p_values[higher])
            verdicts.append(Prediction(path, self.classes[c], *numbers, float(spot[0]), float(picture[0]), anomaly_map))
        return verdicts

    def thresholds(self, false_alarm: float) -> np.ndarray:
        """Find the scores (classes,) above which images are called defective, at a false-alarm rate in (0, 1).

        Raises InputError where the held-out images are too few for the rate.
        """
        allowed = int((self.p_values <= false_alarm + 1e-9).sum())
        if not 0 < false_alarm < 1 or not allowed:
            raise InputError(
                f"A false-alarm rate of {false_alarm:g} cannot be promised from {len(self.scores)} held-out normal "
                f"images: choose one from {self.p_values[0] + 5e-4:.3f} to below 1, or train with more images."
            )
        return self.image_mean + self.scores[len(self.scores) - allowed] * self.image_spread
