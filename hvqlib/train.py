"""The training loop: from a data set to a run folder, resumable to the bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor
from tqdm.auto import tqdm

from .backbone import Backbone, Standardize, extract_features
from .calibrate import Calibration, collect
from .classes import ClassCentroids
from .config import Config, InputError, RunError
from .data import AnomalyDataset
from .knn import NearestNeighbour
from .model import HVQTrans
from .run import build_model, load_weights, pick_device, read_checkpoint, read_run, write_checkpoint, write_run

COLUMNS = ("loss", "commitment", "lr", "usage", "perplexity")  # of the history, a row a step


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
    cache : folder for the frozen features; None keeps them in memory only.
    checkpoint_every : steps between checkpoints.
    device : "cpu", "cuda", ...; the first GPU if there is one when not given.
    watch : called after every step with the model and the history so far (a row of COLUMNS a step); the model may be
        looked at in evaluation mode. When it returns True a checkpoint is written and the training stops unfinished:
        `resume` goes on from there.

    Returns
    -------
    The run folder, with config.json and checkpoint.safetensors.

    Raises
    ------
    InputError : `out` holds another run, or the images or settings changed since it was started.
    RunError : the loss is not finite; the last good checkpoint is kept.
    """
    began, out = time.monotonic(), Path(out)
    started = (out / "config.json").exists()
    if started and not resume:
        raise InputError(f"{out} already holds a run: add --resume to continue it, or choose another --out.")
    if minutes is not None and not minutes > 0:
        raise InputError(f"--minutes is {minutes}; it must be above 0.")
    place = pick_device(device)

    backbone = Backbone(config.backbone, config.image_size, config.grid).to(place)
    about = (config, dataset.classes, backbone.channels, backbone.fingerprint)
    if started and (there := read_run(out)) != about:
        wanted, has = asdict(config), asdict(there[0])
        changed = [f"{name} {has[name]!r}, now {wanted[name]!r}" for name in has if has[name] != wanted[name]]
        what = "; ".join(changed) or "other classes or other weights of the backbone"
        raise InputError(f"{out} was started with other settings ({what}): repeat them, or choose another --out.")
    paths = [sample.path for sample in dataset.train]
    features = extract_features(backbone, paths, cache, progress=progress)
    class_ids = torch.tensor([sample.class_id for sample in dataset.train])
    del backbone
    standardize = Standardize.fit(features)
    features = standardize(features)

    torch.manual_seed(config.seed)
    model = build_model(config, features.shape[1], len(dataset.classes)).to(place)
    if not started:
        write_run(out, *about)
    guess = ClassCentroids(features.shape[1], len(dataset.classes))
    guess.fit(features, class_ids)
    extra = _named("standardize", standardize) | _named("guess", guess)
    held = held_out(class_ids, config.holdout, config.seed)

    def calibrate() -> dict[str, Tensor]:
        signals = collect(model, features, class_ids, config.batch_size)
        found = Calibration.fit(config, signals, class_ids, held, len(dataset.classes))
        return {f"calibration.{name}": value for name, value in found.tensors().items()}

    if isinstance(model, NearestNeighbour):
        model.fit(features[~held])
        tensors = _named("model", model) | extra | calibrate()
        write_checkpoint(out, tensors, {"step": 1, "seconds": time.monotonic() - began, "done": True})
        return out
    loop = _Loop(model, features[~held], class_ids[~held], extra, calibrate, out, minutes, checkpoint_every, began)
    if started and (out / "checkpoint.safetensors").exists():
        loop.restore()
    else:
        loop.start_codebooks()
    loop.run(progress, watch or (lambda *_: False))
    return out


class _Loop:
    """State of one training: model, optimiser, step, seconds, history."""

    def __init__(
        self,
        model: HVQTrans,
        features: Tensor,  # (N, C, H, W), standardised
        class_ids: Tensor,  # (N,)
        extra: dict[str, Tensor],
        calibrate: Callable[[], dict[str, Tensor]],
        out: Path,
        minutes: float | None,
        checkpoint_every: int,
        began: float,
    ) -> None:
        self.model, self.features, self.class_ids, self.extra, self.out = model, features, class_ids, extra, out
        self.calibrate = calibrate
        self.config, self.minutes, self.every, self.began = model.config, minutes, checkpoint_every, began
        self.device = model.head_bias.device
        self.per_epoch = math.ceil(len(features) / self.config.batch_size)
        self.steps = self.config.epochs * self.per_epoch or self.config.steps
        self.step, self.before = 0, 0.0
        self.history: list[tuple[float, ...]] = []
        parameters = model.parameters()
        self.optimizer = torch.optim.AdamW(
            parameters, self.config.lr, weight_decay=self.config.weight_decay, fused=True
        )

    def run(self, progress: bool, watch: Callable[[HVQTrans, list[tuple[float, ...]]], bool | None]) -> None:
        """Steps until the run is done or stopped by `watch`, with a checkpoint now and then and at the end."""
        bar = tqdm(desc="training", total=self.steps if self.minutes is None else None, initial=self.step,
                   unit="step", disable=not progress)  # fmt: skip
        usage, perplexity = self.history[-1][3:] if self.history else (math.nan, math.nan)
        done, stopped = self.progress() >= 1, False
        while not (done or stopped):
            loss, commitment, lr = self.one_step()
            if not math.isfinite(loss):
                raise RunError(
                    f"The loss is {loss} at step {self.step}: training stopped. {self.out} keeps the last good"
                    " checkpoint; lower the learning rate (Config.lr), or look for broken images."
                )
            self.step += 1
            if self.step % self.per_epoch == 0 and self.model.quantizer is not None:
                reports = [q.report() for q in self.model.quantizer.quantizers]
                usage, perplexity = (sum(column) / len(reports) for column in zip(*reports, strict=True))
            self.history.append((loss, commitment, lr, usage, perplexity))
            done = self.progress() >= 1
            stopped = bool(watch(self.model, self.history))
            if done or stopped or self.step % self.every == 0:
                self.save(done)
            figures = {"loss": f"{loss:.3f}", "perplexity": f"{perplexity:.0f}"}
            if self.minutes is not None:  # else the bar knows the number of steps, and so the time left
                figures["left"] = tqdm.format_interval(max(0.0, 60 * self.minutes - self.seconds()))
            bar.set_postfix(figures, refresh=False)
            bar.update()
        bar.close()

    def one_step(self) -> tuple[float, float, float]:
        """One optimiser step; returns loss, commitment and learning rate. Every random number in it comes from
        (seed, step), so a resumed run sees the same ones."""
        epoch, number = divmod(self.step, self.per_epoch)
        order = epoch_order(self.class_ids, self.config.balance, self.config.seed * 1_000_003 + epoch)
        size = self.config.batch_size
        batch = order[number * size : (number + 1) * size]
        torch.manual_seed(self.config.seed * 1_000_003 + self.step)
        features, class_ids = self.features[batch].to(self.device), self.class_ids[batch].to(self.device)

        lr = self.config.lr * rate(self.config.schedule, self.progress())
        for group in self.optimizer.param_groups:
            group["lr"] = lr
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            loss, output = self.model.loss(features, class_ids, self.transport())
        self.optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        self.optimizer.step()
        return float(loss.detach()), float(output.commitment.detach()), lr

    def transport(self) -> float:
        """Weight of the transport loss at this step."""
        config = self.config
        if self.step % config.transport_every or self.progress() < config.transport_start:
            return 0.0
        return config.transport * config.transport_every

    def start_codebooks(self) -> None:
        """k-means start of every set of codebooks that has training images, on up to 64 of them."""
        if self.config.init == "kmeans" and self.model.quantizer is not None:
            self.model.eval()
            sets = self.model.switch(self.class_ids)
            for number in sets.unique().tolist():
                images = (sets == number).nonzero()[:, 0]
                some = images[torch.linspace(0, len(images) - 1, min(64, len(images))).long()]
                self.model.start_codebooks(self.features[some].to(self.device), number)

    def seconds(self) -> float:
        """Seconds spent so far, earlier parts of the run included."""
        return self.before + time.monotonic() - self.began

    def progress(self) -> float:
        """Share of the run that is done, by the clock where one is set, else by steps."""
        if self.minutes is None:
            return self.step / self.steps
        return self.seconds() / (60 * self.minutes) if self.step else 0.0

    def save(self, done: bool) -> None:
        """Write everything the run needs to go on, or, when done, to judge images."""
        tensors = _named("model", self.model) | self.extra | (self.calibrate() if done else {})
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        for name, parameter in self.model.named_parameters():
            for key, value in self.optimizer.state[parameter].items():
                tensors[f"optimizer.{key}.{name}"] = value
        write_checkpoint(self.out, tensors, {"step": self.step, "seconds": self.seconds(), "done": done})

    def restore(self) -> None:
        """Go back to the last checkpoint."""
        tensors, state = read_checkpoint(self.out)
        if not any(name.startswith("optimizer.") for name in tensors):
            raise InputError(f"{self.out} is an exported run, which trains no further: choose another --out.")
        if any(not torch.equal(tensors[name], value) for name, value in self.extra.items()):
            raise InputError(f"The training images changed since {self.out} was started: choose another --out.")
        load_weights(self.model, tensors, self.out)
        for name, parameter in self.model.named_parameters():
            keys = ("step", "exp_avg", "exp_avg_sq")
            moments = {key: tensors[f"optimizer.{key}.{name}"] for key in keys}
            self.optimizer.state[parameter] = {k: v.to(self.device) for k, v in moments.items()}
        self.history = [tuple(row) for row in tensors["history"].tolist()]
        self.step, self.before = state["step"], state["seconds"]


def epoch_order(class_ids: Tensor, balance: float, seed: int) -> Tensor:
    """The order (N,) in which an epoch visits the training images.

    An image of a class of n is visited about n ** -balance times as often as an only one: with 0 every image once,
    with 1 every class equally often, in between a compromise. Systematic sampling: an image that is due 2.3 visits
    gets 2 or 3.
    """
    generator = torch.Generator().manual_seed(seed)
    number = len(class_ids)
    images = torch.randperm(number, generator=generator)
    images = images[class_ids[images].argsort(stable=True)]  # class by class, shuffled within
    weight = class_ids.bincount()[class_ids[images]].double() ** -balance
    due = weight.cumsum(0) / weight.sum() * number  # (N,) visits due up to and with each image
    done = (due - torch.rand(1, generator=generator)).ceil().clamp(0, number).long()
    visits = images.repeat_interleave(done.diff(prepend=done.new_zeros(1)))
    return visits[torch.randperm(number, generator=generator)]


def held_out(class_ids: Tensor, share: float, seed: int) -> Tensor:
    """Which training images (N,) bool are kept for calibration: `share` of each class (rounded), drawn by seed."""
    generator = torch.Generator().manual_seed(seed)
    held = torch.zeros(len(class_ids), dtype=torch.bool)
    for c in class_ids.unique().tolist():
        images = (class_ids == c).nonzero()[:, 0]
        images = images[torch.randperm(len(images), generator=generator)]
        held[images[: min(round(share * len(images)), len(images) - 1)]] = True
    return held


def _named(prefix: str, module: torch.nn.Module) -> dict[str, Tensor]:
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def rate(schedule: str, progress: float) -> float:
    """Learning rate as a share of its peak, at `progress` in [0, 1] through the run.

    "one_cycle": linear from 1/25 to 1 over the first tenth, then half a cosine to 0 (Smith and Topin 2019).
    "step": 1, then a tenth after 80 % (the release: 1000 epochs, a tenth after 800).
    """
    if schedule == "step":
        return 1.0 if progress < 0.8 else 0.1
    if progress < 0.1:
        return 0.04 + 0.96 * progress / 0.1
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 0.1) / 0.9)))
