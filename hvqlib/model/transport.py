"""Move tokens onto prototypes: what that costs, plans of who goes where, the score, the loss.

Everything is batched: B problems at once, each from L tokens to the K prototypes of one class. A plan (B, L, K) says
how much of each token goes to each prototype. Its rows sum to 1 / L, so it sums to 1.
Sources: Lu et al. 2023, sections 3.3 and 3.4; Peyre and Cuturi, "Computational Optimal Transport", 2019.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from hvqlib.errors import InputError

HUGE = 1e15  # values beyond are clipped, so that their squares stay finite in float32


def cost(tokens: Tensor, prototypes: Tensor, kind: str = "sqeuclidean") -> Tensor:
    """Compute the cost (B, L, K) of moving each token (B, L, D) onto each prototype (B, K, D).

    Parameters
    ----------
    kind : "sqeuclidean", the squared distance, 0 or more; "cosine", 1 - cosine, in [0, 2] (1 from or to a zero
        vector); "dot", minus the inner product, which is what the release's plan looks at.

    Returns
    -------
    float32 (float64 from float64); finite for finite input; differentiable. Raises InputError for an unknown kind.
    """
    if tokens.dtype != torch.float64:
        tokens, prototypes = tokens.float(), prototypes.float()
    tokens, prototypes = tokens.clamp(-HUGE, HUGE), prototypes.clamp(-HUGE, HUGE)
    if kind == "cosine":
        cosine = F.normalize(tokens, dim=-1) @ F.normalize(prototypes, dim=-1).transpose(1, 2)
        return (1 - cosine).clamp(0, 2)
    dot = tokens @ prototypes.transpose(1, 2)
    if kind == "dot":
        return -dot
    if kind == "sqeuclidean":
        squares = tokens.square().sum(-1)[:, :, None] + prototypes.square().sum(-1)[:, None]
        return (squares - 2 * dot).clamp(min=0)
    raise InputError(f'cost is {kind!r}; choose "sqeuclidean", "cosine" or "dot".')


def plan(
    cost: Tensor,
    kind: str = "conditional",
    *,
    reg: float = 0.1,
    columns: Tensor | None = None,
) -> Tensor:
    """Compute a transport plan (B, L, K) for each of B cost matrices, every token by itself.

    Parameters
    ----------
    cost : (B, L, K), 0 or more (any sign for "released").
    kind : "conditional", the softmax over prototypes of log columns - cost / reg; "released", that of -cost / K, for
        a "dot" cost, which is almost uniform.
    reg : temperature of "conditional", above 0, in units of the cost: read it against the cost's scale.
    columns : (B, K), how much each prototype weighs in "conditional", summing to 1; uniform when not given.

    Returns
    -------
    (B, L, K), 0 or more, finite; each of its rows sums to 1 / L. Differentiable in the cost. Raises InputError for an
    unknown kind, or a temperature that is not above 0.
    """
    if kind not in ("conditional", "released"):
        raise InputError(f'plan is {kind!r}; choose "conditional" or "released".')
    if not reg > 0:
        raise InputError(f"reg ({reg}) must be above 0.")
    batch, tokens, codes = cost.shape
    if kind == "released":
        return torch.softmax(-cost / codes, -1) * (1 / tokens)
    b = cost.new_full((batch, codes), 1 / codes) if columns is None else columns.to(cost)
    return torch.softmax(b.log()[:, None] - cost / reg, -1) * (1 / tokens)


def transport_score(cost: Tensor, plan: Tensor) -> Tensor:
    """Compute the mean cost (B, L) of a unit of each token's mass, from costs and plans (B, L, K).

    Of a token that sends nothing it is the cost of the cheapest move. Higher is more anomalous. Source: Lu et al.
    2023, section 3.4.
    """
    sent = plan.sum(-1)  # (B, L)
    mean = (plan * cost).sum(-1) / sent.clamp(min=torch.finfo(plan.dtype).tiny)
    return torch.where(sent > 1e-6 / cost.shape[1], mean, cost.amin(-1))


def pool(tokens: Tensor, class_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gather the tokens (B, L, D) of images of classes (B,) into one problem of N tokens for each class.

    Returns
    -------
    The classes present (P,); their tokens (P, N, D), filled up with zeros; the mass of each token (P, N), equal within
    a class, 0 for the filling.
    """
    present, row, images = class_ids.unique(return_inverse=True, return_counts=True)
    length, most = tokens.shape[1], int(images.max())
    order = row.argsort(stable=True)
    first = images.cumsum(0) - images
    image_of_class = torch.arange(len(row), device=row.device) - first[row[order]]  # 0 for the first of its class
    slot = row[order] * most + image_of_class
    pooled = tokens.new_zeros(len(present) * most, *tokens.shape[1:]).index_copy(0, slot, tokens[order])
    mass = tokens.new_zeros(len(present) * most).index_copy(0, slot, 1 / (images[row[order]] * length).to(tokens))
    pooled = pooled.view(len(present), most * length, -1)
    return present, pooled, mass.view(len(present), most).repeat_interleave(length, 1)


def balanced_plan(tokens: Tensor, mass: Tensor, prototypes: Tensor, reg: float) -> tuple[Tensor, Tensor]:
    """Compute costs (P, N, K) and an entropic plan (P, N, K) in which every prototype receives the same mass.

    Training solves this often, so it runs in the plain domain, five times faster than in the log domain. No row and
    no column can underflow: a plan does not change when each row's, then each column's smallest cost is taken off.

    Parameters
    ----------
    tokens, mass : (P, N, D) and (P, N), as :func:`pool` gives them.
    prototypes : (P, K, D)
    reg : temperature, in units of the costs returned.

    Returns
    -------
    Costs in units of the mean distance from a token to its nearest prototype, differentiable; and the plan, a
    constant, whose columns are exact, and whose rows are roughly so after ten rounds.
    """
    import ot

    costs = cost(tokens, prototypes)
    shifted = costs.detach()
    nearest = shifted.amin(2)  # (P, N)
    unit = (nearest * mass).sum(1).clamp(min=1e-12)[:, None, None]
    shifted = (shifted - nearest[..., None]) / unit
    shifted = (shifted - shifted.masked_fill(mass[..., None] == 0, math.inf).amin(1, keepdim=True)).clamp(min=0)
    uniform = costs.new_full((len(costs), costs.shape[2]), 1 / costs.shape[2])
    solution = ot.solve_batch(shifted, reg, mass, uniform, max_iter=10, method="sinkhorn", grad="detach")
    return costs / unit, solution.plan


@torch.autocast("cpu", enabled=False)
@torch.autocast("cuda", enabled=False)
def transport_loss(tokens: Tensor, codebook: Tensor, class_ids: Tensor, reg: float) -> Tensor:
    """Compute the cost () of the balanced plan from a class's tokens to its prototypes, the mean over classes.

    The gradient moves the tokens; the plan is held fixed, which by the envelope theorem gives the gradient of the
    entropic transport value. `tokens` (B, L, D), `codebook` (classes, K, D), `class_ids` (B,); `reg`, the temperature,
    and the loss are in units of the quantisation error, so that their scale is the same at every level.
    Source: Lu et al. 2023, section 3.3.
    """
    present, pooled, mass = pool(tokens.float(), class_ids)
    costs, moved = balanced_plan(pooled, mass, codebook[present], reg)
    return (costs * moved).sum((1, 2)).mean()


def released_score(tokens: Tensor, prototypes: Tensor) -> Tensor:
    """Compute the expected cosine distance (B, L), in [0, 2], under the release's plan; kept for parity.

    `tokens` are (B, L, D), `prototypes` (B, K, D). The plan is a softmax over prototypes of (token . prototype) / K.
    Because of the division by K it is almost uniform, so the score is close to the mean cosine distance to all
    prototypes. Source: Lu et al. 2023, section 3.4, as released.
    """
    return transport_score(cost(tokens, prototypes, "cosine"), plan(cost(tokens, prototypes, "dot"), "released"))
