"""Measure what is normal: mean and spread of every signal, by class and place; p-values. From normal images only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from hvqlib.config import Config
from hvqlib.detector.level import FLOOR, level, level_images
from hvqlib.detector.tiling import Tiles, Tiling
from hvqlib.errors import InputError
from hvqlib.false_alarms import CONFIDENCE, images_needed, least_rate, threshold_rank

AT_ONCE = 32  # images whose maps are made at once: at full size they are large
STRENGTH = 20  # images: with that many, a place's own mean and spread count as much as the whole map's


@dataclass
class Calibration:
    """Hold the normal signals of a run, and what held-out normal images score with them."""

    names: tuple[str, ...]  # of the S signals
    mean: Tensor  # (parts, S, H, W); there are as many parts as classes, unless images are cut (see `tiling`)
    spread: Tensor  # (parts, S, H, W), above 0
    class_mean: Tensor  # (parts, S), the same for the map as a whole
    class_spread: Tensor  # (parts, S)
    image_mean: Tensor  # (classes,), of the scores of normal images
    image_spread: Tensor  # (classes,)
    map_mean: Tensor  # (classes,), of the scores that their maps alone give
    map_spread: Tensor  # (classes,)
    picture_mean: Tensor  # (classes,), of the measure of the picture as a whole
    picture_spread: Tensor  # (classes,)
    scores: Tensor  # (N,), ascending: standardised scores of normal images of all classes that touch nothing above
    peaks: Tensor  # (N,), ascending: the highest values of the same images' maps, in spreads as `map_away`
    promises: Tensor  # (), bool: whether those images were held out; else the scores promise nothing

    @classmethod
    def fit(
        cls,
        config: Config,
        signals: Mapping[str, Tensor],
        class_ids: Tensor,
        held: Tensor,
        classes: int,
        pictures: Tensor | None = None,
        tiles: Tiles | None = None,
        tiling: Tiling | None = None,
    ) -> Calibration:
        """Calibrate from the signals of normal images, each (N, H, W), their classes (N,) and which were held out (N,).

        `pictures` (N,) measure each picture as a whole; when not given, or with `config.picture` off, the maps alone
        make the score. Of images that were cut, `tiles` by a `tiling`, signals are those of the M tiles, each
        (M, H, W).

        A pattern of mean and variance over places comes from the images trained on, which are many, smoothed 3 x 3
        and drawn towards the map's own mean and variance (by a weight of n / (n + 20) for n images: of few images a
        place's own figures say little). Its level, and that of the scores, comes from some of the held-out images
        (:func:`level_images`), on which every signal is larger. The other held-out images touch nothing of all this,
        so what they score is how new normal images score: they make the p-values. Where nothing is held out, the
        images trained on serve, and nothing is promised.
        """
        names = tuple(signals)
        first = signals[names[0]]  # (N, H, W)
        tiles = tiles or Tiles.whole(len(class_ids))
        tiling = tiling or Tiling(config, [(1, 1)] * classes)
        of = tiles.image
        parts = tiling.part_ids(tiles, class_ids)  # (M,)
        shape = (tiling.parts, len(names), *first.shape[1:])
        mean, spread = first.new_zeros(shape), first.new_ones(shape)
        levels = level_images(class_ids, held)
        ratio = first.new_ones(shape[:2])
        present = parts.unique().tolist()
        for c in present:
            fitted, kept = (_stack(signals, names, (parts == c) & which[of]) for which in (~held, levels))
            if len(kept):
                ratio[c] = (kept.mean((0, 2, 3)) + FLOOR) / (fitted.mean((0, 2, 3)) + FLOOR)
        measured = parts[levels[of]].unique()
        for c in present:
            if len(measured) and c not in measured:
                ratio[c] = ratio[measured].mean(0)  # as of the other classes
            fitted = _stack(signals, names, (parts == c) & ~held[of])
            weight = len(fitted) / (len(fitted) + STRENGTH)
            variance = fitted.var(0, correction=0)
            for goal, source in ((mean, fitted.mean(0)), (spread, variance)):
                whole = source.mean((1, 2), keepdim=True)
                goal[c] = whole + weight * (_smooth(source) - whole)
            mean[c] *= ratio[c][:, None, None]
            spread[c] = (spread[c].sqrt() * ratio[c][:, None, None]).clamp(min=FLOOR)
        class_spread = spread.square().mean((2, 3)).sqrt()
        zero, one = first.new_zeros(classes), first.new_ones(classes)
        of_scores = {f"{what}_mean": zero.clone() for what in ("image", "map", "picture")}  # filled in below
        of_scores |= {f"{what}_spread": one.clone() for what in ("image", "map", "picture")}
        promising = held & ~levels
        self = cls(names, mean, spread, mean.mean((2, 3)), class_spread, **of_scores,
                   scores=first.new_zeros(0), peaks=first.new_zeros(0), promises=promising.any())  # fmt: skip
        # Images trained on are raised to the level of unseen ones.
        raise_by = torch.where(held[of][:, None], 1.0, ratio[parts])[:, :, None, None]  # (M, S, 1, 1)
        scores, peaks = first.new_empty(len(class_ids)), first.new_empty(len(class_ids))
        for start in range(0, len(scores), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            p = tiles.rows(some)
            raised = {name: raise_by[p, i] * signals[name][p] for i, name in enumerate(names)}
            combined = self.combine(raised, parts[p], config)
            maps, scores[some] = tiles.take(some).join(combined, config.image_size)
            peaks[some] = maps.amax((1, 2))
        self.map_mean, self.map_spread = level(scores, class_ids, held, classes)
        if pictures is not None and config.picture:
            self.picture_mean, self.picture_spread = level(pictures, class_ids, held, classes)
            scores = self.join(scores, pictures, class_ids)
        self.image_mean, self.image_spread = level(scores, class_ids, held, classes)
        # Held-out images of all classes together say which score is how rare.
        counted = promising if promising.any() else ~held
        self.scores = self.standardise(scores, class_ids)[counted].sort().values
        self.peaks = self.map_away(peaks, class_ids)[counted].sort().values
        return self

    def to(self, device: torch.device) -> Calibration:
        """Move what is used on maps to a device; the rest are a few numbers, which stay on the CPU."""
        of_maps = {name: getattr(self, name).to(device) for name in ("mean", "spread", "class_mean", "class_spread")}
        return replace(self, **of_maps)

    def combine(
        self,
        signals: Mapping[str, Tensor],
        part_ids: Tensor,
        config: Config,
        score: str | None = None,
        normalize: bool | None = None,
    ) -> Tensor:
        """Combine signals, each (B, H, W), into one map (B, H, W), in spreads of normal signals; higher is worse.

        Of images that are cut, B are their tiles, and `part_ids` say what each shows; else `part_ids` are the classes.
        `score` and `normalize` are the configuration's when not given. Signals are first measured from their normal
        mean in units of their normal spread: at each place, or with `normalize` off over the whole map.
        """
        normalize = config.normalize if normalize is None else normalize
        weights = signal_weights(config, self.names, score)
        chosen = torch.stack([signals[name] for name in weights], 1)  # (B, S', H, W): an unused signal can do no harm
        used = [self.names.index(name) for name in weights]
        if normalize and (score or config.score) != "released":  # as released: without a place's own mean
            mean, spread = self.mean[part_ids][:, used], self.spread[part_ids][:, used]
        else:
            mean = self.class_mean[part_ids][:, used, None, None]
            spread = self.class_spread[part_ids][:, used, None, None]
        away = ((chosen - mean) / spread).clamp(-1e6, 1e6)
        return (away * chosen.new_tensor(list(weights.values()))[:, None, None]).sum(1)

    def normal(self, name: str) -> tuple[Tensor, Tensor]:
        """Give the normal mean and spread, (parts, H, W) each, of the signal of that name."""
        return self.mean[:, self.names.index(name)], self.spread[:, self.names.index(name)]

    def join(self, scores: Tensor, pictures: Tensor, class_ids: Tensor) -> Tensor:
        """Join the scores (B,) of maps and the measures (B,) of whole pictures: image scores, in the maps' unit.

        A defect is a spot or changes the whole picture, so one of the two is enough: log(e^a + e^b) of their distances
        a and b above normal, in spreads, is the larger one when they differ much. (As if the odds of either kind of
        defect grew by a factor of e with each spread: odds of alternatives are added.)
        """
        a, b = self.map_away(scores, class_ids), self.picture_away(pictures, class_ids)
        joint = torch.maximum(a, b) + (-(a - b).abs()).exp().log1p()  # exported, torch.logaddexp overflows beyond 88
        return self.map_mean[class_ids] + self.map_spread[class_ids] * joint

    def map_away(self, scores: Tensor, class_ids: Tensor) -> Tensor:
        """Say how many spreads above normal the scores (B,) of maps are."""
        return (scores - self.map_mean[class_ids]) / self.map_spread[class_ids]

    def picture_away(self, pictures: Tensor, class_ids: Tensor) -> Tensor:
        """Say how many spreads above normal the measures (B,) of whole pictures are."""
        away: Tensor = ((pictures - self.picture_mean[class_ids]) / self.picture_spread[class_ids]).clamp(-1e6, 1e6)
        return away

    def standardise(self, scores: Tensor, class_ids: Tensor) -> Tensor:
        """Make image scores (B,) comparable between classes: 0 is a normal image's mean, 1 a spread above it."""
        return (scores - self.image_mean[class_ids]) / self.image_spread[class_ids]

    def p_values(self, scores: Tensor, class_ids: Tensor) -> Tensor:
        """Compute the p-value (B,), in (0, 1], float64, of image scores (B,): the share of normal images as high.

        An upper bound of that share (Clopper and Pearson's, at a confidence of 80 %), from how many of the held-out
        scores are at least as high; 1 where nothing was held out. A conformal p-value, (1 + that number) / (1 +
        held-out scores), would keep its promise on average over calibrations; this one keeps it for the calibration at
        hand, in four of five.
        Source: Bates et al., "Testing for outliers with conformal p-values", 2023, section 3.
        """
        higher = len(self.scores) - torch.searchsorted(self.scores, self.standardise(scores, class_ids), right=False)
        return self.bounds()[higher]

    def bounds(self) -> Tensor:
        """Bound the share of normal images above the highest 0, 1, ... N held-out scores, (N + 1,) float64."""
        from scipy.stats import beta

        if not self.promises:
            return torch.ones(len(self.scores) + 1, dtype=torch.float64)
        number = np.arange(len(self.scores))
        return torch.tensor([*beta.ppf(CONFIDENCE, number + 1, len(self.scores) - number), 1.0], dtype=torch.float64)

    @property
    def least(self) -> float:
        """Lowest false-alarm rate that the held-out images can promise; 1 where nothing was held out."""
        return least_rate(len(self.scores) if self.promises else 0)

    @property
    def usual_rate(self) -> float | None:
        """False-alarm rate where none is asked for: 5 %, or the lowest promised; None where nothing was held out."""
        return max(0.05, self.least) if self.promises else None

    def promise(self) -> str:
        """Say in a sentence which false-alarm rate can be promised, and what 5 % would need."""
        number, needed = len(self.scores) if self.promises else 0, images_needed(0.05)
        if not number:
            return f"No normal images were held out, so no false-alarm rate can be promised; 5 % needs {needed}."
        more = f"; 5 % needs {needed - number} more" if number < needed else ""
        return (
            f"{number} held-out normal images promise a false-alarm rate of {self.least:.1%} or more, at a confidence "
            f"of {CONFIDENCE:.0%}{more}."
        )

    def threshold(self, false_alarm: float | None, class_ids: Tensor) -> Tensor:
        """Find the scores (B,) above which images of each class are called defective, at a false-alarm rate in (0, 1).

        None asks for no rate: the highest known score. Raises InputError where the held-out images are too few for the
        rate.
        """
        return self.image_mean[class_ids] + self.scores[self._rank(false_alarm)] * self.image_spread[class_ids]

    def pixel_threshold(self, false_alarm: float | None, class_ids: Tensor) -> Tensor:
        """Find the map values (B,) that no pixel of a normal image exceeds, at a false-alarm rate; see `threshold`."""
        return self.map_mean[class_ids] + self.peaks[self._rank(false_alarm)] * self.map_spread[class_ids]

    def _rank(self, false_alarm: float | None) -> int:
        """Find which of the held-out scores, in ascending order, is the threshold at a false-alarm rate."""
        return threshold_rank(false_alarm, self.bounds().tolist(), self.promise())

    def tensors(self) -> dict[str, Tensor]:
        """Give all tensors by name, for a checkpoint."""
        return {name: value for name, value in vars(self).items() if name != "names"}


def signal_weights(config: Config, names: Sequence[str], score: str | None = None) -> dict[str, float]:
    """Say which of the signals count in a score, and how much; `score` is the run's if not given.

    Without codebooks "combined" is the residual; "released" raises InputError there.
    """
    score = score or config.score
    if score == "released":
        if "released" not in names:
            raise InputError('score "released" needs codebooks: choose "residual" or "combined".')
        return {"released": 1.0}
    if score not in ("combined", "residual"):
        raise InputError(f'score is {score!r}; choose "combined", "residual" or "released".')
    levels = [name for name in names if name == "top" or name.startswith("level ")]
    weights = zip(levels, config.transport_weights, strict=False) if score == "combined" else ()
    residual = "covariance" if config.reading == "covariance" and "covariance" in names else "residual"
    return {residual: 1.0} | {name: weight for name, weight in weights if weight}


def _stack(signals: Mapping[str, Tensor], names: Sequence[str], which: Tensor) -> Tensor:
    """The signals of the images chosen by `which` (N,), (n, S, H, W)."""
    return torch.stack([signals[name][which] for name in names], 1)


def _smooth(maps: Tensor) -> Tensor:
    """Mean of 3 x 3 places of maps (S, H, W), mirrored at the border; small maps stay as they are."""
    if min(maps.shape[1:]) < 2:
        return maps
    return F.avg_pool2d(F.pad(maps[None], (1, 1, 1, 1), mode="reflect"), 3, 1)[0]
