"""Assemble the whole model: features and class ids in; reconstruction, codes and signals out."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hvqlib.config import Config
from hvqlib.model.codebooks import HierarchicalQuantizer
from hvqlib.model.transformer import Decoder, Dropout, Encoder, PositionEmbedding
from hvqlib.model.transport import cost, plan, released_score, transport_loss, transport_score

RELEASED_WEIGHT = 80.0  # of the transport score in the release's anomaly map
FAR = 1e4  # standard deviations; features beyond carry no more information and could overflow


@dataclass
class Output:
    """Hold what the model says of a batch. Levels run top, then deep to shallow: (top,) 3, 2, 1, 0."""

    reconstruction: Tensor  # (B, C, H, W), of the features
    codes: tuple[Tensor, ...]  # z_3, z_2, z_1, z_0: each (B, L, 2D), straight-through
    code_ids: Tensor | None  # (B, 5, L), top first; None for the continuous model
    states: tuple[Tensor, ...]  # h_0 ... h_4: each (B, L, D)
    commitment: Tensor  # (), summed over the five codebooks
    tokens: tuple[Tensor, ...]  # what was quantised, top first: (B, L, D), then (B, L, 2D or D); () when continuous


class HVQTrans(nn.Module):
    """Rebuild features (B, C, H, W) from discrete prototypes of normal ones (Lu et al., NeurIPS 2023).

    Parameters
    ----------
    config : width, codes, layers and so on; `method` "continuous" passes every quantiser through, and "dropout" drops a
        share of what it passes in training (Guo et al., "Dinomaly", CVPR 2025).
    channels : C, of the features.
    classes : how many classes; each has its own codebooks and its own output head.
    grid : (H, W) of the features; `config.grid` squared when not given.
    """

    def __init__(self, config: Config, channels: int, classes: int, grid: tuple[int, int] | None = None) -> None:
        super().__init__()
        self.config = config
        self.grid = grid or (config.grid, config.grid)
        width, shape = config.width, (config.heads, config.feedforward, config.dropout)
        classes = 1 if config.unified else classes
        self.project = nn.Linear(channels, width)
        self.position = PositionEmbedding(self.grid, width)
        self.encoder = Encoder(config.layers, width, *shape)
        self.quantizer: HierarchicalQuantizer | None = None
        if config.method == "hvq":
            levels, rest = config.layers * config.hierarchy, (config.update, config.residual_levels)
            self.quantizer = HierarchicalQuantizer(
                levels, classes, config.codes, width, config.decay, config.revive, *rest
            )
        self.bottleneck = Dropout(config.bottleneck if config.method == "dropout" else 0.0)
        self.decoder = Decoder(config.layers, 2 * width, *shape)
        bound = (2 * width) ** -0.5  # as nn.Linear
        self.head_weight = nn.Parameter(torch.empty(classes, channels, 2 * width).uniform_(-bound, bound))
        self.head_bias = nn.Parameter(torch.empty(classes, channels).uniform_(-bound, bound))

    @property
    def classes(self) -> int:
        """Number of classes the model switches between; 1 when unified."""
        return len(self.head_bias)

    def switch(self, class_ids: Tensor) -> Tensor:
        """Say which codebooks and head the images of each class use, (B,)."""
        return torch.zeros_like(class_ids) if self.config.unified else class_ids

    def encode(self, features: Tensor) -> tuple[Tensor, ...]:
        """Encode features (B, C, H, W) into states h_0..h_4, each (B, L, D)."""
        tokens = self.project(features.flatten(2).transpose(1, 2))  # (B, L, D)
        states: tuple[Tensor, ...] = self.encoder(tokens, self.position())
        return states

    def decode(self, codes: tuple[Tensor, ...], class_ids: Tensor) -> Tensor:
        """Decode codes z_3..z_0 into a reconstruction (B, C, H, W), by each image's own head."""
        position = self.position().repeat(1, 2)  # (L, 2D)
        tokens = self.decoder(codes, position)  # (B, L, 2D)
        # index_select, not [class_ids]: the gradient of indexing is summed in any order on several threads, and a
        # run could not be repeated to the bit.
        weight = self.head_weight.index_select(0, class_ids)  # (B, C, 2D)
        bias = self.head_bias.index_select(0, class_ids)  # (B, C)
        tokens = tokens @ weight.transpose(1, 2) + bias[:, None]  # (B, L, C)
        maps: Tensor = tokens.transpose(1, 2).unflatten(2, self.grid)
        return maps

    def forward(self, features: Tensor, class_ids: Tensor) -> Output:
        """Rebuild standardised features (B, C, H, W) of images of `class_ids` (B,) int64, any mixture of classes."""
        class_ids = self.switch(class_ids)
        states = self.encode(features)
        if self.quantizer is None:
            codes = tuple(self.bottleneck(torch.cat([state, states[-1]], -1)) for state in reversed(states[:-1]))
            ids, commitment, tokens = None, features.new_zeros(()), ()
        else:
            codes, ids, commitment, tokens = self.quantizer(states, class_ids)
        return Output(self.decode(codes, class_ids), codes, ids, states, commitment, tokens)

    def loss(self, features: Tensor, class_ids: Tensor, transport: float = 0.0) -> tuple[Tensor, Output]:
        """Compute the loss (): mean squared error of the reconstruction, weighted commitment, and `transport` times the
        transport loss of every level. Paper, equation 6 and section 3.3."""
        output = self(features, class_ids)
        loss = (output.reconstruction.float() - features).square().mean() + self.config.commitment * output.commitment
        if transport and self.quantizer is not None and len(features):
            for tokens, quantizer in zip(output.tokens, self.quantizer.quantizers, strict=True):
                moved = transport_loss(tokens, quantizer.codebook, self.switch(class_ids), self.config.transport_reg)
                loss = loss + transport * moved
        return loss, output

    @property
    def level_names(self) -> tuple[str, ...]:
        """Names of the codebooks, in the order of :class:`Output`: "top", "level 3", ..., "level 0"; () without any."""
        if self.quantizer is None:
            return ()
        return ("top", *(f"level {i}" for i in reversed(range(len(self.quantizer.levels)))))

    @property
    def signal_names(self) -> tuple[str, ...]:
        """Names of what :meth:`measure` gives besides the residual, in its order; () without codebooks."""
        return (*self.level_names, "released") if self.quantizer is not None else ()

    @torch.no_grad()
    def signals(self, features: Tensor, class_ids: Tensor, wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Measure what speaks against each position: maps (B, H, W) by name, higher is worse, always finite.

        "residual" is the norm over channels of reconstruction - features, in standardised feature units; the others are
        those of :meth:`measure`.
        """
        residual, signals = self.measure(features, class_ids, wanted)
        if wanted is None or "residual" in wanted:
            signals = {"residual": torch.linalg.vector_norm(residual, dim=1)} | signals
        return signals

    @torch.no_grad()
    def measure(
        self,
        features: Tensor,
        class_ids: Tensor,
        wanted: Collection[str] | None = None,
        own: Tensor | None = None,
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Give the residual (B, C, H, W), reconstruction - features, and the transport scores by name, each (B, H, W).

        With codebooks the transport score of each level bears the level's name: the mean squared distance under the
        conditional plan, both it and the temperature in units of the codebook's own quantisation error. "released" is
        the map of the release: the norm of the residual + 80 x its transport score. Source: section 3.4. Of the scores
        only those `wanted` are computed; all when not given. `own` is for methods that remember single images.
        """
        features = features.float().nan_to_num().clamp(-FAR, FAR)
        output = self(features, class_ids)
        residual = output.reconstruction.float() - features
        signals = {}
        if self.quantizer is not None:
            class_ids = self.switch(class_ids)
            quantizers = self.quantizer.quantizers
            for name, tokens, quantizer in zip(self.level_names, output.tokens, quantizers, strict=True):
                if wanted is None or name in wanted:
                    error = quantizer.error[class_ids].clamp(min=1e-12)[:, None, None]
                    moves = (cost(tokens, quantizer.codebook[class_ids]) / error).clamp(max=1e12)  # in units of it
                    signals[name] = transport_score(moves, plan(moves, reg=1.0)).unflatten(1, self.grid)
            if wanted is None or "released" in wanted:
                score = released_score(tokens, quantizer.codebook[class_ids])  # level 0 came last
                size = torch.linalg.vector_norm(residual, dim=1)
                signals["released"] = size + RELEASED_WEIGHT * score.unflatten(1, self.grid)
        return residual, signals

    @torch.no_grad()
    def start_codebooks(self, features: Tensor, class_id: int) -> None:
        """Start the codebooks of one class (0 when unified) by k-means of training features (N, C, H, W)."""
        if self.quantizer is not None:
            states = zip(*(self.encode(part) for part in features.split(16)), strict=True)
            self.quantizer.start(tuple(torch.cat(level) for level in states), class_id)
