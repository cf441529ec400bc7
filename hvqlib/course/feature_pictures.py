"""From features back to a picture: a small network, only for looking at what the detector sees and rebuilds."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from hvqlib.data.dataset import AnomalyDataset
from hvqlib.data.images import read_image
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.files import write_atomic

SIDE = 112  # of the pictures, in pixels


class PictureDecoder(nn.Module):
    """Standardised features (B, C, 14, 14) -> pictures (B, 3, 112, 112), values in [0, 1].

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
        """Features (B, C, 14, 14) -> pictures (B, 112, 112, 3) uint8."""
        return (255 * self(features)).round().byte().permute(0, 2, 3, 1).cpu().numpy()

    @classmethod
    def load(cls, path: str | Path) -> PictureDecoder:
        """From a file that :func:`train_pictures` wrote."""
        weights = load_file(path)
        decoder = cls(weights["stages.0.weight"].shape[1])
        decoder.load_state_dict({name: value.float() for name, value in weights.items()})
        return decoder.eval()


def train_pictures(
    detector: Detector,
    dataset: AnomalyDataset,
    out: str | Path,
    steps: int = 1500,
    seed: int = 0,
    cache: str | Path | None = None,
    progress: bool = True,
) -> PictureDecoder:
    """Learn to draw a data set's normal training images from their features; writes `out` (float16 safetensors).

    Mean absolute difference of pixels, and of the steps between neighbouring ones, which keeps edges.
    """
    if not dataset.train:
        raise InputError(f"{dataset.root} has no training images: put some into CLASS/train/good.")
    paths = [sample.path for sample in dataset.train]
    features = detector.features(paths, cache, progress)
    pixels = (torch.from_numpy(read_image(path)).permute(2, 0, 1)[None].float() / 255 for path in paths)
    images = torch.cat([F.interpolate(image, (SIDE, SIDE), mode="area") for image in pixels])  # (N, 3, 112, 112)
    torch.manual_seed(seed)
    decoder = PictureDecoder(features.shape[1])
    optimizer = torch.optim.AdamW(decoder.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in tqdm(range(steps), desc="pictures", disable=not progress):
        batch = torch.randint(len(images), (16,))
        drawn, truth = decoder(features[batch]), images[batch]
        loss = (drawn - truth).abs().mean()
        for axis in (2, 3):
            loss = loss + (drawn.diff(dim=axis) - truth.diff(dim=axis)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    write_atomic(Path(out), save({name: value.half() for name, value in decoder.state_dict().items()}))
    return decoder.eval()
