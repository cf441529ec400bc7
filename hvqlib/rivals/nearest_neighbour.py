"""Nearest neighbour: the nearest of remembered normal patches, a bank a class, nothing learned."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.model.codebooks import nearest
from hvqlib.rivals.rival import Rival, draw_patches, patches_of

CANDIDATES = 50_000  # patches of a class that k-center chooses from; of more, these are drawn at random first
PROJECTED = 64  # dimensions in which k-center measures distances


class NearestNeighbour(Rival):
    """Expect at each place the nearest patch of a bank of normal ones of the class, (bank / classes, C).

    PatchCore (Roth et al., CVPR 2022) without its mean of 3 x 3 places and its weighting of the image score: the bank
    is chosen by greedy k-center on a random projection to 64 dimensions, from at most 50,000 patches of the class drawn
    at random; or all of it at random, where the configuration has `coreset` off. Fewer patches are repeated.

    Buffers: `bank` (classes, M, C); `image` (classes, M), the row in `fit` of the image a patch is from, or -1. An
    image that was fitted to is judged without its own patches; if there are no others, by zeros.
    """

    bank: Tensor
    image: Tensor

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        size = max(1, config.bank // classes)
        self.register_buffer("bank", torch.zeros(classes, size, channels))
        self.register_buffer("image", torch.full((classes, size), -1))

    def fit_class(self, class_id: int, features: Tensor | Sequence[Tensor], rows: Sequence[int]) -> None:
        """Fill the bank of one class."""
        size = self.bank.shape[1]
        patches, image = draw_patches(features, rows, CANDIDATES if self.config.coreset else size)
        patches, image = patches.to(self.bank.device), image.to(self.bank.device)
        chosen = torch.arange(size, device=image.device) % len(patches)
        if size < len(patches):
            chosen = k_center(project(patches), size)
        self.bank[class_id], self.image[class_id] = patches[chosen], image[chosen]

    def expect(self, features: Tensor, class_id: int | Tensor, own: int) -> Tensor:
        """Find the nearest patch (C, H, W) of the bank of the class, at each place."""
        bank = self.bank[class_id]
        if own >= 0:
            bank = bank[self.image[class_id] != own]
        if not len(bank):
            return torch.zeros_like(features)
        return bank[nearest(patches_of(features)[None], bank[None])[0]].T.view_as(features)


def project(points: Tensor) -> Tensor:
    """Project points (N, C) at random to (N, 64), which keeps distances roughly; fewer dimensions stay as they are."""
    channels = points.shape[1]
    if channels <= PROJECTED:
        return points
    return points @ (torch.randn(channels, PROJECTED) / PROJECTED**0.5).to(points.device)


def k_center(points: Tensor, k: int) -> Tensor:
    """Choose k of points (N, D), their indices (k,): a random one, then always that furthest from all chosen before.

    Each step is one product of the points with a vector, and the memory that of the points. Whatever the points, the
    largest distance to the nearest chosen one is at most twice the least possible.
    Source: Gonzalez, "Clustering to minimize the maximum intercluster distance", 1985.
    """
    squares = points.square().sum(1)  # (N,)
    distance = torch.full_like(squares, torch.inf)  # squared, to the nearest chosen one
    chosen = torch.randint(len(points), (k,)).to(points.device)
    for i in range(k):
        if i:
            chosen[i] = distance.argmax()
        last = chosen[i]
        step = torch.addmv(squares, points, points[last], alpha=-2).add_(squares[last])  # |p - c|^2
        torch.minimum(distance, step, out=distance)
    return chosen
