"""Train what docs/questions.md asks for, and measure what it names: a row of a csv for each arm and seed.

    python -m benchmarks.questions --data data/foundry [--arms A,B] [--seeds 0] [--steps 900] [--out FILE]

Rows that are in the csv are not computed again, so what was interrupted resumes where it left off. Exit status as of
benchmarks.ablate.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import nnls
from sklearn.metrics import mutual_info_score
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from torch import Tensor

from benchmarks import survival
from benchmarks.ablate import READINGS, ablate, numbers
from hvqlib.cli_options import Parser
from hvqlib.course.figures.questions import BY_LENGTH, RATES
from hvqlib.course.results import MEASURED
from hvqlib.data.dataset import AnomalyDataset
from hvqlib.data.images import read_mask
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.calibration import Calibration
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out
from hvqlib.errors import InputError, exit_status
from hvqlib.evaluation.evaluate import Evaluation, evaluate
from hvqlib.evaluation.metrics import all_metrics, auroc, mean_over_classes
from hvqlib.files import data_folder
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.model.transport import cost, plan, transport_score
from hvqlib.training.recalibrate import recalibrate

# "bare": without k-means start and without revival.
RULES: dict[str, dict] = {
    "nearest": {},
    "balanced": {"update": "balanced"},
    "gradient": {"update": "gradient", "transport": 0.01, "transport_every": 1, "transport_start": 0.0},
}
BARE = {"init": "random", "revive": False}
WIDTHS: dict[int, dict] = {
    width: {"width": width, "heads": max(1, width // 32), "feedforward": 4 * width} for width in (32, 64, 128, 256)
}
METHODS: dict[str, dict] = {
    "quantised": {},
    "continuous": {"method": "continuous"},
    "dropout": {"method": "dropout"},
}
ARMS: dict[str, dict] = {
    **{
        f"{codes} {rule}{' bare' * bare}": {**changes, **(BARE if bare else {}), "codes": codes}
        for codes in (512, 64, 2048)
        for rule, changes in RULES.items()
        for bare in (False, True)
    },
    "residual levels": {"residual_levels": True},
    "one level": {"hierarchy": False},
    "one level of 2560": {"hierarchy": False, "codes": 2560},
    **{f"{codes} nearest": {"codes": codes} for codes in (4, 16, 256, 1024, 4096)},
    # Of data sets that benchmarks.many_classes draws: one set of codebooks with 64 codes for each class, as many as
    # "64 nearest" has in all.
    **{f"one set for {number}": {"unified": True, "codes": 64 * number} for number in (3, 7, 20, 60)},
    **{
        f"width {width} {method}": {**size, **changes}
        for width, size in WIDTHS.items()
        for method, changes in METHODS.items()
        if (width, method) != (64, "quantised")  # that is "512 nearest"
    },
    # The widest networks at the other two of three learning rates; the default is 3e-3.
    **{
        f"width 256 {method} at {lr}": {**WIDTHS[256], **METHODS[method], "lr": lr}
        for method in ("quantised", "continuous")
        for lr in RATES
    },
}
LEVELS_OF = "512 nearest"  # the arm whose levels are read one by one


@dataclass(frozen=True)
class Measures:
    """Measure codebooks, rare good images and copied defects of a run; with `levels`, read its levels one by one."""

    levels: bool
    module = "benchmarks.questions"
    columns = MEASURED

    @torch.no_grad()
    def __call__(
        self, detector: Detector, dataset: AnomalyDataset, cache: str | Path | None, own: Evaluation
    ) -> tuple[dict[str, float | None], dict[str, Evaluation]]:
        """Give the columns, and by name the reading by length and those of the levels."""
        run = Run(detector, dataset, cache)
        found: dict[str, float | None] = dict.fromkeys(self.columns)
        found["rare_auroc"] = run.rare_auroc(own)
        model = detector.model
        if isinstance(model, HVQTrans) and model.quantizer is not None:
            found["error"], found["error_rare"] = run.errors()
            if len(model.level_names) > 1:
                found["settled"], found["settled_by_chance"] = run.settled()
        if dataset.root.name == "foundry":
            measured = survival.measure(detector)
            found |= {"survival": measured["survival"], "normal": measured["normal"]}
        by_length = recalibrate(detector, dataset, cache, **READINGS[BY_LENGTH])
        readings = {BY_LENGTH: evaluate(by_length, dataset, cache=cache)}
        return found, readings | (dict(run.readings()) if self.levels else {})


class Run:
    """What a run makes of a data set: standardised features, classes, and which training images were held out."""

    def __init__(self, detector: Detector, dataset: AnomalyDataset, cache: str | Path | None) -> None:
        self.detector, self.dataset, self.cache = detector, dataset, cache
        self.train, self.train_ids = self.features(dataset.train)
        self.test, self.test_ids = self.features(dataset.test)
        self.held = held_out(self.train_ids, detector.config.holdout, detector.config.seed)
        self.classes = range(len(dataset.classes))

    def features(self, samples: Sequence) -> tuple[Tensor, Tensor]:
        """Compute the standardised features (N, C, H, W) and the class ids (N,) of samples."""
        ids = torch.tensor([self.detector.classes.index(sample.class_name) for sample in samples])
        return self.detector.features([sample.path for sample in samples], self.cache), ids

    def tokens(self, features: Tensor, class_id: int) -> Iterator[tuple[Tensor, Tensor, int]]:
        """Yield what is quantised of features (N, C, H, W) of one class: tokens (N, L, D), ids (N, L), level."""
        model = self.detector.model
        outputs = [model(some, torch.full((len(some),), class_id)) for some in features.split(16)]
        for level in range(len(model.quantizer.quantizers)):
            tokens = torch.cat([output.tokens[level] for output in outputs])
            yield tokens, torch.cat([output.code_ids[:, level] for output in outputs]), level

    def codebook(self, level: int, class_id: int) -> Tensor:
        """Look up the prototypes (K, D) of a level and class."""
        model = self.detector.model
        return model.quantizer.quantizers[level].codebook[model.switch(torch.tensor([class_id]))[0]]

    def errors(self) -> tuple[float, float]:
        """Measure the quantisation error of held-out normal tokens, as a share of their variance: of all of them, and
        of the tenth that is quantised worst. Means over levels and classes."""
        every, worst = [], []
        for c in self.classes:
            for tokens, ids, level in self.tokens(self.train[self.held & (self.train_ids == c)], c):
                variance = (tokens - tokens.mean((0, 1))).square().sum(-1).mean()
                error = (tokens - self.codebook(level, c)[ids]).square().sum(-1).flatten() / variance
                every.append(float(error.mean()))
                worst.append(float(error.topk(len(error) // 10).values.mean()))
        return float(np.mean(every)), float(np.mean(worst))

    def settled(self) -> tuple[float, float]:
        """Measure how far a level's code is settled by the one above: their mutual information as a share of its
        entropy, and the share that chance alone would give for so few tokens. Means over levels and classes."""
        shares, chances = [], []
        for c in self.classes:
            above = None
            for _, ids, _ in self.tokens(self.train[(self.train_ids == c) & ~self.held], c):
                mine = ids.flatten().numpy()
                if above is not None and len(np.unique(mine)) > 1:
                    entropy = mutual_info_score(mine, mine)
                    table = contingency_matrix(mine, above, sparse=True)
                    shares.append(mutual_info_score(mine, above) / entropy)
                    chances.append(expected_mutual_information(table, len(mine)) / entropy)
                above = mine
        return float(np.mean(shares)), float(np.mean(chances))

    def rare_auroc(self, own: Evaluation) -> float | None:
        """Measure the image AUROC against rare good images alone: of each class the quarter whose patches are farthest
        from those of all training images, on average. No method has a say in which these are."""
        values = []
        label = np.array([sample.label for sample in self.dataset.test])
        for c, name in enumerate(self.dataset.classes):
            known = self.train[self.train_ids == c].flatten(2).transpose(1, 2).flatten(0, 1)  # (N L, C)
            good = self.test[(self.test_ids == c) & torch.tensor(label == 0)].flatten(2).transpose(1, 2)  # (n, L, C)
            far = torch.stack([torch.cdist(patches, known).amin(1).mean() for patches in good])
            rare = far.topk(max(1, len(far) // 4)).indices.tolist()
            scores, defective = own.scores[name]
            some = [scores[i] for i in rare]
            values.append(auroc([0] * len(some) + [1] * len(defective), some + list(defective)))
        present = [value for value in values if value is not None]
        return float(np.mean(present)) if present else None

    def level_signals(self, features: Tensor, ids: Tensor) -> dict[str, Tensor]:
        """Measure each level's tokens in three ways, each (N, H, W): the distance to the nearest code, the cost of the
        plan that each token draws up by itself, and that of a plan drawn towards how much each code is used."""
        signals: dict[str, Tensor] = {}
        model, size = self.detector.model, features.shape[2:]
        for c in self.classes:
            for tokens, _, level in self.tokens(features[ids == c], c):
                quantizer = model.quantizer.quantizers[level]
                used = (quantizer.cluster_size[c] + 1e-6) / (quantizer.cluster_size[c] + 1e-6).sum()
                made: dict[str, list[Tensor]] = {"distance": [], "plan": [], "plan by usage": []}
                for some in tokens.split(16):
                    n = len(some)
                    costs = cost(some, quantizer.codebook[c].expand(n, -1, -1)) / quantizer.error[c]
                    made["distance"].append(costs.amin(2))
                    made["plan"].append(transport_score(costs, plan(costs, reg=1.0)))
                    columns = used.expand(n, -1)
                    made["plan by usage"].append(transport_score(costs, plan(costs, reg=1.0, columns=columns)))
                for kind, parts in made.items():
                    name = f"{kind}, {model.level_names[level]}"
                    signals.setdefault(name, torch.zeros(len(features), *size))
                    signals[name][ids == c] = torch.cat(parts).unflatten(1, size)
        return signals

    def readings(self) -> Iterator[tuple[str, Evaluation]]:
        """Yield by name what each level says alone, in each of the three ways, all joined, and with the residual."""
        detector, config = self.detector, replace(self.detector.config, score="residual", reading="norm", picture=False)
        train, test = (self.level_signals(f, i) for f, i in ((self.train, self.train_ids), (self.test, self.test_ids)))
        for features, ids, signals in ((self.train, self.train_ids, train), (self.test, self.test_ids, test)):
            batches = zip(features.split(16), ids.split(16), strict=True)
            signals["residual"] = torch.cat(
                [detector.reading(detector.model, f, i, ["covariance"])[0]["covariance"] for f, i in batches]
            )
        away: dict[str, tuple[Tensor, Tensor]] = {}  # in spreads: of training images, of test images
        for name, values in train.items():
            one = Calibration.fit(config, {"residual": values}, self.train_ids, self.held, len(self.classes))
            away[name] = tuple(
                one.combine({"residual": some}, ids, config)
                for some, ids in ((values, self.train_ids), (test[name], self.test_ids))
            )  # type: ignore[assignment]
        joined: dict[str, tuple[Tensor, Tensor]] = {}
        for kind in ("distance", "plan", "plan by usage"):
            levels = [away[f"{kind}, {level}"] for level in detector.model.level_names]
            joined[kind] = self.joined(levels)
        for name, (_, maps) in away.items():
            yield name, self.judge(maps)
        for kind, both in joined.items():
            yield f"{kind}, all levels", self.judge(both[1])
            yield f"residual and {kind}", self.judge(self.joined([away["residual"], both], equal=True)[1])

    def joined(self, signals: Sequence[tuple[Tensor, Tensor]], equal: bool = False) -> tuple[Tensor, Tensor]:
        """Add signals, of training and of test images, each in spreads of a class's held-out normal images.

        By weights of 0 or more with a sum of 1: those with which the sum varies least over these images, or `equal`
        ones. The sum is in its own spreads again.
        """
        train, test = (torch.stack(kind) for kind in zip(*signals, strict=True))  # each (S, N, H, W)
        sums = torch.zeros_like(train[0]), torch.zeros_like(test[0])
        for c in self.classes:
            seen = train[:, self.held & (self.train_ids == c)].flatten(1).double()
            weights = 1 / seen.std(1)
            if not equal:
                # Least w.C.w for a given sum, no w below 0: a least-squares problem with non-negative unknowns, whose
                # heavy last row holds the sum.
                root = np.linalg.cholesky(seen.corrcoef().numpy() + 1e-6 * np.eye(len(seen))).T
                solved, _ = nnls(np.vstack([root, np.full(len(seen), 1e4)]), [*np.zeros(len(seen)), 1e4])
                weights = weights * torch.from_numpy(solved / solved.sum())
            weights = weights / (weights @ seen).std()
            for goal, source, ids in ((sums[0], train, self.train_ids), (sums[1], test, self.test_ids)):
                goal[ids == c] = torch.einsum("s,snhw->nhw", weights.float(), source[:, ids == c])
        return sums

    def judge(self, maps: Tensor) -> Evaluation:
        """Evaluate maps (N, H, W) of the test images, whose highest value is the image score."""
        size = (self.detector.config.image_size,) * 2
        label = np.array([sample.label for sample in self.dataset.test])
        per_class, scores = {}, {}
        for c, name in enumerate(self.dataset.classes):
            mine = (self.test_ids == c).numpy()
            large = upsample(maps[mine], size)
            score = image_score(large).numpy()
            samples = [sample for sample in self.dataset.test if sample.class_name == name]
            masked = self.dataset.has_masks(name)
            pixels = (np.stack([read_mask(sample, size[0]) for sample in samples]), large.numpy()) if masked else ()
            per_class[name] = all_metrics(label[mine], score.tolist(), *pixels)
            scores[name] = tuple(score[label[mine] == kind].tolist() for kind in (0, 1))
        metrics = {"classes": per_class, "mean": mean_over_classes(per_class), "n": {}, "class_accuracy": None}
        return Evaluation(metrics, [], scores)  # type: ignore[arg-type]


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command's options."""
    described = "Trains the arms of docs/questions.md, a row of a csv for each."
    questions = Parser(prog="python -m benchmarks.questions", description=described)
    questions.add_argument("--data", type=Path, required=True, metavar="DIR", help="as for hvq train")
    questions.add_argument("--out", type=Path, metavar="FILE", help="default: results/questions.csv in the data folder")
    questions.add_argument("--arms", metavar="A,B", help=f"default: all of them: {', '.join(ARMS)}")
    questions.add_argument("--seeds", default="0", metavar="S,S", help="default: 0")
    questions.add_argument("--steps", default="900", metavar="N,N", help="optimiser steps of the runs; default: 900")
    questions.add_argument("--cache", type=Path, metavar="DIR", help="for features; default: cache in the data folder")
    return questions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    stopped = "stopped; repeated, it computes the rows that are missing."
    return exit_status("benchmarks.questions", lambda: _command(arguments), stopped)


def _command(arguments: Sequence[str] | None) -> None:
    """Do what the options ask for."""
    options = parser().parse_args(arguments)
    arms = options.arms.split(",") if options.arms else list(ARMS)
    unknown = [arm for arm in arms if arm not in ARMS]
    if unknown:
        raise InputError(f"No arm {', '.join(unknown)}: choose from {', '.join(ARMS)}.")
    out = options.out or data_folder(make=True) / "results" / "questions.csv"
    cache = options.cache or data_folder(make=True) / "cache"
    seeds, steps = numbers("seeds", options.seeds), numbers("steps", options.steps)
    for seed in seeds:
        for arm in arms:
            measure = Measures(levels=arm == LEVELS_OF)
            ablate(options.data, out, [arm], [seed], steps, 1, cache, readings=False, arms=ARMS, measure=measure)


if __name__ == "__main__":
    sys.exit(main())
