"""The frozen backbone: an ImageNet network from timm, and its features kept on disk.

Four feature maps (strides 2, 4, 8, 16 for an EfficientNet) are brought to one grid and
concatenated. The network never learns, so the features of an image are computed only once.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn

from hvqlib.config import InputError
from hvqlib.data import read_image
from hvqlib.features import FeatureFile, Features
from hvqlib.pretrained import build_network, pixel_normalisation, skip_unused

# Part of the cache's name: raise it when read_image, preprocess or forward change their results.
CACHE_VERSION = 3


class Backbone(nn.Module):
    """Frozen features of a timm network, on one grid.

    Parameters
    ----------
    name : str
        Any timm model that can return four feature maps (``features_only``).
    image_size : int
        Side S of the square image the network sees.
    grid : int
        Side g of the grid that all four maps are brought to.
    pooling : str
        How. "area": a cell is the mean of what it covers (a map coarser than the grid is interpolated). "bilinear":
        its value is taken between the four nearest places, corners aligned, as the paper's released code does
        (``nn.UpsamplingBilinear2d``); of a map eight times finer than the grid that leaves 15 in 16 places unread.
    weights : str or Path
        "pretrained"; "random" (for tests and timing); or a file of tensors (see `pretrained`).

    Attributes
    ----------
    channels : int
        C, the channels of the four maps together: 192 for tf_efficientnet_lite0, 272 for the
        paper's tf_efficientnet_b4.
    mean, std : ndarray of float32, shape (3,)
        Pixel normalisation, for pixels in 0 to 255.

    Raises
    ------
    InputError
        timm does not know the name, the network has no four maps at this size, or its weights
        cannot be had.
    """

    def __init__(
        self,
        name: str = "tf_efficientnet_lite0",
        image_size: int = 224,
        grid: int = 14,
        pooling: str = "area",
        weights: str | Path = "pretrained",
    ):
        super().__init__()
        self.name, self.image_size, self.grid, self.pooling = name, image_size, grid, pooling
        net: Any = build_network(name, weights)
        self.net = skip_unused(net).requires_grad_(False)
        self.mean, self.std = pixel_normalisation(name, self.net)
        self.eval()
        channels = net.feature_info.channels()
        try:
            with torch.no_grad():
                maps = self.net(torch.zeros(1, 3, image_size, image_size))
            if [m.shape[1] for m in maps] != channels:
                raise ValueError("its maps are not channels first")
        except Exception as error:
            raise InputError(
                f"The backbone '{name}' gives no four maps for images of {image_size} pixels: use "
                f"another image size or e.g. tf_efficientnet_lite0 ({error})."
            ) from error
        self.channels = sum(channels)

    def train(self, mode: bool = True) -> Backbone:
        """Stay in evaluation mode whatever is asked: batch norm must never see training batches."""
        return super().train(False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 over name, weights, pixel normalisation and pooling; hashed again at every look."""
        constants = [self.name, self.mean.tolist(), self.std.tolist(), self.pooling]
        digest = hashlib.sha256(json.dumps(constants).encode())
        for key, tensor in self.net.state_dict().items():
            digest.update(f"{key} {tensor.dtype} {tuple(tensor.shape)}".encode())
            digest.update(tensor.cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    def preprocess(self, image: np.ndarray) -> torch.Tensor:
        """Resize an image to the square the network sees, and normalise its pixels.

        Parameters
        ----------
        image : ndarray of uint8, shape (H, W, 3)

        Returns
        -------
        Tensor of float32, shape (3, S, S)
            Bilinear with antialiasing (PIL). The aspect ratio is not kept, as in the released code.
        """
        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
            raise InputError(f"An image should be uint8 of shape (H, W, 3), not {image.dtype} {image.shape}.")
        size = (self.image_size, self.image_size)
        small = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR)
        pixels = (np.asarray(small, dtype=np.float32) - self.mean) / self.std  # (S, S, 3)
        return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Features on one grid.

        Parameters
        ----------
        images : Tensor of float32, shape (B, 3, S, S)
            From `preprocess`.

        Returns
        -------
        Tensor of float32, shape (B, C, g, g)
        """
        # The same sums in another order, for which CPUs have faster convolutions.
        images = images.to(memory_format=torch.channels_last)
        maps = [self._fit(m.float()) for m in self.net(images)]  # of (B, C_l, h_l, w_l), large to small
        return torch.cat(maps, dim=1).contiguous()  # (B, C, g, g)

    def _fit(self, one: torch.Tensor) -> torch.Tensor:
        """A map (B, C_l, h, w) on the grid, (B, C_l, g, g)."""
        size = (self.grid, self.grid)
        if self.pooling == "area" and min(one.shape[2:]) >= self.grid:
            return F.adaptive_avg_pool2d(one, size)
        return F.interpolate(one, size, mode="bilinear", align_corners=self.pooling == "bilinear")


def extract_features(
    backbone: Backbone,
    paths: Sequence[str | Path],
    cache: str | Path | None,
    batch_size: int = 16,
    progress: bool = False,
) -> torch.Tensor:
    """Features of image files, all in memory; with a `cache`, computed once and kept there.

    Parameters
    ----------
    backbone : Backbone
    paths : sequence of N paths
    cache : Path or None
        Folder of the file they are kept in (see `stored_features`); None keeps nothing. A folder that refuses gives
        one warning.
    batch_size : int
        Images that go through an accelerator at once. A CPU takes them one by one, which is as
        fast, and keeps results bit for bit the same whatever was kept before.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    Tensor of float32, shape (N, C, g, g), on the CPU

    Raises
    ------
    InputError
        An image cannot be read.
    """
    if cache is not None:
        try:
            return stored_features(backbone, paths, cache, batch_size, progress)[:]
        except OSError as error:
            warnings.warn(f"Features cannot be kept in '{cache}': going on without a cache ({error}).", stacklevel=2)
    features = torch.empty(len(paths), backbone.channels, backbone.grid, backbone.grid)
    for indices, values in _compute(backbone, paths, range(len(paths)), batch_size, progress):
        features[indices] = values
    return features


def stored_features(
    backbone: Backbone,
    paths: Sequence[str | Path],
    cache: str | Path,
    batch_size: int = 16,
    progress: bool = False,
) -> Features:
    """Features of image files, on disk: computed where they are not there yet, and read as they are indexed.

    One file in `cache` holds those of one backbone (by its fingerprint, image size and grid). A record in it is named
    by the SHA-256 of the image file, so it cannot be taken for another, and carries a checksum; one that fails it is
    computed again and replaced. Parameters as for `extract_features`. Raises OSError where the folder refuses.
    """
    about = json.dumps([CACHE_VERSION, backbone.fingerprint, backbone.image_size, backbone.grid])
    name = hashlib.sha256(about.encode()).hexdigest()[:16]
    file = FeatureFile(Path(cache) / f"{name}.features", (backbone.channels, backbone.grid, backbone.grid))
    keys = [_key(path) for path in paths]
    rows = [file.find(key) for key in keys]
    missing = [i for i, row in enumerate(rows) if row is None]
    for indices, values in _compute(backbone, paths, missing, batch_size, progress, len(paths)):
        for i, value in zip(indices, values, strict=True):
            rows[i] = file.write(keys[i], value)
    return Features(file, rows)  # type: ignore[arg-type]  # no None is left


def _compute(
    backbone: Backbone,
    paths: Sequence[str | Path],
    which: Sequence[int],
    batch_size: int,
    progress: bool,
    total: int = 0,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Indices, of `which`, and their features (b, C, g, g), a batch at a time."""
    from tqdm.auto import tqdm

    device = next(backbone.parameters()).device
    step = 1 if device.type == "cpu" else batch_size
    total = total or len(which)
    with tqdm(total=total, initial=total - len(which), desc="features", unit="image", disable=not progress) as bar:
        for start in range(0, len(which), step):
            batch = list(which[start : start + step])
            images = torch.stack([backbone.preprocess(read_image(paths[i])) for i in batch])
            with torch.no_grad():  # not inference_mode: its tensors could not be trained on
                values = backbone(images.to(device)).cpu()
            yield batch, values
            bar.update(len(batch))


def _key(path: str | Path) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError as error:
        raise InputError(f"The image '{path}' cannot be read: replace it ({error}).") from error


class Standardize(nn.Module):
    """Give every feature channel mean 0 and standard deviation 1 over the training images.

    Channels of a frozen network differ in scale by far; without this, training is very slow.

    Attributes
    ----------
    mean, std : buffers of float32, shape (C, 1, 1)
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
        zero = torch.zeros(features.shape[1], 1, 1, dtype=torch.float64)
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
        """(B, C, g, g) -> (B, C, g, g)."""
        return (features - self.mean) / self.std
