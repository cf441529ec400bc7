"""Hold everything a run needs in one dataclass, and the presets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from numbers import Integral, Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from hvqlib.errors import InputError

KINDS = {int: (Integral, "a whole number"), float: (Real, "a number"), bool: (bool, "True or False")}
BELOW_ONE = math.nextafter(1, 0)
FINITE = math.nextafter(math.inf, 0)
RANGES = {  # lowest and highest of the other settings, and whether the lowest may be
    **dict.fromkeys(("dropout", "bottleneck", "decay", "holdout"), (0, BELOW_ONE, True)),
    **dict.fromkeys(("balance", "transport_start"), (0, 1, True)),
    **dict.fromkeys(("tile", "epochs", "commitment", "transport", "weight_decay"), (0, FINITE, True)),
    **dict.fromkeys(("lr", "clip", "transport_reg"), (0, FINITE, False)),
    "overlap": (0, 0.9, True),
}


@dataclass(frozen=True)
class Config:
    """Hold everything that decides what a run computes. Frozen: use :func:`dataclasses.replace` for a variant.

    The defaults are the ``tiny`` preset; section numbers are those of Lu et al., NeurIPS 2023.
    """

    # What is trained
    # hvq: the paper's; continuous: its quantisers passed through; dropout: that, with dropout in their place; the rest
    # are rivals without a network: nearest patch, residual codebooks, mean of the place, PCA of the whole picture
    method: Literal["hvq", "continuous", "dropout", "knn", "kmeans", "place", "pca"] = "hvq"
    seed: int = 0

    # Images and frozen features (section 4.1)
    backbone: str = "tf_efficientnet_lite0"
    image_size: int = 224  # pixels a side
    grid: int = 14  # tokens a side; L = grid * grid
    fit: Literal["squeeze", "letterbox", "tiles"] = "squeeze"  # to a square; padded to one; cut into overlapping ones
    tile: int = 0  # side of a tile, in pixels of the image; 0: the image's shorter side
    overlap: float = 0.25  # share of a tile that the next one shows too, at least
    pooling: Literal["area", "bilinear"] = "area"  # a cell is the mean of what it covers, or sampled, as released

    # Transformer (section 3.1)
    width: int = 64  # D, of a token; the decoder works at 2 D
    heads: int = 2
    feedforward: int = 256
    layers: int = 4  # encoder layers, decoder layers, and so levels of codebooks
    dropout: float = 0.0  # on sublayer outputs; attention weights are never dropped (it is slow and buys nothing)
    bottleneck: float = 0.2  # dropout between encoder and decoder, for method "dropout" (Dinomaly, CVPR 2025)

    # Codebooks (section 3.2)
    codes: int = 512  # K, a level and class
    decay: float = 0.95  # of the moving averages; 0.99 in the release, whose runs have 250 times as many steps
    commitment: float = 0.25  # weight of the commitment loss
    init: Literal["kmeans", "random"] = "kmeans"  # k-means of training tokens, or random, as released
    revive: bool = True  # give codes nobody uses to badly quantised tokens
    # A code moves by the tokens that chose it, by a Sinkhorn plan, or by the gradient of the transport loss
    update: Literal["nearest", "balanced", "gradient"] = "nearest"
    hierarchy: bool = True  # a codebook for every layer; else the top one alone speaks for all (an ablation)
    residual_levels: bool = False  # a level quantises what those above leave of its state, not [h_l ; top code]
    unified: bool = False  # one codebook a level and one head for all classes (the ablation without switching)

    # Transport between a class's tokens and its prototypes, as a regulariser (section 3.3)
    transport: float = 0.0  # weight of the transport loss; 0: none
    transport_start: float = 0.1  # share of the run before it sets in
    transport_every: int = 4  # steps from one to the next; its weight is multiplied by this
    transport_reg: float = 0.5  # entropic temperature, in units of the codebook's mean quantisation error

    # Held-out normal images, never trained on: they calibrate maps and thresholds
    holdout: float = 0.2  # share of each class's training images

    # Optimiser
    optimizer: Literal["adamw", "muon"] = "adamw"  # muon: for the matrices of linear layers, with AdamW for the rest
    batch_size: int = 16
    balance: float = 0.5  # 0: every image as often as another; 1: every class as often as another
    steps: int = 900  # length of the run, when `epochs` is 0
    epochs: int = 0  # length of the run in passes over the training images
    lr: float = 3e-3  # 1e-2 suits Muon
    weight_decay: float = 1e-4
    schedule: Literal["one_cycle", "step"] = "one_cycle"  # up in a tenth, then a cosine to 0; or a tenth after 80 %
    clip: float = 1.0  # gradient norm
    precision: Literal["float32", "bfloat16"] = "float32"  # bfloat16 by autocast; codebooks stay float32

    # Score (section 3.4)
    score: Literal["combined", "residual", "released"] = "residual"  # residual and transport; residual; as released
    reading: Literal["covariance", "norm"] = "covariance"  # of a residual: by the scatter of its place, or its length
    rank: int = 24  # directions in which a place's covariance may differ from its class's
    picture: bool = True  # join what the residual of the whole picture says to the image score
    transport_weights: tuple[float, ...] = (0.5,)  # of the transport scores: top, then deep to shallow; the rest 0
    normalize: bool = True  # by a class's normal mean and spread at each position; else by the class's alone

    # Rivals; residual codebooks have `codes` codes a stage
    bank: int = 20_000  # normal patches remembered, of all classes together
    coreset: bool = True  # chosen by k-center, each far from the others; else at random
    stages: int = 3  # codebooks one after another, each of what is left by those before; 1 to 3
    components: int = 64  # of a picture's PCA, at most; as many as give 97 % of the variance

    def __post_init__(self) -> None:
        weights = self.transport_weights
        if isinstance(weights, Sequence):  # JSON has no tuples
            object.__setattr__(self, "transport_weights", tuple(weights))
        for name, hint in get_type_hints(Config).items():
            allowed = get_args(hint) if get_origin(hint) is Literal else ()
            if allowed and getattr(self, name) not in allowed:
                raise InputError(f"{name} is {getattr(self, name)!r}; choose one of {', '.join(allowed)}.")
            kind, words = KINDS.get(hint, (object, ""))
            if not isinstance(getattr(self, name), kind) or isinstance(getattr(self, name), bool) != (hint is bool):
                raise InputError(f"{name} is {getattr(self, name)!r}; it must be {words}.")
            if hint in (int, float) and type(getattr(self, name)) not in (
                int,
                float,
            ):  # NumPy's, of which JSON has none
                object.__setattr__(self, name, hint(getattr(self, name)))
        sizes = ("image_size", "grid", "width", "heads", "feedforward", "layers", "codes", "batch_size")
        for name in (*sizes, "bank", "components", "rank", "transport_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be 1 or more.")
        for name, (low, high, lowest_too) in RANGES.items():
            if not (low <= getattr(self, name) <= high and (lowest_too or getattr(self, name) > low)):
                most = {BELOW_ONE: "to below 1", FINITE: "on, and finite"}.get(high, f"to {high:g}")
                wrong = f"must be from {low:g} {most}" if lowest_too else f"must be above {low:g}, and finite"
                raise InputError(f"{name} is {getattr(self, name)}; it {wrong}.")
        if 0 < self.tile < self.grid:
            told = f"tile is {self.tile} pixels; it must be 0, for the image's shorter side, or at least {self.grid}, "
            raise InputError(f"{told}a pixel for each place of the grid.")
        if not 1 <= self.stages <= 3:
            raise InputError(f"stages is {self.stages}; it must be 1, 2 or 3.")
        if self.width % 2 or self.width % self.heads:
            raise InputError(f"width {self.width} must be even and a multiple of heads ({self.heads}).")
        right = isinstance(weights, Sequence) and all(isinstance(w, Real) and 0 <= w <= FINITE for w in weights)
        if not right or len(weights) > self.layers + 1:
            told = f"numbers of 0 or more, for at most {self.layers + 1} levels"
            raise InputError(f"transport_weights is {weights!r}; it must be {told}.")
        if self.score == "released" and self.method != "hvq":
            raise InputError(f'score "released" needs codebooks, method "{self.method}" has none: choose "residual".')
        if self.residual_levels and not self.hierarchy:
            raise InputError("residual_levels needs levels below the top one: leave hierarchy on.")
        if self.update == "gradient" and not self.transport:
            raise InputError('update "gradient" moves codes by the transport loss: set transport above 0.')
        if not 0 <= self.seed < 2**32:
            raise InputError(f"seed is {self.seed}; it must be from 0 to {2**32 - 1}.")
        if self.steps < 1 and self.epochs < 1:
            raise InputError("A run needs a length: set steps or epochs to 1 or more.")

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Config:
        """Make a configuration from a dictionary of its settings; unknown names raise InputError."""
        unknown = sorted(set(values) - {f.name for f in fields(cls)})
        if unknown:
            raise InputError(f"Unknown settings in the configuration: {', '.join(unknown)}.")
        return cls(**values)


PRESETS: dict[str, Config] = {
    # Minutes on two CPU cores.
    "tiny": Config(),
    # About an hour on one GPU of 8 GB or more: calculated, not measured (docs/full_size.md).
    "small-gpu": replace(
        Config(),
        backbone="tf_efficientnet_b4.aa_in1k",
        width=128,
        heads=4,
        feedforward=512,
        steps=100_000,
        lr=1e-3,
        precision="bfloat16",
    ),
    # Lu et al. 2023, section 4.1 and the settings published with the release.
    "paper": replace(
        Config(),
        backbone="tf_efficientnet_b4.aa_in1k",  # the AutoAugment weights, as in the release
        pooling="bilinear",
        width=256,
        heads=8,
        feedforward=1024,
        dropout=0.1,
        epochs=1000,
        lr=1e-4,
        balance=0.0,
        decay=0.99,
        schedule="step",
        clip=0.1,
        precision="bfloat16",
    ),
}
