"""Nearest neighbour: the distance to the nearest normal patch, one bank for all classes, nothing learned."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from hvqlib.config import Config


class NearestNeighbour(nn.Module):
    """Measure the distance (B, H, W) from each patch to the nearest in a bank (bank, C) of normal patches.

    A plain relative of PatchCore (Roth et al., CVPR 2022): patches drawn at random instead of a coreset, and, like
    the models it is compared with, one bank for all classes.
    """

    bank: Tensor
    signal_names = ("residual",)

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("bank", torch.zeros(config.bank, channels))

    def fit(self, features: Tensor | Sequence[Tensor]) -> None:
        """Fill the bank with random patches of standardised features (N, C, H, W) (repeated when there are few)."""
        channels, height, width = features[0].shape
        positions = height * width
        draw = torch.randperm(len(features) * positions)
        draw = draw.repeat(-(-len(self.bank) // len(draw)))[: len(self.bank)]
        image, position = draw // positions, draw % positions
        bank = torch.empty(len(draw), channels)
        for i in image.unique().tolist():
            patches = features[i].permute(1, 2, 0).flatten(0, 1)  # (H W, C)
            bank[image == i] = patches[position[image == i]]
        self.bank.copy_(bank)

    @torch.no_grad()
    def signals(self, features: Tensor, class_ids: Tensor, wanted: Collection[str] | None = None) -> dict[str, Tensor]:
        """Measure the "residual": the distance (B, H, W) from each patch to the nearest in the bank."""
        patches = features.permute(0, 2, 3, 1)  # (B, H, W, C)
        nearest = [torch.cdist(p.flatten(0, 1), self.bank).amin(1).view(p.shape[:2]) for p in patches]
        return {"residual": torch.stack(nearest)}
