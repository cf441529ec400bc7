"""The bar to beat: distance to the nearest normal patch, one bank for all classes, nothing learned."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from hvqlib.config import Config
from hvqlib.features.feature_file import Features


class NearestNeighbour(nn.Module):
    """A bank of normal patches (bank, C); the score of a patch is its distance to the nearest of them.

    A plain relative of PatchCore (Roth et al., CVPR 2022): patches drawn at random instead of a coreset, and, like
    the models it is compared with, one bank for all classes.
    """

    bank: Tensor

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("bank", torch.zeros(config.bank, channels))

    def fit(self, features: Tensor | Features) -> None:
        """Fill the bank with random patches of standardised features (N, C, H, W) (repeated when there are few)."""
        places = features.shape[2] * features.shape[3]
        draw = torch.randperm(len(features) * places)
        draw = draw.repeat(-(-len(self.bank) // len(draw)))[: len(self.bank)]
        image, place = draw // places, draw % places
        bank = torch.empty(len(draw), features.shape[1])
        for i in image.unique().tolist():
            patches = features[i].permute(1, 2, 0).flatten(0, 1)  # (H W, C)
            bank[image == i] = patches[place[image == i]]
        self.bank = bank

    @torch.no_grad()
    def signals(self, features: Tensor, class_ids: Tensor, wanted: Collection[int] | None = None) -> Tensor:
        """Distance from each place to the nearest patch in the bank, (B, 1, H, W); nothing else is looked at."""
        patches = features.permute(0, 2, 3, 1)  # (B, H, W, C)
        return torch.stack([torch.cdist(p.flatten(0, 1), self.bank).amin(1).view(p.shape[:2]) for p in patches])[
            :, None
        ]
