"""Make the steps of a training: batches, optimiser, schedule, checkpoints; resumable to the bit."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from hvqlib import processes
from hvqlib.detector.run_folder import load_weights, read_checkpoint, under_prefix, with_prefix, write_checkpoint
from hvqlib.errors import InputError, RunError
from hvqlib.features.feature_file import Features
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.progress import Progress, in_notebook
from hvqlib.training.muon import Muon

COLUMNS = ("loss", "commitment", "lr", "usage", "perplexity")  # of the history, a row a step


class TrainingLoop:
    """Train one model step by step, and hold its state: optimiser, step, seconds, history."""

    def __init__(
        self,
        model: HVQTrans,
        features: Tensor | Features,  # (N, C, H, W), standardised
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
        self.step, self.before, self.finished = 0, 0.0, False
        self.history: list[tuple[float, ...]] = []
        matrices = [layer.weight for layer in model.modules() if isinstance(layer, torch.nn.Linear)]
        others = set(model.parameters()) - set(matrices if self.config.optimizer == "muon" else ())
        ordered = [weight for weight in model.parameters() if weight in others]
        rates = self.config.lr, self.config.weight_decay
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(ordered, rates[0], weight_decay=rates[1], fused=True)
        ]
        if self.config.optimizer == "muon":
            self.optimizers.append(Muon(matrices, *rates))

    def run(self, progress: bool, watch: Callable[[HVQTrans, list[tuple[float, ...]]], bool | None]) -> None:
        """Make steps until the run is done or stopped by `watch`, with a checkpoint now and then and at the end."""
        total = self.steps if self.minutes is None else None
        usage, perplexity = self.history[-1][3:] if self.history else (math.nan, math.nan)
        done, stopped = self.progress() >= 1, False
        if done and not self.finished:  # stopped, or started again, when no time was left for another step
            self.save(done)
        with Progress(desc="training", total=total, initial=self.step, unit="step", disable=not progress) as bar:
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
                stopped = bool(processes.tell_all(watch(self.model, self.history)))
                if done or stopped or self.step % self.every == 0:
                    self.save(done)
                figures = {"loss": f"{loss:.3f}", "perplexity": f"{perplexity:.0f}"}
                if self.minutes is not None:  # else the bar knows the number of steps, and so the time left
                    figures["left"] = Progress.format_interval(max(0.0, 60 * self.minutes - self.seconds()))
                bar.set_postfix(figures, refresh=False)
                bar.update()

    def one_step(self) -> tuple[float, float, float]:
        """Make one optimiser step; returns loss, commitment and learning rate. Every random number in it comes from
        (seed, step), so a resumed run sees the same ones."""
        epoch, number = divmod(self.step, self.per_epoch)
        order = epoch_order(self.class_ids, self.config.balance, self.config.seed * 1_000_003 + epoch)
        size = self.config.batch_size
        batch = order[number * size : (number + 1) * size]
        mine = batch.tensor_split(processes.size())[processes.rank()]  # none, where images are fewer than processes
        share = len(mine) / len(batch)
        torch.manual_seed(self.config.seed * 1_000_003 + self.step + (processes.rank() << 40))
        features, class_ids = self.features[mine].to(self.device), self.class_ids[mine].to(self.device)

        lr = self.config.lr * learning_rate_share(self.config.schedule, self.progress())
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = lr
        self.model.train()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
            loss, output = self.model.loss(features, class_ids, self.transport())
        figures = torch.stack([loss.detach().float(), output.commitment.detach().float()])
        self.model.zero_grad()
        (loss * share).backward()
        self.share_gradients(share)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.config.clip)
        for optimizer in self.optimizers:
            optimizer.step()
        loss, commitment = processes.sum_over(figures * share if share else torch.zeros_like(figures)).tolist()
        return loss, commitment, lr

    def share_gradients(self, share: float) -> None:
        """Make each weight's gradient the sum of the processes' ones; one without images (`share` 0) has none."""
        if processes.size() > 1:
            weights = list(self.model.parameters())
            parts = [torch.zeros_like(w) if w.grad is None or not share else w.grad for w in weights]
            whole = processes.sum_over(torch.cat([part.flatten() for part in parts]))
            for weight, part in zip(weights, whole.split([w.numel() for w in weights]), strict=True):
                weight.grad = part.view_as(weight)

    def transport(self) -> float:
        """Compute the weight of the transport loss at this step."""
        config = self.config
        if self.step % config.transport_every or self.progress() < config.transport_start:
            return 0.0
        return config.transport * config.transport_every

    def start_codebooks(self) -> None:
        """Start every set of codebooks that has training images by k-means on up to 64 of them; process 0's count."""
        if self.config.init == "kmeans" and self.model.quantizer is not None:
            self.model.eval()
            sets = self.model.switch(self.class_ids)
            numbers = sets.unique().tolist()
            for number in Progress(numbers, desc="starting codebooks", unit="set", disable=not in_notebook()):
                images = (sets == number).nonzero()[:, 0]
                some = images[torch.linspace(0, len(images) - 1, min(64, len(images))).long()]
                self.model.start_codebooks(self.features[some].to(self.device), number)
        for tensor in self.model.state_dict().values():
            processes.from_first(tensor)

    def seconds(self) -> float:
        """Count the seconds spent so far, earlier parts of the run included."""
        return self.before + time.monotonic() - self.began

    def progress(self) -> float:
        """Compute the share of the run that is done, by the clock where one is set, else by steps."""
        if self.minutes is None:
            return self.step / self.steps
        return processes.tell_all(self.seconds()) / (60 * self.minutes) if self.step else 0.0

    def save(self, done: bool) -> None:
        """Write everything the run needs to continue, or, when done, to judge images; process 0 does."""
        if processes.rank():
            return
        tensors = with_prefix("model", self.model) | self.extra | (self.calibrate() if done else {})
        tensors["history"] = torch.tensor(self.history, dtype=torch.float64)
        if not done:  # a finished run trains no further
            for name, parameter in self.model.named_parameters():
                for optimizer in self.optimizers:
                    for key, value in optimizer.state.get(parameter, {}).items():
                        tensors[f"optimizer.{key}.{name}"] = value
        write_checkpoint(self.out, tensors, {"step": self.step, "seconds": self.seconds(), "done": done})

    def restore(self) -> None:
        """Go back to the last checkpoint, which process 0 reads."""
        tensors, state = processes.tell_all(None if processes.rank() else read_checkpoint(self.out))
        if tensors["model.head_bias"].dtype == torch.float16:
            raise InputError(f"{self.out} is an exported run, which trains no further: choose another --out.")
        self.step, self.before, self.finished = state["step"], state["seconds"], state["done"]
        # Sums over images differ in the last bits where another number of threads adds them up.
        if any((tensors[name] - value).abs().max() > 1e-5 * value.abs().max() for name, value in self.extra.items()):
            raise InputError(f"The training images changed since {self.out} was started: choose another --out.")
        load_weights(self.model, tensors, self.out)
        moments = under_prefix(tensors, "optimizer.")  # none in a finished run, which continues with fresh ones
        for optimizer in self.optimizers if moments else ():
            known = {id(weight) for group in optimizer.param_groups for weight in group["params"]}
            for name, parameter in self.model.named_parameters():
                if id(parameter) in known:
                    ends = [key for key in moments if key.split(".", 1)[1] == name]
                    optimizer.state[parameter] = {k.split(".", 1)[0]: moments[k].to(self.device) for k in ends}
        self.history = [tuple(row) for row in tensors["history"].tolist()]


def epoch_order(class_ids: Tensor, balance: float, seed: int) -> Tensor:
    """Draw the order (N,) in which an epoch visits the training images.

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


def learning_rate_share(schedule: str, progress: float) -> float:
    """Compute the learning rate as a share of its peak, at `progress` in [0, 1] through the run.

    "one_cycle": linear from 1/25 to 1 over the first tenth, then half a cosine to 0 (Smith and Topin 2019).
    "step": 1, then a tenth after 80 % (the release: 1000 epochs, a tenth after 800).
    """
    if schedule == "step":
        return 1.0 if progress < 0.8 else 0.1
    if progress < 0.1:
        return 0.04 + 0.96 * progress / 0.1
    return 0.5 * (1 + math.cos(math.pi * min(1.0, (progress - 0.1) / 0.9)))
