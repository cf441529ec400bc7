"""Training: from a data set's normal images to a run folder."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from . import parallel
from .backbone import Backbone, Standardize, extract_features, stored_features
from .calibrate import Calibration, collect
from .classes import ClassCentroids
from .config import Config, InputError
from .data import AnomalyDataset
from .features import Features
from .knn import NearestNeighbour
from .loop import Loop
from .model import HVQTrans
from .run import build_model, named, pick_device, read_run, sole_writer, write_checkpoint, write_run


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
    """Train on a data set's normal images; the last weights are the result.

    Parameters
    ----------
    config : what to train. With `resume` it must equal the run's own.
    dataset : only its training images are looked at.
    out : the run folder; must be new, or hold the run to resume.
    minutes : stop after this many minutes, feature extraction included; the learning rate then follows the clock
        instead of the step count, so that the run ends annealed whatever the machine's speed.
    resume : go on from the last checkpoint (or begin, if there is none). Without `minutes` the final weights equal
        those of an uninterrupted run bit for bit on the same machine.
    cache : folder for the frozen features, which are then read from disk batch by batch; None keeps them in memory.
    checkpoint_every : steps between checkpoints.
    device : "cpu", "cuda", ...; the first GPU if there is one when not given.
    watch : called after every step with the model and the history so far (a row of `loop.COLUMNS` a step); the model
        may be looked at in evaluation mode. When it returns True a checkpoint is written and the training stops
        unfinished: `resume` goes on from there.

    Returns
    -------
    The run folder, with config.json and checkpoint.safetensors.

    Raises
    ------
    InputError : `out` holds another run, or one that another process trains, or the images or settings changed since it
        was started.
    RunError : the loss is not finite; the last good checkpoint is kept.

    Notes
    -----
    Several processes, started by ``accelerate launch``, share each batch: `config.batch_size` is that of all together.
    Process 0 writes. The transport loss is taken over each process's part.
    """
    began, out = time.monotonic(), Path(out)
    if minutes is not None and not minutes > 0:
        raise InputError(f"--minutes is {minutes}; it must be above 0.")
    place = parallel.join(cpu=device == "cpu") or pick_device(device)
    if parallel.size() > 1 and config.update == "balanced":
        raise InputError('update "balanced" needs whole batches: train in one process, or with update "nearest".')
    with sole_writer(out):
        started = parallel.tell((out / "config.json").exists())
        if started and not resume:
            raise InputError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
        backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling).to(place)
        about = (config, dataset.classes, backbone.channels, backbone.fingerprint)
        if started and parallel.rank() == 0 and (there := read_run(out)) != about:
            wanted, has = asdict(config), asdict(there[0])
            changed = [f"{name} {has[name]!r}, now {wanted[name]!r}" for name in has if has[name] != wanted[name]]
            what = "; ".join(changed) or "other classes or other weights of the backbone"
            raise InputError(f"{out} was started with other settings ({what}): repeat them, or choose another --out.")
        features = training_features(backbone, [sample.path for sample in dataset.train], cache, progress)
        class_ids = torch.tensor([sample.class_id for sample in dataset.train])
        del backbone
        standardize = Standardize.fit(features)
        features = features.map(standardize) if isinstance(features, Features) else standardize(features)

        torch.manual_seed(config.seed)
        model = build_model(config, features.shape[1], len(dataset.classes)).to(place)
        if not started and parallel.rank() == 0:
            write_run(out, *about)
        guess = ClassCentroids(features.shape[1], len(dataset.classes))
        guess.fit(features, class_ids)
        extra = named("standardize", standardize) | named("guess", guess)
        held = held_out(class_ids, config.holdout, config.seed)
        seen = features.take(~held) if isinstance(features, Features) else features[~held]

        def calibrate() -> dict[str, Tensor]:
            signals = collect(model, features, class_ids, config.batch_size)
            found = Calibration.fit(config, signals, class_ids, held, len(dataset.classes))
            return {f"calibration.{name}": value for name, value in found.tensors().items()}

        if isinstance(model, NearestNeighbour):
            model.fit(seen)
            if parallel.rank() == 0:
                tensors = named("model", model) | extra | calibrate()
                write_checkpoint(out, tensors, {"step": 1, "seconds": time.monotonic() - began, "done": True})
        else:
            loop = Loop(model, seen, class_ids[~held], extra, calibrate, out, minutes, checkpoint_every, began)
            if started and parallel.tell((out / "checkpoint.safetensors").exists()):
                loop.restore()
            else:
                loop.start_codebooks()
            loop.run(progress and parallel.rank() == 0, watch or (lambda *_: False))
    parallel.wait()
    return out


def training_features(
    backbone: Backbone, paths: Sequence[Path], cache: str | Path | None, progress: bool
) -> Features | Tensor:
    """Features (N, C, H, W): on disk where there is a cache that can be written, else in memory.

    Of several processes on a machine one computes them, while the others wait.
    """
    for turn in (0, 1):
        if turn == min(parallel.local_rank(), 1) and cache is not None:
            try:
                found = stored_features(backbone, paths, cache, progress=progress and parallel.rank() == 0)
            except OSError as error:
                warnings.warn(f"Features cannot be kept in '{cache}': going on in memory ({error}).", stacklevel=3)
                cache = None
        parallel.wait()
    return found if cache is not None else extract_features(backbone, paths, None, progress=progress)


def held_out(class_ids: Tensor, share: float, seed: int) -> Tensor:
    """Which training images (N,) bool are kept for calibration: `share` of each class (rounded), drawn by seed."""
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(class_ids), dtype=torch.bool)
    for c in class_ids.unique().tolist():
        images = (class_ids == c).nonzero()[:, 0]
        images = images[torch.randperm(len(images), generator=generator)]
        held[images[: min(round(share * len(images)), len(images) - 1)]] = True
    return held
