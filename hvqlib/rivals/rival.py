"""Share what all rivals do: fit class by class, and subtract an image from what they would have in its place."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import torch
from torch import Tensor, nn

from hvqlib.config import Config


class Rival(nn.Module):
    """Say what a normal image would have in the place of features (C, H, W), from normal images of its class alone.

    A method is a subclass: buffers whose shapes follow from the configuration, the channels and the number of classes;
    `fit_class`, which fills them; and `expect`. A class without images has zeros, the mean of standardised features.
    """

    signal_names: tuple[str, ...] = ()  # of what a method measures besides the residual; no rival does

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__()
        self.config, self.channels, self.classes = config, channels, classes

    @torch.no_grad()
    def fit(self, features: Tensor | Sequence[Tensor], class_ids: Tensor) -> None:
        """Learn from standardised features (N, C, H, W) of normal images, read image by image, of classes (N,).

        What is drawn at random is drawn from torch's own generator: seed it to fit the same again.
        """
        for class_id in class_ids.unique().tolist():
            self.fit_class(class_id, features, (class_ids == class_id).nonzero()[:, 0].tolist())

    def fit_class(self, class_id: int, features: Tensor | Sequence[Tensor], rows: Sequence[int]) -> None:
        """Learn one class from those rows of standardised features (N, C, H, W)."""
        raise NotImplementedError

    def expect(self, features: Tensor, class_id: int | Tensor, own: int) -> Tensor:
        """Say what a normal image would have instead, (C, H, W), without image `own` of those fitted; -1: with all."""
        raise NotImplementedError

    @torch.no_grad()
    def measure(
        self, features: Tensor, class_ids: Tensor, wanted: Collection[str] | None = None, own: Tensor | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Measure the residual (B, C, H, W), what would be normal there minus what is; and no signals of its own, {}.

        Parameters
        ----------
        features : standardised, (B, C, H, W), of classes `class_ids` (B,).
        own : (B,), of images that were themselves given to `fit`: their row there, -1 for others. They are judged as
            if they had not been among them, as far as the method says it can. Not given: none was.
        """
        features = features.float()
        residual = torch.empty_like(features)
        rows = [-1] * len(features) if own is None else own.tolist()
        for i, (class_id, row) in enumerate(zip(class_ids, rows, strict=True)):
            residual[i] = self.expect(features[i], class_id, row) - features[i]
        return residual, {}


def patches_of(features: Tensor) -> Tensor:
    """Turn features (C, H, W) into patches (H W, C); ``patches.T.view_as(features)`` turns them back."""
    return features.flatten(1).T


def draw_patches(features: Tensor | Sequence[Tensor], rows: Sequence[int], most: int) -> tuple[Tensor, Tensor]:
    """Draw at most that many patches (n, C) of the images in those rows, and the row (n,) that each is from."""
    channels, height, width = features[rows[0]].shape
    draw = torch.randperm(len(rows) * height * width)[:most].sort().values
    counts = torch.bincount(draw // (height * width), minlength=len(rows)).tolist()
    patches = torch.empty(len(draw), channels)
    for row, goal, place in zip(rows, patches.split(counts), (draw % (height * width)).split(counts), strict=True):
        if len(place):  # what nothing is drawn from need not be read
            goal.copy_(patches_of(features[row])[place])
    return patches, torch.tensor(rows).repeat_interleave(torch.tensor(counts))
