"""Train: from a data set's normal images to a run folder."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from hvqlib import processes
from hvqlib.config import Config
from hvqlib.data.dataset import AnomalyDataset
from hvqlib.data.decoding import find_white
from hvqlib.detector.calibration import Calibration
from hvqlib.detector.class_guess import ClassCentroids
from hvqlib.detector.detector import Detector
from hvqlib.detector.reading import Method, Reading
from hvqlib.detector.run_folder import build_model, read_run, with_prefix, write_checkpoint, write_run
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import features_of_images
from hvqlib.features.feature_file import Features
from hvqlib.features.standardize import Standardize
from hvqlib.files import sole_writer
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.processes import pick_device
from hvqlib.training.training_loop import TrainingLoop

READ_BY = ("score", "reading", "picture", "rank", "transport_weights", "normalize")  # settings for after training


def train(
    config: Config,
    dataset: AnomalyDataset,
    out: str | Path,
    *,
    minutes: float | None = None,
    resume: bool = False,
    cache: str | Path | None = None,
    checkpoint_every: int = 100,
    device: str | None = None,
    progress: bool = True,
    watch: Callable[[HVQTrans, list[tuple[float, ...]]], bool | None] | None = None,
) -> Path:
    """Train on a data set's normal images and write a run folder; the last weights are the result.

    Parameters
    ----------
    config : what to train. With `resume` it must equal the run's own.
    dataset : only its training images are looked at.
    out : the run folder; must be new, or hold the run to resume.
    minutes : stop after this many minutes, feature extraction included; the learning rate then follows the clock
        instead of the step count, so that the run ends annealed whatever the machine's speed. A run that is finished
        continues with more minutes, its optimiser afresh.
    resume : continue from the last checkpoint (or begin, if there is none). Without `minutes` the final weights equal
        those of an uninterrupted run bit for bit on the same machine.
    cache : folder for the frozen features, which are then read from disk batch by batch; None keeps them in memory.
    checkpoint_every : steps between checkpoints.
    device : "cpu", "cuda", ...; the first GPU if there is one when not given.
    watch : called after every step with the model and the history so far (a row of `training_loop.COLUMNS` a step);
        the model may be looked at in evaluation mode. When it returns True a checkpoint is written and the training
        stops unfinished: `resume` continues from there.

    Returns
    -------
    The run folder, with config.json and checkpoint.safetensors. Several processes, started by ``torchrun``, share each
    batch: `config.batch_size` is that of all together. Process 0 writes; the transport loss is of each one's part.

    Raises
    ------
    InputError : `out` holds another run, or one that another process trains, or the images or settings changed since it
        was started.
    RunError : the loss is not finite; the last good checkpoint is kept.
    """
    began, out = time.monotonic(), Path(out)
    if minutes is not None and not minutes > 0:
        raise InputError(f"minutes is {minutes}; it must be above 0.")
    chosen = processes.join(cpu=device == "cpu") or pick_device(device)
    if processes.size() > 1 and config.update == "balanced":
        raise InputError('update "balanced" needs whole batches: train in one process, or with update "nearest".')
    with nullcontext() if processes.rank() else sole_writer(out):
        started = processes.tell_all((out / "config.json").exists())
        if started and not resume:
            raise InputError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
        backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling).to(chosen)
        paths = [sample.path for sample in dataset.train]
        white = find_white(paths)
        description = (config, dataset.classes, backbone.channels, backbone.fingerprint, white)
        if started and processes.rank() == 0 and (there := read_run(out)) != description:
            wanted, has = asdict(config), asdict(there[0])
            changed = [f"{name} {has[name]!r}, now {wanted[name]!r}" for name in has if has[name] != wanted[name]]
            what = "; ".join(changed) or "other classes, weights of the backbone, or brightest pixels"
            raise InputError(f"{out} was started with other settings ({what}): repeat them, or choose another --out.")
        features = features_of_images(backbone, paths, cache, progress and processes.rank() == 0, white)
        class_ids = torch.tensor([sample.class_id for sample in dataset.train])
        del backbone
        standardize = Standardize.fit(features)
        features = features.map(standardize) if isinstance(features, Features) else standardize(features)

        torch.manual_seed(config.seed)
        model = build_model(config, features.shape[1], len(dataset.classes)).to(chosen)
        if not started and processes.rank() == 0:
            write_run(out, *description)
        guess = ClassCentroids(features.shape[1], len(dataset.classes))
        guess.fit(features, class_ids)
        extra = with_prefix("standardize", standardize) | with_prefix("guess", guess)
        held = held_out(class_ids, config.holdout, config.seed)
        seen = features.take(~held) if isinstance(features, Features) else features[~held]

        def calibrate() -> dict[str, Tensor]:
            reading, calibration = calibrated(config, model, features, class_ids, held, len(dataset.classes))
            normal = {f"calibration.{name}": value for name, value in calibration.tensors().items()}
            return with_prefix("reading", reading) | normal

        if not isinstance(model, HVQTrans):
            model.fit(seen, class_ids[~held])
            if processes.rank() == 0:
                tensors = with_prefix("model", model) | extra | calibrate()
                write_checkpoint(out, tensors, {"step": 1, "seconds": time.monotonic() - began, "done": True})
        else:
            loop = TrainingLoop(model, seen, class_ids[~held], extra, calibrate, out, minutes, checkpoint_every, began)
            if started and processes.tell_all((out / "checkpoint.safetensors").exists()):
                loop.restore()
            else:
                loop.start_codebooks()
            loop.run(progress and processes.rank() == 0, watch or (lambda *_: False))
    processes.wait()
    processes.leave_at_exit()
    return out


def calibrated(
    config: Config, model: Method, features: Tensor | Features, class_ids: Tensor, held: Tensor, classes: int
) -> tuple[Reading, Calibration]:
    """Fit how a trained model is read to standardised features (N, C, H, W) of its training images."""
    device = next(iter(model.state_dict().values())).device
    reading = Reading(config, features.shape[1], classes).to(device)
    signals, pictures = reading.fit(model, features, class_ids, held, config.batch_size)
    return reading, Calibration.fit(config, signals, class_ids, held, classes, pictures)


def recalibrate(
    detector: Detector, dataset: AnomalyDataset, cache: str | Path | None = None, **changes: Any
) -> Detector:
    """Read a trained detector in another way: the same weights, calibrated again on its training images.

    `changes` are settings of its configuration that training does not look at: score, reading, picture, rank,
    transport_weights, normalize. The data set must be the one that it was trained on.
    """
    trained = {name for name in changes if name not in READ_BY}
    if trained:
        raise InputError(f"{', '.join(sorted(trained))} cannot be changed without training: {', '.join(READ_BY)} can.")
    config = replace(detector.config, **changes)
    features = detector.features([sample.path for sample in dataset.train], cache).cpu()
    class_ids = torch.tensor([detector.classes.index(sample.class_name) for sample in dataset.train])
    held = held_out(class_ids, config.holdout, config.seed)
    reading, calibration = calibrated(config, detector.model, features, class_ids, held, len(detector.classes))
    return replace(detector, config=config, reading=reading.eval(), calibration=calibration)


def held_out(class_ids: Tensor, share: float, seed: int) -> Tensor:
    """Draw which training images (N,) bool are kept for calibration: `share` of each class (rounded), by seed."""
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(class_ids), dtype=torch.bool)
    for c in class_ids.unique().tolist():
        images = (class_ids == c).nonzero()[:, 0]
        images = images[torch.randperm(len(images), generator=generator)]
        held[images[: min(round(share * len(images)), len(images) - 1)]] = True
    return held
