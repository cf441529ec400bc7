"""Resize as Pillow does, to the last bit, in operations that an exported model can hold."""

from __future__ import annotations

import PIL
import torch
from torch import Tensor

BITS = 22  # of Pillow's weights, which are integers: 2^22 is 1
PILLOW = int(PIL.__version__.split(".")[0])  # 13 was the first to begin with the columns of tall images
LOW = 8  # of these are multiplied apart, so that every sum is one that float32 holds exactly


def resize(image: Tensor, side: int) -> Tensor:
    """Resize an image (H, W, 3) uint8 to (3, side, side) float32, whole numbers in 0 to 255: bilinear, antialiased.

    Equal to ``Image.resize((side, side), Image.Resampling.BILINEAR)`` of the Pillow that is installed. The `Resize` of
    ONNX is not: of its antialiased pixels up to a quarter are off by 1 or 2, for another rounding of the weights.
    """
    height, width = image.shape[:2]
    if PILLOW < 13:
        return rows_first(image, side)
    tall = torch.full((), height) > (2 * torch.full((), width) - side).clamp(min=side)
    if not torch.compiler.is_exporting():
        return columns_first(image, side) if tall else rows_first(image, side)
    return torch.cond(
        tall, lambda pixels: columns_first(pixels, side), lambda pixels: rows_first(pixels, side), (image,)
    )


def rows_first(image: Tensor, side: int) -> Tensor:
    """Resize the rows of an image (H, W, 3), then its columns, (3, side, side)."""
    rows = shorten(image.permute(1, 2, 0), side)  # (side, 3, H)
    return shorten(rows.permute(2, 0, 1), side).permute(2, 0, 1).contiguous()


def columns_first(image: Tensor, side: int) -> Tensor:
    """Resize the columns of an image (H, W, 3), then its rows, (3, side, side)."""
    columns = shorten(image, side)  # (side, W, 3)
    return shorten(columns.permute(1, 2, 0), side).permute(1, 2, 0).contiguous()


def shorten(values: Tensor, side: int) -> Tensor:
    """Resample the first axis of values (n, k, m), whole numbers in 0 to 255: (side, k, m) float32, rounded to such.

    Each new line is a weighted mean of few old ones. Those of a block of up to 16 new lines lie together, and one
    matrix product makes the block.
    """
    n = values.shape[0]
    block = next(size for size in range(16, 0, -1) if side % size == 0)
    scale = torch.full((), n, dtype=torch.float64) / side
    reach = scale.clamp(min=1)  # old lines on either side of a new one's centre
    centre = ((torch.arange(side, dtype=torch.float64) + 0.5) * scale).view(-1, block, 1)
    first = (centre - reach + 0.5).long().clamp(min=0)
    last = (centre + reach + 0.5).long().clamp(max=n)  # not itself among them
    window = first[:, :1] + torch.arange((block + 1) * n // side + 5)  # (blocks, 1, w): old lines that a block sees
    weights = (1 - ((window + 0.5 - centre) / reach).abs()).clamp(min=0)
    weights = torch.where((window >= first) & (window < last), weights, 0)
    whole = (weights / weights.sum(2, keepdim=True) * 2**BITS + 0.5).floor()  # (blocks, block, w)
    high = (whole / 2**LOW).floor()
    factors = torch.cat([high * 2.0 ** (LOW - BITS), (whole - high * 2**LOW) * 2.0**-LOW], 1).float()
    lines = values.flatten(1).index_select(0, window.clamp(max=n - 1).flatten())
    sums = factors @ lines.float().view(len(factors), factors.shape[2], -1)  # (blocks, 2 block, k m)
    carried = (sums[:, block:] + 2.0 ** (BITS - LOW - 1)).floor() * 2.0 ** (LOW - BITS)  # with a half, to round
    return (sums[:, :block] + carried).floor().view(side, *values.shape[1:])
