"""Measure residual vectors by how normal ones scatter at their place: a Mahalanobis distance by class and place."""

from __future__ import annotations

import torch
from torch import Tensor, nn

STRENGTHS = (10.0, 30.0, 100.0, 300.0, 1000.0)  # images: with that many, a place counts as much as the class
RIDGES = (0.003, 0.01, 0.03, 0.1)  # variance added in every direction; features are standardised
LOOKED_AT = 16  # places at which the likelihood is compared


class PlaceCovariance(nn.Module):
    """Measure how far a residual (C,) is out of the normal ones of its class and place, in their own spreads.

    The covariance of a place is that of its n normal residuals, drawn towards the class's pooled one B by a weight of
    n / (n + strength), plus a ridge. Strength and ridge are those under which normal images are likeliest, each left
    out of the covariance that judges it. Whitened by B, a place's covariance is 1 in most directions: only the
    `rank` directions in which it is largest are kept, and a class costs 3 MB instead of 29.
    Sources: Defard et al., "PaDiM", 2021 (a Gaussian a place); Theiler, "The incredible shrinking covariance
    estimator", 2012 (leaving out in closed form).

    Buffers: `mean` (classes, L, C); `whiten` (classes, C, C); `directions` (classes, L, rank, C) float16, unit vectors;
    `gains` (classes, L, rank), by how much a squared step along each is too large; `settled` (classes, 2), strength and
    ridge.
    """

    mean: Tensor
    whiten: Tensor
    directions: Tensor
    gains: Tensor
    settled: Tensor

    def __init__(self, channels: int, classes: int, places: int, rank: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(classes, places, channels))
        self.register_buffer("whiten", torch.eye(channels).repeat(classes, 1, 1))
        self.register_buffer("directions", torch.zeros(classes, places, rank, channels, dtype=torch.float16))
        self.register_buffer("gains", torch.zeros(classes, places, rank))
        self.register_buffer("settled", torch.zeros(classes, 2))

    @torch.no_grad()
    def fit(self, class_id: int, residuals: Tensor) -> Tensor:
        """Fit one class to residuals (n, C, H, W) of normal images; returns their distances (n, H, W).

        Each image is measured as if it had been left out.
        """
        n, rank = len(residuals), self.gains.shape[2]
        vectors = residuals.flatten(2).transpose(1, 2)  # (n, L, C)
        mean = vectors.mean(0)
        vectors = vectors - mean
        pooled = torch.einsum("nlc,nld->cd", vectors, vectors) / (n * vectors.shape[1])
        strength, ridge = settle(vectors, pooled)
        weight = n / (n + strength)
        shared = (1 - weight) * pooled + ridge * torch.eye(len(pooled)).to(pooled)
        whiten = torch.linalg.inv(torch.linalg.cholesky(shared))
        white = vectors @ whiten.T  # (n, L, C)
        kept = min(rank, n, white.shape[2])
        own = torch.einsum("nlc,nld->lcd", white, white) * (weight / n)  # (L, C, C): variance beyond 1
        values, vectors = torch.linalg.eigh(own)
        extra, right = values[:, -kept:].clamp(min=0), vectors[:, :, -kept:]  # (L, kept), (L, C, kept)
        self.mean[class_id], self.whiten[class_id] = mean, whiten
        self.settled[class_id] = torch.tensor([strength, ridge])
        self.directions[class_id], self.gains[class_id] = 0, 0
        self.directions[class_id, :, :kept] = right.transpose(1, 2).half()
        self.gains[class_id, :, :kept] = extra / (1 + extra)
        # Left out, an image lengthens its own share of the kept directions by 1 / (1 - its leverage).
        along = torch.einsum("nlc,lcr->nlr", white, right).square()
        inside = (along * (1 - self.gains[class_id, :, :kept])).sum(2)
        outside = white.square().sum(2) - along.sum(2)
        leverage = (weight / n * inside).clamp(max=0.99)
        apart = (n / max(1, n - 1)) ** 2  # its mean moves away too
        distances = ((inside / (1 - leverage) + outside.clamp(min=0)) * apart).sqrt()
        return distances.view(n, *residuals.shape[2:])

    def forward(self, residuals: Tensor, class_ids: Tensor) -> Tensor:
        """Measure residuals (B, C, H, W) of images of `class_ids` (B,): Mahalanobis distances (B, H, W), 0 or more."""
        vectors = residuals.flatten(2).transpose(1, 2)  # (B, L, C)
        if torch.compiler.is_exporting():  # which classes are there is not known yet
            square = torch.cat([self.squares(v[None], c) for v, c in zip(vectors, class_ids, strict=True)])
        else:
            square = vectors.new_empty(vectors.shape[:2])
            for c in class_ids.unique().tolist():
                mine = class_ids == c
                square[mine] = self.squares(vectors[mine], c)
        return square.clamp(min=0).sqrt().view(len(residuals), *residuals.shape[2:])

    def squares(self, vectors: Tensor, class_id: int | Tensor) -> Tensor:
        """Square the distances (n, L) of residual vectors (n, L, C) of one class; rounding may leave them below 0."""
        white = (vectors - self.mean[class_id]) @ self.whiten[class_id].T
        directions = self.directions[class_id].to(white.dtype)
        along = (white.transpose(0, 1) @ directions.transpose(1, 2)).transpose(0, 1)  # (n, L, rank)
        return white.square().sum(2) - (along.square() * self.gains[class_id]).sum(2)


def settle(vectors: Tensor, pooled: Tensor) -> tuple[float, float]:
    """Choose strength and ridge for centred residuals (n, L, C) and their pooled covariance (C, C).

    Those of the highest likelihood of each image at some of the places, under the covariance of the others; up to a
    common scale, which the calibration takes care of. A single image leaves nothing to compare by: the most of both.
    """
    n, places, channels = vectors.shape
    if n < 3:
        return STRENGTHS[-1], RIDGES[-1]
    some = vectors[:, torch.linspace(0, places - 1, min(LOOKED_AT, places)).round().long()].transpose(0, 1)  # (P, n, C)
    covariance = some.transpose(1, 2) @ some / n  # (P, C, C)
    eye = torch.eye(channels).to(pooled)
    best = (float("inf"), STRENGTHS[-1], RIDGES[-1])
    for strength in STRENGTHS:
        weight = n / (n + strength)
        for ridge in RIDGES:
            factor = torch.linalg.cholesky(weight * covariance + (1 - weight) * pooled + ridge * eye)
            square = torch.linalg.solve_triangular(factor, some.transpose(1, 2), upper=False).square().sum(1)  # (P, n)
            leverage = (weight / n * square).clamp(max=0.99)
            logdet = 2 * factor.diagonal(dim1=1, dim2=2).log().sum(1) + (1 - leverage).log().mean(1)  # (P,)
            scale = (square / (1 - leverage)).mean() / channels
            unlikely = float(logdet.mean() / channels + scale.log())
            best = min(best, (unlikely, strength, ridge))
    return best[1], best[2]
