"""Residual codebooks: k-means of patches, then of what it leaves, and again; nothing between the patches is known."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.model.codebooks import kmeans, nearest
from hvqlib.rivals.rival import Rival, draw_patches, patches_of

POINTS = 40_000  # patches of a class that k-means sees; of more, these are drawn at random


class ResidualCodebooks(Rival):
    """Expect at each place the sum of up to three codes: the nearest to the patch, to what it leaves, to the rest.

    Codebooks as HVQ-Trans has them, a stack for each class, but of the features themselves: no network, no context.
    Source: Juang and Gray, "Multiple stage vector quantization for speech coding", 1982.

    Buffers: `codebook` (classes, stages, K, C); `count` (classes, stages, K), the patches of which a code is the mean.
    An image that was fitted to is judged by codes out of whose means its own patches are taken; which patches share a
    code, and what later stages are codes of, is not worked out anew. So its residual stays shorter than an unseen one:
    by 1 to 5 % on random features, few or many for a code, against 2 to 60 % for codes that know its patches.
    """

    codebook: Tensor
    count: Tensor

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        shape = (classes, config.stages, config.codes)
        self.register_buffer("codebook", torch.zeros(*shape, channels))
        self.register_buffer("count", torch.zeros(*shape, dtype=torch.long))

    def fit_class(self, class_id: int, features: Tensor | Sequence[Tensor], rows: Sequence[int]) -> None:
        """Fit the codebooks of one class: k-means of at most 40,000 patches, then one step of it on all of them."""
        codebook, count = self.codebook[class_id], self.count[class_id].zero_()  # (stages, K, C), (stages, K)
        left = draw_patches(features, rows, POINTS)[0].to(codebook.device)
        for stage in range(len(codebook)):
            centres, _ = kmeans(left, codebook.shape[1])
            total = torch.zeros_like(centres)
            for row in rows:
                patches = patches_of(features[row]).to(total)
                patches = patches - quantise(patches, codebook[:stage])
                ids = nearest(patches[None], centres[None])[0]
                total.index_add_(0, ids, patches)
                count[stage] += torch.bincount(ids, minlength=len(centres))
            used = count[stage, :, None]
            codebook[stage] = torch.where(used > 0, total / used.clamp(min=1), centres)
            left = left - quantise(left, codebook[stage, None])

    def expect(self, features: Tensor, class_id: int | Tensor, own: int) -> Tensor:
        """Sum the codes (C, H, W) of the class, at each place."""
        patches = patches_of(features)
        if own < 0:
            return quantise(patches, self.codebook[class_id]).T.view_as(features)
        fitted = left = patches
        for codes, count in zip(self.codebook[class_id], self.count[class_id], strict=True):
            ids = nearest(fitted[None], codes[None])[0]
            others = count - torch.bincount(ids, minlength=len(codes))
            total = codes * count[:, None] - torch.zeros_like(codes).index_add_(0, ids, fitted)
            fitted = fitted - codes[ids]
            if (others > 0).any():
                left = left - quantise(left, (total / others[:, None])[None, others > 0])
        return (patches - left).T.view_as(features)


def quantise(patches: Tensor, codebooks: Tensor) -> Tensor:
    """Sum the nearest codes (L, C) to patches (L, C), a stage of `codebooks` (stages, K, C) after another."""
    left = patches
    for codes in codebooks:
        left = left - codes[nearest(left[None], codes[None])[0]]
    return patches - left
