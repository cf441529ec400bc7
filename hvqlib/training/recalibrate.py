"""Calibrate a trained model: after training, again in another way, or with normal images that came later."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.data.dataset import AnomalyDataset
from hvqlib.detector.calibration import Calibration
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out, level_images
from hvqlib.detector.prediction import Prediction
from hvqlib.detector.reading import Method, Reading
from hvqlib.detector.run_folder import read_checkpoint, read_run, with_prefix, write_checkpoint, write_run
from hvqlib.detector.tiling import Tiles, Tiling
from hvqlib.errors import InputError
from hvqlib.features.feature_file import Features
from hvqlib.files import refuse_filled, whole_folder, write_atomic

READ_BY = ("score", "reading", "picture", "rank", "transport_weights", "normalize")  # settings for after training
SURPRISE = 0.01  # how often images like the old ones are said to differ from them


@dataclass
class TrainedOn:
    """Hold which images a run was trained on or calibrated by; ``images.json`` in its folder."""

    paths: list[str]  # absolute
    class_ids: list[int]
    held: list[bool]  # never fitted to
    trained: int | None = None  # how many of them, the first, the training knew; the others came later. None: all

    def write(self, run: Path) -> None:
        """Write the list into a run folder."""
        write_atomic(run / "images.json", (json.dumps(asdict(self)) + "\n").encode())

    @classmethod
    def read(cls, run: Path) -> TrainedOn:
        """Read the list of a run folder. Raises InputError where it or one of its images is not there."""
        try:
            known = cls(**json.loads((run / "images.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise InputError(
                f"'{run}' does not say which images it was trained on ({error}): give the folder of a training, not an "
                "exported one."
            ) from None
        gone = [path for path in known.paths if not Path(path).is_file()]
        if gone:
            raise InputError(
                f"{len(gone)} of the {len(known.paths)} images that '{run}' was trained on are not there, such as "
                f"'{gone[0]}': put them back, the calibration needs them."
            )
        return known


def calibrated(
    config: Config,
    model: Method,
    features: Tensor | Features,
    class_ids: Tensor,
    held: Tensor,
    tiling: Tiling,
    tiles: Tiles,
    trained: int | None = None,
) -> tuple[Reading, Calibration]:
    """Fit how a trained model is read to standardised features (M, C, H, W) of the tiles of its training images.

    Only the first `trained` images (all if not given) were there when the model was.
    """
    device = next(iter(model.state_dict().values())).device
    reading = Reading(config, features.shape[1], tiling.parts).to(device)
    parts = tiling.part_ids(tiles, class_ids)
    learned = ~held & (torch.arange(len(held)) < (len(held) if trained is None else trained))
    signals, lengths = reading.fit(model, features, parts, held[tiles.image], config.batch_size, learned[tiles.image])
    pictures, classes = tiles.length(lengths), len(tiling.layouts)
    return reading, Calibration.fit(config, signals, class_ids, held, classes, pictures, tiles, tiling)


def recalibrate(
    detector: Detector, dataset: AnomalyDataset, cache: str | Path | None = None, **changes: Any
) -> Detector:
    """Read a trained detector in another way: the same weights, calibrated again on its training images.

    `changes` are settings of its configuration that training does not look at: score, reading, picture, rank,
    transport_weights, normalize. The data set must be the one that it was trained on; InputError where its classes
    are others.
    """
    trained = {name for name in changes if name not in READ_BY}
    if trained:
        raise InputError(f"{', '.join(sorted(trained))} cannot be changed without training: {', '.join(READ_BY)} can.")
    if set(dataset.classes) != set(detector.classes):
        have, want = ", ".join(dataset.classes), ", ".join(detector.classes)
        raise InputError(f"The data set has the classes {have}, the run {want}: give the one that it was trained on.")
    config = replace(detector.config, **changes)
    paths = [sample.path for sample in dataset.train]
    features = detector.features(paths, cache).cpu()
    class_ids = torch.tensor([detector.classes.index(sample.class_name) for sample in dataset.train])
    held = held_out(class_ids, config.holdout, config.seed)
    tiling, tiles = detector.tiling, detector.tiling.cut(paths)
    reading, calibration = calibrated(config, detector.model, features, class_ids, held, tiling, tiles)
    return replace(detector, config=config, reading=reading.eval(), calibration=calibration.to(detector.device))


def add_images(
    run: Path, images: Sequence[Path], class_name: str | None, out: Path, cache: str | Path | None = None
) -> dict[str, Any]:
    """Calibrate a run again with normal images that a person has looked at, into a new run folder; no training.

    The weights stay. Of the new images as large a share as in training is kept from what is fitted, and promises.

    Returns
    -------
    What changed, ready for JSON: ``class``; ``images``, ``new`` and ``flagged``, how many of the new ones the old run
    calls other than normal, at ``false_alarm``; ``p_value``, how likely it is that scores and strangeness differ so
    much from those of old held-out images if nothing has changed; ``alike``, whether that is above 1 %, None where the
    images are too few for it ever to be (``compared`` old ones, and the new); ``before``
    and ``after``: ``promising`` images, ``least`` rate promised and ``threshold`` of the class.
    Raises InputError where `out` holds something, the class is not known, or there are fewer than two images.
    """
    refuse_filled(out)
    old, known = Detector.load(run), TrainedOn.read(run)
    if class_name is None and len(old.classes) > 1:
        raise InputError(f"'{run}' knows {', '.join(old.classes)}: say with --class which one the images show.")
    name = class_name or old.classes[0]
    if name not in old.classes:
        raise InputError(f"The run knows no class '{name}': choose from {', '.join(old.classes)}.")
    real = {str(path.resolve()): path for path in images}  # two links may lead to one
    fresh = [path for file, path in real.items() if file not in set(known.paths)]
    if len(fresh) < 2:
        raise InputError(f"There are {len(fresh)} images that the run does not know yet: give at least two.")
    class_id = old.classes.index(name)
    before = torch.tensor(known.class_ids)
    held = torch.tensor(known.held)
    promising = held & ~level_images(before, held) & (before == class_id)
    judged = old.judge(fresh, name, cache=cache)
    compared = old.judge([known.paths[i] for i in promising.nonzero()[:, 0].tolist()], name, cache=cache)
    p_value = alike(judged, compared) if compared else 1.0
    # Two looks at both sides: the smallest p-value there can be.
    least = 4 / math.comb(len(judged) + len(compared), len(judged))
    new_ids = torch.full((len(fresh),), class_id)
    more = held_out(new_ids, old.config.holdout, old.config.seed)
    now = TrainedOn(
        known.paths + [str(path.resolve()) for path in fresh],
        known.class_ids + new_ids.tolist(),
        known.held + more.tolist(),
        len(known.paths) if known.trained is None else known.trained,
    )
    ids, held = torch.tensor(now.class_ids), torch.tensor(now.held)
    features = old.features(now.paths, cache).cpu()
    guess = type(old.guess)(features.shape[1], len(old.classes))
    tiles = old.tiling.cut(now.paths)
    guess.fit(features, ids, held, tiles)
    reading, calibration = calibrated(old.config, old.model, features, ids, held, old.tiling, tiles, now.trained)
    tensors, state = read_checkpoint(run)
    kept = {key: value for key, value in tensors.items() if not key.startswith(("guess.", "reading.", "calibration."))}
    normal = {f"calibration.{key}": value for key, value in calibration.tensors().items()}
    with whole_folder(out) as folder:
        write_run(folder, *read_run(run))
        now.write(folder)
        write_checkpoint(folder, kept | with_prefix("guess", guess) | with_prefix("reading", reading) | normal, state)

    def facts(of: Calibration) -> dict[str, float]:
        threshold = float(of.threshold(of.usual_rate, torch.tensor([class_id])))
        return {"promising": len(of.scores) if of.promises else 0, "least": of.least, "threshold": threshold}

    return {"class": name, "images": int((before == class_id).sum()), "new": len(fresh),
            "flagged": sum(one.verdict != "normal" for one in judged), "false_alarm": judged[0].false_alarm,
            "compared": len(compared), "p_value": p_value, "alike": None if least > SURPRISE else p_value > SURPRISE,
            "before": facts(old.calibration), "after": facts(calibration)}  # fmt: skip


def alike(some: Sequence[Prediction], others: Sequence[Prediction]) -> float:
    """Compare two sets of images of a class by score and by strangeness: the p-value, in [0, 1], of their being alike.

    Mann and Whitney's test of each; as there are two looks, twice the smaller p-value.
    """
    from scipy.stats import mannwhitneyu

    pairs = [[[getattr(one, of) for one in each] for each in (some, others)] for of in ("score", "strangeness")]
    return min(1.0, 2 * min(float(mannwhitneyu(*pair).pvalue) for pair in pairs))
