"""Run the frozen backbone: an ImageNet network from timm.

Four feature maps (strides 2, 4, 8, 16 for an EfficientNet) are brought to one grid and
concatenated. The network never learns, so the features of an image are computed only once.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import nn
from torchvision.transforms import functional as transforms

from hvqlib.errors import InputError
from hvqlib.features.pretrained_weights import build_network, pixel_normalisation, skip_unused


class Backbone(nn.Module):
    """Compute the frozen features (B, C, g, g) of a timm network, its four maps on one grid.

    Parameters
    ----------
    name : any timm model that can return four feature maps (``features_only``).
    image_size, grid : sides S of the square image the network sees, and g of the grid that all maps are brought to.
    pooling : how. "area": a cell is the mean of what it covers (a map coarser than the grid is interpolated).
        "bilinear": its value is taken between the four nearest places, corners aligned, as the paper's released code
        does (``nn.UpsamplingBilinear2d``); of a map eight times finer than the grid that leaves 15 in 16 unread.
    weights : "pretrained"; "random" (for tests and timing); or a file of tensors (see `pretrained_weights`).

    Attributes
    ----------
    channels : C, of the four maps together: 192 for tf_efficientnet_lite0, 272 for the paper's tf_efficientnet_b4.
    mean, std : pixel normalisation (3,), for pixels in 0 to 255.

    Raises
    ------
    InputError : timm does not know the name, the network has no four maps at this size, or its weights are missing.
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
        """Stay in evaluation mode, whatever is asked: batch norm must never see training batches."""
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
        """Resize an image (H, W, 3) uint8 to the square the network sees, and normalise it: (3, S, S) float32.

        Bilinear with antialiasing (PIL). The aspect ratio is not kept, as in the released code.
        """
        small = transforms.resize(Image.fromarray(image), [self.image_size, self.image_size])
        pixels = transforms.pil_to_tensor(small).float()  # (3, S, S), 0 to 255
        return transforms.normalize(pixels, self.mean.tolist(), self.std.tolist())

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Compute features (B, C, g, g) of pixels (B, 3, S, S), which come from `preprocess`."""
        # The same sums in another order, for which CPUs have faster convolutions.
        images = images.to(memory_format=torch.channels_last)
        maps = [self._fit(m.float()) for m in self.net(images)]  # of (B, C_l, h_l, w_l), large to small
        return torch.cat(maps, dim=1).contiguous()  # (B, C, g, g)

    def _fit(self, one: torch.Tensor) -> torch.Tensor:
        """Bring a map (B, C_l, h, w) to the grid, (B, C_l, g, g)."""
        size = (self.grid, self.grid)
        if self.pooling == "area" and min(one.shape[2:]) >= self.grid:
            return F.adaptive_avg_pool2d(one, size)
        return F.interpolate(one, size, mode="bilinear", align_corners=self.pooling == "bilinear")
