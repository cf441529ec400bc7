"""Measure the picture as a whole: what normal pictures of the class cannot explain of its coarse residual."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CELLS = 3  # a side: a defect that changes little at each place, and much over the picture, is seen in few numbers
MOST = 160  # directions a class
VARIANCE = 0.97  # share of it that the directions hold, if there may be enough of them
FOLDS = 8


class PictureSubspace(nn.Module):
    """Measure residuals (B, C, H, W), averaged over 3 x 3 cells, by what a PCA of normal ones cannot rebuild.

    Source: Ahuja et al., "Probabilistic modeling of deep features for out-of-distribution and adversarial detection",
    2019 (DFM), there of features; here of what the model leaves. Buffers, with D = 9 C: `mean` (classes, D);
    `directions` (classes, 160, D), those that hold 97 % of the variance, each sqrt(D) long, so that float16 holds its
    numbers well; then zeros.
    """

    mean: Tensor
    directions: Tensor

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(classes, channels * CELLS**2))
        self.register_buffer("directions", torch.zeros(classes, MOST, channels * CELLS**2, dtype=torch.float16))

    @torch.no_grad()
    def fit(self, class_id: int, residuals: Tensor) -> Tensor:
        """Fit one class to residuals (n, C, H, W) of normal images; returns their measures (n,).

        Each eighth of the images is measured by the PCA of the others.
        """
        coarse = coarsen(residuals)
        measures, folds = coarse.new_zeros(len(coarse)), torch.arange(len(coarse)) % FOLDS
        for fold in range(min(FOLDS, len(coarse)) if len(coarse) > 1 else 0):
            own = folds == fold
            measures[own] = unexplained(coarse[own], *subspace(coarse[~own]))
        self.mean[class_id], directions = subspace(coarse)
        self.directions[class_id] = 0
        self.directions[class_id, : len(directions)] = (directions * coarse.shape[1] ** 0.5).half()
        return measures

    def forward(self, residuals: Tensor, class_ids: Tensor) -> Tensor:
        """Measure residuals (B, C, H, W) of images of `class_ids` (B,): the length (B,) of what cannot be rebuilt."""
        coarse = coarsen(residuals)
        if torch.compiler.is_exporting():  # which classes are there is not known yet
            return torch.cat([self.lengths(one[None], c) for one, c in zip(coarse, class_ids, strict=True)])
        lengths = coarse.new_empty(len(coarse))
        for c in class_ids.unique().tolist():
            mine = class_ids == c
            lengths[mine] = self.lengths(coarse[mine], c)
        return lengths

    def lengths(self, coarse: Tensor, class_id: int | Tensor) -> Tensor:
        """Measure coarse residuals (n, D) of one class, (n,)."""
        return unexplained(coarse, self.mean[class_id], self.directions[class_id].float() * coarse.shape[1] ** -0.5)


def coarsen(residuals: Tensor) -> Tensor:
    """Average residuals (B, C, H, W) over 3 x 3 equal cells, (B, 9 C); what is left over at the rim is left out."""
    height, width = residuals.shape[2:]
    top, left = (height % CELLS) // 2, (width % CELLS) // 2
    if min(height, width) >= CELLS:
        residuals = residuals[:, :, top : top + height // CELLS * CELLS, left : left + width // CELLS * CELLS]
    return F.adaptive_avg_pool2d(residuals, CELLS).flatten(1)


def subspace(points: Tensor) -> tuple[Tensor, Tensor]:
    """Find the mean (D,) of points (n, D) and the directions (k, D) in which they differ most."""
    mean = points.mean(0)
    _, lengths, directions = torch.linalg.svd(points - mean, full_matrices=False)
    share = lengths.square().cumsum(0) / lengths.square().sum().clamp(min=1e-30)
    return mean, directions[: min(int((share < VARIANCE).sum()) + 1, MOST)]


def unexplained(points: Tensor, mean: Tensor, directions: Tensor) -> Tensor:
    """Measure the distance (n,) from points (n, D) to the subspace of a mean (D,) and directions (k, D)."""
    away = points - mean
    return torch.linalg.vector_norm(away - away @ directions.T @ directions, dim=1)
