"""Mean of the place: what normal images of a class have on average at each place."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.rivals.rival import Rival


class PlaceMean(Rival):
    """Expect at each place the mean of normal features of the class there.

    Its residual measured by a covariance of class and place is PaDiM (Defard et al., ICPR 2021), with all channels
    where PaDiM draws some at random.

    Buffers: `mean` (classes, C, H, W); `count` (classes,), of images. An image that was fitted to is judged by the
    exact mean of the others; if there are none, by zeros.
    """

    mean: Tensor
    count: Tensor

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        self.register_buffer("mean", torch.zeros(classes, channels, config.grid, config.grid))
        self.register_buffer("count", torch.zeros(classes, dtype=torch.long))

    def fit_class(self, class_id: int, features: Tensor | Sequence[Tensor], rows: Sequence[int]) -> None:
        """Measure the means of one class, summed in float64."""
        total = torch.zeros(self.mean.shape[1:], dtype=torch.float64)
        for row in rows:
            total += features[row]
        self.mean[class_id], self.count[class_id] = total / len(rows), len(rows)

    def expect(self, features: Tensor, class_id: int | Tensor, own: int) -> Tensor:
        """Give the mean (C, H, W) of the class, or of its other images."""
        mean = self.mean[class_id]
        if own < 0:
            return mean
        count = int(self.count[class_id])
        return (count * mean - features) / (count - 1) if count > 1 else torch.zeros_like(mean)
