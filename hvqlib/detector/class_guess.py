"""Guess which class an unlabelled image belongs to, or that it belongs to none, from its frozen features."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from hvqlib.detector.tiling import Tiles

MARGIN = 2.0  # times the distance of the held-out image furthest out: beyond it lies a stranger ...
FEW = 10  # ... or that much more, when only so many images were held out


class ClassCentroids(nn.Module):
    """Guess the class (B,) of images by their mean feature vector: the nearest centroid, in the classes' common spread.

    A linear discriminant; the covariance within classes is drawn towards a multiple of the identity as far as its
    estimate is uncertain. A vector far from every centroid is that of a stranger: another product, a dark frame, a
    hand. Source: Chen et al., "Shrinkage algorithms for MMSE covariance estimation", 2010, equation 23 (OAS).

    Buffers: `centroids` (classes, C); `whiten` (C, C); `limit` (), the distance beyond which an image is a stranger,
    infinite where nothing was held out.
    """

    centroids: Tensor
    whiten: Tensor
    limit: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("centroids", torch.zeros(classes, channels))
        self.register_buffer("whiten", torch.eye(channels))
        self.register_buffer("limit", torch.tensor(float("inf")))

    def fit(
        self, features: Tensor | Sequence[Tensor], class_ids: Tensor, held: Tensor, tiles: Tiles | None = None
    ) -> None:
        """Measure standardised training features (N, C, H, W) of classes (N,); those `held` (N,) set the limit only.

        Of images that were cut into M `tiles`, features are (M, C, H, W).
        """
        vectors = torch.stack([f.mean((1, 2)) for f in features])
        vectors = vectors if tiles is None else tiles.mean(vectors)  # (N, C)
        for c in class_ids.unique().tolist():
            self.centroids[c] = vectors[(class_ids == c) & ~held].mean(0)
        within = (vectors - self.centroids[class_ids])[~held]
        self.whiten = torch.linalg.inv(torch.linalg.cholesky(shrunk(within))).T.contiguous()
        if held.any():
            own = self.distances(vectors)[held, class_ids[held]]
            self.limit = MARGIN * (1 + FEW / len(own)) * own.max()

    def distances(self, vectors: Tensor) -> Tensor:
        """Measure how far mean feature vectors (B, C) are from each centroid, in spreads: (B, classes)."""
        away = (vectors[:, None] - self.centroids) @ self.whiten  # (B, classes, C)
        return away.square().sum(2).sqrt()

    def forward(self, features: Tensor, tiles: Tiles | None = None) -> tuple[Tensor, Tensor]:
        """Guess the class ids (B,) of features (B, C, H, W), and how far out they are (B,); above 1 is a stranger.

        Features of M `tiles`, (M, C, H, W), are averaged over those of an image.
        """
        vectors = features.mean((2, 3))
        nearest = self.distances(vectors if tiles is None else tiles.mean(vectors)).min(1)
        return nearest.indices, nearest.values / self.limit


def shrunk(points: Tensor) -> Tensor:
    """Estimate the covariance (C, C) of centred points (n, C), shrunk by the oracle approximating rule."""
    n, c = points.shape
    sample = points.T @ points / n
    mean = sample.trace() / c  # of the variances
    squares = sample.square().mean()
    share = (squares + mean**2) / ((n + 1) * (squares - mean**2 / c)).clamp(min=1e-12)
    share = share.clamp(max=1)
    eye = torch.eye(c).to(sample)
    return (1 - share) * sample + (share * mean + 1e-6) * eye
