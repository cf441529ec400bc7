"""Train: from a data set's normal images to a run folder."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from hvqlib import processes
from hvqlib.config import Config
from hvqlib.data.dataset import LEAST_IMAGES, AnomalyDataset
from hvqlib.data.decoding import find_white
from hvqlib.detector.class_guess import ClassCentroids
from hvqlib.detector.level import held_out
from hvqlib.detector.run_folder import build_model, read_run, with_prefix, write_checkpoint, write_run
from hvqlib.detector.tiling import Tiling
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import features_of_images
from hvqlib.features.feature_file import Features
from hvqlib.features.standardize import Standardize
from hvqlib.files import sole_writer
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.processes import pick_device
from hvqlib.training.recalibrate import TrainedOn, calibrated
from hvqlib.training.training_loop import TrainingLoop


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
    The run folder, with config.json, images.json and checkpoint.safetensors. Several processes, started by
    ``torchrun``, share each batch: `config.batch_size` is that of all together. Process 0 writes; the transport loss is
    of each one's part.

    Raises
    ------
    InputError : `out` holds another run, or one that another process trains, or the images or settings changed since it
        was started.
    RunError : the loss is not finite; the last good checkpoint is kept.
    """
    began, out = time.monotonic(), Path(out)
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"minutes is {minutes}; it must be above 0, and finite.")
    if checkpoint_every < 1:
        raise InputError(f"checkpoint_every is {checkpoint_every}; it must be 1 or more.")
    chosen = processes.join(cpu=device == "cpu") or pick_device(device)
    if processes.size() > 1 and config.update == "balanced":
        raise InputError('update "balanced" needs whole batches: train in one process, or with update "nearest".')
    backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling).to(chosen)
    with nullcontext() if processes.rank() else sole_writer(out):
        started = processes.tell_all((out / "config.json").exists())
        if started and not resume:
            raise InputError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
        paths = [sample.path for sample in dataset.train]
        white = find_white(paths)
        class_ids = torch.tensor([sample.class_id for sample in dataset.train])
        numbers = class_ids.bincount().tolist()
        if few := [f"{dataset.classes[i]} ({n})" for i, n in enumerate(numbers) if n < LEAST_IMAGES]:
            told = f"Too few normal training images: {', '.join(few)}; a class needs {LEAST_IMAGES} or more."
            raise InputError(told)
        held = held_out(class_ids, config.holdout, config.seed)  # what is fitted never sees these
        tiling = Tiling.measure(config, paths, class_ids, len(dataset.classes), held)
        tiles = tiling.cut(paths)
        layouts = tiling.layouts if config.fit == "tiles" else None
        description = (config, dataset.classes, backbone.channels, backbone.fingerprint, white, layouts)
        if started and processes.rank() == 0 and (there := read_run(out)) != description:
            wanted, has = asdict(config), asdict(there[0])
            changed = [f"{name} {has[name]!r}, now {wanted[name]!r}" for name in has if has[name] != wanted[name]]
            what = "; ".join(changed) or "other classes, weights of the backbone, brightest pixels, or sizes of images"
            raise InputError(f"{out} was started with other settings ({what}): repeat them, or choose another --out.")
        features = features_of_images(backbone, tiles.pictures, cache, progress and processes.rank() == 0, white)
        del backbone
        trained = ~held[tiles.image]
        standardize = Standardize.fit(features.take(trained) if isinstance(features, Features) else features[trained])
        features = features.map(standardize) if isinstance(features, Features) else standardize(features)

        torch.manual_seed(config.seed)
        model = build_model(config, features.shape[1], tiling.parts).to(chosen)
        if not started and processes.rank() == 0:
            write_run(out, *description)  # from now on the run has begun
        listed = TrainedOn([str(path.resolve()) for path in paths], class_ids.tolist(), held.tolist())
        guess = ClassCentroids(features.shape[1], len(dataset.classes))
        guess.fit(features, class_ids, held, tiles)
        extra = with_prefix("standardize", standardize) | with_prefix("guess", guess)
        seen = features.take(trained) if isinstance(features, Features) else features[trained]
        shown = tiling.part_ids(tiles, class_ids)[trained]

        def calibrate() -> dict[str, Tensor]:
            reading, calibration = calibrated(config, model, features, class_ids, held, tiling, tiles)
            normal = {f"calibration.{name}": value for name, value in calibration.tensors().items()}
            return with_prefix("reading", reading) | normal

        if not isinstance(model, HVQTrans):
            if (out / "checkpoint.safetensors").exists() and not (out / "images.json").exists():
                raise InputError(f"{out} is an exported run, which trains no further: choose another --out.")
            model.fit(seen, shown)
            if processes.rank() == 0:
                listed.write(out)
                tensors = with_prefix("model", model) | extra | calibrate()
                write_checkpoint(out, tensors, {"step": 1, "seconds": time.monotonic() - began, "done": True})
        else:
            loop = TrainingLoop(model, seen, shown, extra, calibrate, out, minutes, checkpoint_every, began)
            if started and processes.tell_all((out / "checkpoint.safetensors").exists()):
                loop.restore()
            else:
                loop.start_codebooks()
            if processes.rank() == 0:
                listed.write(out)  # restoring has made sure that the images are still those trained on
            loop.run(progress and processes.rank() == 0, watch or (lambda *_: False))
    processes.wait()
    processes.leave_at_exit()
    return out
