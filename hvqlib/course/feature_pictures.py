"""Draw pictures from features: a small network, only for looking at what the detector sees and rebuilds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

SIDE = 112  # of the pictures, in pixels


class PictureDecoder(nn.Module):
    """Draw pictures (B, 3, 112, 112), values in [0, 1], from standardised features (B, C, 14, 14).

    It plays no part in detecting: a score never depends on it. What it draws is a blurred guess, made of what it saw
    in training: normal images.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (128, 96, 64, 32)
        stages: list[nn.Module] = [nn.Conv2d(channels, widths[0], 1), nn.GELU()]
        for narrow, wide in zip(widths[1:], widths, strict=False):  # 14 -> 28 -> 56 -> 112
            stages += [nn.Upsample(scale_factor=2.0), nn.Conv2d(wide, narrow, 3, padding=1), nn.GELU()]
        self.stages = nn.Sequential(*stages, nn.Conv2d(widths[-1], 3, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        return self.stages(features).sigmoid()

    @torch.no_grad()
    def draw(self, features: Tensor) -> np.ndarray:
        """Draw pictures (B, 112, 112, 3) uint8 from features (B, C, 14, 14)."""
        return (255 * self(features)).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    @classmethod
    def load(cls, path: str | Path) -> PictureDecoder:
        """Read a file that `benchmarks/train_pictures.py` wrote."""
        weights = load_file(path)
        decoder = cls(weights["stages.0.weight"].shape[1])
        decoder.load_state_dict({name: value.float() for name, value in weights.items()})
        return decoder.eval()
