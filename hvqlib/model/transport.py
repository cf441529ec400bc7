"""Prototype-oriented transport: what it costs to move tokens onto prototypes, plans that do it, the score, the loss.

Everything is batched: B problems at once, each from L tokens to the K prototypes of one class. Plans have row
marginals 1 / L unless `rows` says otherwise, and sum to 1 (less for "unbalanced" and "partial"). POT solves the exact,
partial and balanced entropic problems; the two relaxed ones are written here, since POT has them neither batched nor
in the log domain, and the plain domain underflows in float32. Source: Lu et al. 2023, sections 3.3 and 3.4; Peyre and
Cuturi, "Computational Optimal Transport", 2019; Chizat et al., "Scaling algorithms for unbalanced transport", 2018.
"""

from __future__ import annotations

import math
import warnings

import torch
from torch import Tensor
from torch.nn import functional as F

from hvqlib.errors import InputError

PLANS = ("released", "conditional", "sinkhorn", "emd", "semi_relaxed", "unbalanced", "partial")


HUGE = 1e15  # values beyond are clipped, so that their squares stay finite in float32


class TransportWarning(UserWarning):
    """A plan that was returned before its marginals were as close as asked."""


def cost(tokens: Tensor, prototypes: Tensor, kind: str = "sqeuclidean") -> Tensor:
    """Cost of moving each token onto each prototype.

    Parameters
    ----------
    tokens : (B, L, D)
    prototypes : (B, K, D)
    kind : "sqeuclidean", the squared distance, 0 or more; "cosine", 1 - cosine, in [0, 2] (1 from or to a zero
        vector); "dot", minus the inner product, which is what the release's plan looks at.

    Returns
    -------
    (B, L, K), float32 (float64 from float64); finite for finite input. Differentiable in both.
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
    rows: Tensor | None = None,
    columns: Tensor | None = None,
    relax: float = 1.0,
    mass: float = 0.9,
    iterations: int = 1000,
    tol: float = 1e-3,
) -> Tensor:
    """A transport plan for each of B cost matrices.

    Parameters
    ----------
    cost : (B, L, K), 0 or more (any sign for "released").
    kind :
        "released": softmax over prototypes of -cost / K, for a "dot" cost; almost uniform.
        "conditional": every token sends its mass by itself: the softmax of log columns - cost / reg.
        "sinkhorn": entropic, both marginals kept; `ot.solve_batch`.
        "emd": exact, both marginals kept; `ot.emd`, one problem after another.
        "semi_relaxed": entropic, rows kept, columns only drawn towards `columns` with strength `relax`.
        "unbalanced": entropic, both sides drawn with strength `relax`; expensive tokens send less.
        "partial": exact, the cheapest plan that moves `mass` of the whole; `ot.partial`, one after another.
    reg : temperature above 0, in units of the cost: read it against the cost's scale.
    rows, columns : (B, L) and (B, K), summing to 1 each; uniform when not given. A codebook's usage makes a good
        `columns`: rare prototypes then receive little.
    relax : Kullback-Leibler penalty on a relaxed marginal, in units of the cost; above 0.
    mass : share that "partial" moves, in (0, 1].
    iterations, tol : of the entropic kinds: stop when no row's mass (relaxed: no log-scaling) is off by `tol` of
        itself. Where that is not reached a TransportWarning says so; never silently.

    Returns
    -------
    (B, L, K), 0 or more, finite. "released" and "conditional" are differentiable. The others are constants: by the
    envelope theorem (plan * cost).sum() then has the gradient of the optimal (regularised) value.

    Raises
    ------
    InputError : an unknown kind, or a parameter out of its range.
    """
    if kind not in PLANS:
        raise InputError(f"plan is {kind!r}; choose one of {', '.join(PLANS)}.")
    if not (reg > 0 and relax > 0 and 0 < mass <= 1):
        raise InputError(f"reg ({reg}) and relax ({relax}) must be above 0, mass ({mass}) in (0, 1].")
    batch, tokens, codes = cost.shape
    a = cost.new_full((batch, tokens), 1 / tokens) if rows is None else rows.to(cost)
    if kind == "released":
        return a[..., None] * torch.softmax(-cost / codes, -1)
    b = cost.new_full((batch, codes), 1 / codes) if columns is None else columns.to(cost)
    if kind == "conditional":
        return a[..., None] * torch.softmax(b.log()[:, None] - cost / reg, -1)
    with torch.no_grad():
        if kind == "emd":
            return _one_by_one("emd", cost, a, b)
        if kind == "partial":
            return _one_by_one("partial", cost, a, b, mass)
        if kind == "sinkhorn":
            return _sinkhorn(cost, reg, a, b, iterations, tol)
        return _relaxed(cost, reg, a, b, math.inf if kind == "semi_relaxed" else relax, relax, iterations, tol)


def _one_by_one(kind: str, cost: Tensor, a: Tensor, b: Tensor, mass: float = 1.0) -> Tensor:
    """POT's exact network simplex, in float64 as it needs, on the CPU."""
    import ot

    plans = []
    for c, row, column in zip(*(x.double().cpu().numpy() for x in (cost, a, b)), strict=True):
        row, column = row / row.sum(), column / column.sum()  # the sums must agree to float64
        if kind == "emd":
            plans.append(ot.emd(row, column, c, numItermax=1_000_000))
        else:
            plans.append(ot.partial.partial_wasserstein(row, column, c, m=mass, numItermax=1_000_000))
    return torch.stack([torch.as_tensor(p) for p in plans]).to(cost)


def _sinkhorn(cost: Tensor, reg: float, a: Tensor, b: Tensor, iterations: int, tol: float) -> Tensor:
    import ot

    # POT stops on the norm of a problem's row errors; tol is for each row, relative.
    found = ot.solve_batch(
        cost, reg, a, b, max_iter=iterations, tol=tol * float(a.amax()), method="log_sinkhorn", grad="detach"
    ).plan
    off = (found.sum(2) - a).abs().amax() / a.amax()
    _warn(float(off), tol, iterations, reg)
    return found


def _relaxed(
    cost: Tensor, reg: float, a: Tensor, b: Tensor, relax_rows: float, relax_columns: float, iterations: int, tol: float
) -> Tensor:
    """Chizat's scaling in the log domain: plan = a b exp(f + g - cost / reg); a marginal with penalty r has its
    potential damped by r / (r + reg), and infinite r keeps it exactly."""
    damp_rows = 1.0 if math.isinf(relax_rows) else relax_rows / (relax_rows + reg)
    damp_columns = relax_columns / (relax_columns + reg)
    kernel, log_a, log_b = -cost / reg, a.log()[:, :, None], b.log()[:, None]
    f, g = torch.zeros_like(a), torch.zeros_like(b)
    change = math.inf
    for step in range(iterations):
        before = g
        f = -damp_rows * torch.logsumexp(kernel + (log_b + g[:, None]), 2)
        g = -damp_columns * torch.logsumexp(kernel + (log_a + f[:, :, None]), 1)
        if step % 10 == 9 or step == iterations - 1:
            change = float((g - before).abs().amax())
            if change < tol:
                break
    if math.isinf(relax_rows):
        f = -torch.logsumexp(kernel + (log_b + g[:, None]), 2)  # rows are promised exactly
    _warn(change, tol, iterations, reg)
    return (kernel + (log_a + f[:, :, None]) + (log_b + g[:, None])).exp()


def _warn(off: float, tol: float, iterations: int, reg: float) -> None:
    if not off <= tol:
        warnings.warn(
            f"The plan is off by {off:.1g} (asked: {tol:g}) after {iterations} iterations: raise reg ({reg:g}) or"
            " iterations.",
            TransportWarning,
            stacklevel=4,
        )


def transport_score(cost: Tensor, plan: Tensor) -> Tensor:
    """Mean cost (B, L) of a unit of each token's mass; of a token that sends none, the cost of its cheapest move.

    `cost` and `plan` are (B, L, K). Higher is more anomalous. Source: Lu et al. 2023, section 3.4.
    """
    sent = plan.sum(-1)  # (B, L)
    mean = (plan * cost).sum(-1) / sent.clamp(min=torch.finfo(plan.dtype).tiny)
    return torch.where(sent > 1e-6 / cost.shape[1], mean, cost.amin(-1))


def pool(tokens: Tensor, class_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """All tokens of a class as one problem. `tokens` (B, L, D), `class_ids` (B,) -> the P classes present (P,), their
    tokens (P, N, D), filled up with zeros, and the mass of each (P, N): equal within a class, 0 for the filling.
    """
    present, row, images = class_ids.unique(return_inverse=True, return_counts=True)
    length, most = tokens.shape[1], int(images.max())
    order = row.argsort(stable=True)
    first = images.cumsum(0) - images
    place = torch.arange(len(row), device=row.device) - first[row[order]]  # which image of its class
    slot = row[order] * most + place
    pooled = tokens.new_zeros(len(present) * most, *tokens.shape[1:]).index_copy(0, slot, tokens[order])
    mass = tokens.new_zeros(len(present) * most).index_copy(0, slot, 1 / (images[row[order]] * length).to(tokens))
    pooled = pooled.view(len(present), most * length, -1)
    return present, pooled, mass.view(len(present), most).repeat_interleave(length, 1)


def balanced_plan(tokens: Tensor, mass: Tensor, prototypes: Tensor, reg: float) -> tuple[Tensor, Tensor]:
    """Cost (P, N, K) of pooled tokens, in units of their mean distance to the nearest prototype, and an entropic plan
    that gives every prototype the same mass: columns exactly, rows after ten rounds roughly. `reg` in the same unit.

    Training solves this often, so it runs in the plain domain, five times faster than in the log domain. No row and
    no column can underflow: a plan does not change when each row's, then each column's smallest cost is taken off.
    """
    import ot

    far = cost(tokens, prototypes)
    shifted = far.detach()
    near = shifted.amin(2)  # (P, N)
    unit = (near * mass).sum(1).clamp(min=1e-12)[:, None, None]
    shifted = (shifted - near[..., None]) / unit
    shifted = (shifted - shifted.masked_fill(mass[..., None] == 0, math.inf).amin(1, keepdim=True)).clamp(min=0)
    uniform = far.new_full((len(far), far.shape[2]), 1 / far.shape[2])
    found = ot.solve_batch(shifted, reg, mass, uniform, max_iter=10, method="sinkhorn", grad="detach")
    return far / unit, found.plan


def transport_loss(tokens: Tensor, codebook: Tensor, class_ids: Tensor, reg: float) -> Tensor:
    """Mean over classes of the cost of the balanced entropic plan from a class's tokens to its prototypes.

    `tokens` (B, L, D), `codebook` (classes, K, D), `class_ids` (B,) -> (); in units of the quantisation error, so that
    its scale is the same at every level. The gradient moves the tokens; the plan is held fixed, which by the envelope
    theorem gives the gradient of the entropic transport value. Source: Lu et al. 2023, section 3.3.
    """
    present, pooled, mass = pool(tokens.float(), class_ids)
    far, moved = balanced_plan(pooled, mass, codebook[present], reg)
    return (far * moved).sum((1, 2)).mean()


def released_score(tokens: Tensor, prototypes: Tensor) -> Tensor:
    """Expected cosine distance (B, L), in [0, 2], under the release's plan; kept for parity.

    The plan is a softmax over prototypes of (token . prototype) / K. Because of the division by K it is almost
    uniform, so the score is close to the mean cosine distance to all prototypes. `tokens` (B, L, D), `prototypes`
    (B, K, D). Source: Lu et al. 2023, section 3.4, as released.
    """
    return transport_score(cost(tokens, prototypes, "cosine"), plan(cost(tokens, prototypes, "dot"), "released"))
