"""Encode and decode tokens: post-norm Transformer layers, batch first."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class PositionEmbedding(nn.Module):
    """Learn a vector for each row and each column; a place is [column ; row]. Returns (L, D)."""

    def __init__(self, grid: tuple[int, int], width: int) -> None:
        super().__init__()
        self.rows = nn.Parameter(torch.rand(grid[0], width // 2))
        self.columns = nn.Parameter(torch.rand(grid[1], width // 2))

    def forward(self) -> Tensor:
        height, width = len(self.rows), len(self.columns)
        columns = self.columns.expand(height, -1, -1)  # (H, W, D/2)
        rows = self.rows[:, None].expand(-1, width, -1)  # (H, W, D/2)
        return torch.cat([columns, rows], dim=-1).flatten(0, 1)  # (L, D)


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend, on (B, heads, L, d): softmax(q k^T / sqrt(d)) v."""
    if q.device.type == "cpu" and q.dtype == torch.bfloat16:
        # Written out: torch's fused kernel is over twice as slow here in bfloat16 (and faster in float32).
        with torch.autocast("cpu", enabled=False):
            return torch.softmax((q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2), dim=-1) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Attention(nn.Module):
    """Attend with several heads; positions are added to queries and keys, not to values (as in DETR)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def split(self, x: Tensor) -> Tensor:
        """Split (B, L, D) into heads: (B, heads, L, D / heads)."""
        parts: Tensor = x.unflatten(-1, (self.heads, -1))
        return parts.transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor, position: Tensor) -> Tensor:
        """Let each token of `x` (B, L, D) gather from `memory` (B, M, D). Returns (B, L, D)."""
        q, k, v = self.query(x + position), self.key(memory + position), self.value(memory)
        y = attend(self.split(q), self.split(k), self.split(v))
        out: Tensor = self.out(y.transpose(1, 2).flatten(2))
        return out

    @torch.no_grad()
    def weights(self, x: Tensor, memory: Tensor, position: Tensor) -> Tensor:
        """Compute the attention map (B, heads, L, M), rows summing to 1: for looking at, not for training."""
        q, k = self.split(self.query(x + position)), self.split(self.key(memory + position))
        return torch.softmax(q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5, dim=-1)


class Dropout(nn.Module):
    """Drop values by a mask of one random byte a value, at a fraction of the cost of torch's dropout on a CPU.

    The probability is rounded to a multiple of 1/256, and what is kept is scaled by that rounded one.
    """

    def __init__(self, p: float) -> None:
        super().__init__()
        self.drop = min(255, round(256 * p))

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or self.drop == 0:
            return x
        words = torch.empty(-(-x.numel() // 8), dtype=torch.int64, device=x.device).random_(-(2**63), None)
        keep = words.view(torch.uint8)[: x.numel()].view(x.shape) >= self.drop
        return x * (keep.to(x.dtype) * (256 / (256 - self.drop)))


class FeedForward(nn.Sequential):
    """Apply two linear layers with a ReLU between to each token alone."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__(nn.Linear(width, hidden), nn.ReLU(), Dropout(dropout), nn.Linear(hidden, width))


class EncoderLayer(nn.Module):
    """Apply self-attention, then feed-forward; each is added to its input and normalised."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.attention = Attention(width, heads)
        self.feedforward = FeedForward(width, feedforward, dropout)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, position: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x, position)))
        x = self.norm2(x + self.dropout(self.feedforward(x)))
        return x


class DecoderLayer(nn.Module):
    """Apply self-attention, cross-attention to one level's codes, then feed-forward."""

    def __init__(self, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.attention, self.cross = Attention(width, heads), Attention(width, heads)
        self.feedforward = FeedForward(width, feedforward, dropout)
        self.norm1, self.norm2, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width), nn.LayerNorm(width)
        self.dropout = Dropout(dropout)

    def forward(self, x: Tensor, codes: Tensor, position: Tensor) -> Tensor:
        x = self.norm1(x + self.dropout(self.attention(x, x, position)))
        x = self.norm2(x + self.dropout(self.cross(x, codes, position)))
        x = self.norm3(x + self.dropout(self.feedforward(x)))
        return x


class Encoder(nn.Module):
    """Encode tokens (B, L, D) into states h_0 (the tokens) to h_N, each (B, L, D). Paper, section 3.1."""

    def __init__(self, layers: int, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(EncoderLayer(width, heads, feedforward, dropout) for _ in range(layers))

    def forward(self, tokens: Tensor, position: Tensor) -> tuple[Tensor, ...]:
        states = [tokens]
        for layer in self.layers:
            states.append(layer(states[-1], position))
        return tuple(states)


class Decoder(nn.Module):
    """Decode codes, each (B, L, 2D), from deep to shallow, into (B, L, 2D). Paper, section 3.2.

    The decoder starts from the deepest level's codes and asks each level in turn, the deepest included, for what
    it needs. It never sees a continuous state: whatever it says is said in prototypes.
    """

    def __init__(self, layers: int, width: int, heads: int, feedforward: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DecoderLayer(width, heads, feedforward, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def forward(self, codes: tuple[Tensor, ...], position: Tensor) -> Tensor:
        x = codes[0]
        for layer, level in zip(self.layers, codes, strict=True):
            x = layer(x, level, position)
        out: Tensor = self.norm(x)
        return out
