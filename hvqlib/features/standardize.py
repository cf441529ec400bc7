"""Standardise features, channel by channel."""

from __future__ import annotations

import torch
from torch import nn

from hvqlib.errors import InputError
from hvqlib.features.feature_file import Features


class Standardize(nn.Module):
    """Give every channel of features (B, C, g, g) mean 0 and standard deviation 1 over the images trained on.

    Channels of a frozen network differ in scale by far; without this, training is very slow. Buffers: `mean` and `std`,
    (C, 1, 1) each.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, channels: int):
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels, 1, 1))
        self.register_buffer("std", torch.ones(channels, 1, 1))

    @classmethod
    def fit(cls, features: torch.Tensor | Features) -> Standardize:
        """Measure mean and standard deviation of features (N, C, g, g), summed in float64, an image at a time.

        A standard deviation counts as at least a thousandth of the median one, so that a channel
        that is constant over the training images stays finite, and is not blown up on others.
        """
        wrong = InputError("Features should be finite numbers of shape (N, C, g, g), N > 0.")
        if len(features.shape) != 4 or len(features) == 0:
            raise wrong
        count = len(features) * features.shape[2] * features.shape[3]
        zero = torch.zeros(features.shape[1], 1, 1, dtype=torch.float64, device=features[0].device)
        mean = sum((f.double().sum((1, 2), keepdim=True) for f in features), zero) / count  # (C, 1, 1)
        if not mean.isfinite().all():
            raise wrong
        variance = sum(((f.double() - mean).square().sum((1, 2), keepdim=True) for f in features), zero) / count
        std = variance.sqrt()
        result = cls(features.shape[1]).to(mean.device)
        result.mean.copy_(mean)
        result.std.copy_(std.clamp(min=max(1e-3 * std.median().item(), 1e-6)))
        return result

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Standardise features (B, C, g, g)."""
        return (features - self.mean) / self.std
