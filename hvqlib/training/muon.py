"""Optimise matrices by Muon: steps along the nearest orthogonal matrix of the averaged gradient."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import torch
from torch import Tensor


class Muon(torch.optim.Optimizer):
    """Optimise matrices (out, in) by momentum whose singular values are all brought near 1; others are for AdamW.

    The same steps as ``torch.optim.Muon(..., adjust_lr_fn="match_rms_adamw")``, which orthogonalises in bfloat16, one
    matrix after another: on a processor without bfloat16 arithmetic that takes longer than the rest of the step. Here
    matrices of equal shape go together, in float32.
    Sources: Jordan et al., "Muon: an optimizer for hidden layers in neural networks", 2024 (iteration, momentum);
    Liu et al., "Muon is scalable for LLM training", 2025 (learning rates that suit AdamW's).
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, weight_decay: float, momentum: float = 0.95) -> None:
        super().__init__(parameters, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Make one step from the gradients at hand; matrices without one stay as they are."""
        for group in self.param_groups:
            by_shape = defaultdict(list)
            for weight in group["params"]:
                if weight.grad is not None:
                    by_shape[tuple(weight.shape)].append(weight)
            for (rows, columns), weights in by_shape.items():
                gradients, averages = [weight.grad for weight in weights], []
                for weight in weights:
                    average = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
                    averages.append(average)
                torch._foreach_lerp_(averages, gradients, 1 - group["momentum"])
                ahead = torch._foreach_lerp(gradients, averages, group["momentum"])  # Nesterov's
                directions = orthogonalize(torch.stack(list(ahead)))
                torch._foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
                rate = 0.2 * max(rows, columns) ** 0.5 * group["lr"]  # entries as large as AdamW's steps
                torch._foreach_add_(weights, list(directions.unbind()), alpha=-rate)


def orthogonalize(matrices: Tensor, steps: int = 5) -> Tensor:
    """Bring the singular values of matrices (M, rows, columns) to between about 0.7 and 1.2, keeping the vectors.

    Newton and Schulz's iteration with the coefficients of Jordan et al. 2024: odd polynomials of the matrix, of degree
    five, that rise steeply at 0.
    """
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.transpose(1, 2)
    x = x / torch.linalg.matrix_norm(x, keepdim=True).clamp(min=1e-7)
    for _ in range(steps):
        square = x @ x.transpose(1, 2)
        x = 3.4445 * x + torch.baddbmm(square, square, square, beta=-4.7750, alpha=2.0315) @ x
    return x if wide else x.transpose(1, 2)
