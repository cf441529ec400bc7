"""Guess which class an unlabelled image belongs to, from its frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class ClassCentroids(nn.Module):
    """Guess the class (B,) of images: the nearest centroid of mean feature vectors, channels in units of their spread.

    A linear discriminant with a diagonal covariance. Buffers: `centroids` (classes, C), `spread` (C,).
    """

    centroids: Tensor
    spread: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("centroids", torch.zeros(classes, channels))
        self.register_buffer("spread", torch.ones(channels))

    def fit(self, features: Tensor | Sequence[Tensor], class_ids: Tensor) -> None:
        """Measure centroids and spread of standardised training features (N, C, H, W) and their classes (N,)."""
        vectors = torch.stack([f.mean((1, 2)) for f in features])  # (N, C)
        for c in class_ids.unique().tolist():
            self.centroids[c] = vectors[class_ids == c].mean(0)
        self.spread = (vectors - self.centroids[class_ids]).square().mean(0).sqrt().clamp(min=1e-3)

    def forward(self, features: Tensor) -> Tensor:
        """Guess the class ids (B,) of features (B, C, H, W)."""
        vectors = features.mean((2, 3))
        return ((vectors[:, None] - self.centroids) / self.spread).square().sum(2).argmin(1)
