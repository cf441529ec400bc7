"""Snap tokens to prototypes: nearest code, moving-average update, k-means start, revival; the hierarchy of five."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from hvqlib import processes
from hvqlib.model.transport import balanced_plan, pool


def kmeans(points: Tensor, k: int, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Cluster points (N, D) by Lloyd's k-means from random ones: centres (k, D), and how many points each has (k,).

    A centre that loses all its points is put on a random point. With fewer points than centres some centres
    coincide; that is harmless, since only one of them is ever the nearest.
    """
    draw = torch.randperm(len(points), device=points.device)
    centres = points[draw.repeat(-(-k // len(points)))[:k]].clone()
    for _ in range(iterations):
        ids = nearest(points[None], centres[None])[0]
        counts = torch.bincount(ids, minlength=k).to(points.dtype)
        sums = torch.zeros_like(centres).index_add_(0, ids, points)
        lost = points[torch.randint(len(points), (k,), device=points.device)]
        centres = torch.where(counts[:, None] > 0, sums / counts.clamp(min=1)[:, None], lost)
    return centres, torch.bincount(nearest(points[None], centres[None])[0], minlength=k).to(points.dtype)


def nearest(tokens: Tensor, prototypes: Tensor) -> Tensor:
    """Find the prototype (B, K, D) nearest to each token (B, L, D): its index (B, L), by Euclidean distance."""
    # |t - e|^2 = |t|^2 - 2 t.e + |e|^2, and |t|^2 is the same for every prototype.
    half = prototypes.square().sum(-1)[:, None] / 2  # (B, 1, K)
    return torch.baddbmm(half, tokens, prototypes.transpose(1, 2), alpha=-1).argmin(-1)


class VectorQuantizer(nn.Module):
    """Replace each token by the nearest prototype of its image's class, from one codebook a class.

    Buffers: `codebook` (classes, K, D); `cluster_size` (classes, K) and `cluster_sum` (classes, K, D), the moving
    averages of how many tokens chose a code and of their sum; `error` (classes,), that of the squared distance from
    a token to its code; `usage` (classes, K), choices since :meth:`report`. With `rule` "balanced" the averages are not
    of choices but of a Sinkhorn plan in which every code receives as much as any other; with "gradient" the codebook is
    a parameter, which only the gradient of the transport loss moves.
    Sources: van den Oord et al. 2017, appendix A.1 (moving averages); Lu et al. 2023, section 3.2 (switching).
    """

    codebook: Tensor
    cluster_size: Tensor
    cluster_sum: Tensor
    error: Tensor
    usage: Tensor

    def __init__(
        self,
        classes: int,
        codes: int,
        width: int,
        decay: float = 0.99,
        revive: bool = True,
        rule: Literal["nearest", "balanced", "gradient"] = "nearest",
        eps: float = 1e-5,
    ) -> None:
        super().__init__()
        self.decay, self.revive, self.rule, self.eps = decay, revive, rule, eps
        codebook = torch.randn(classes, codes, width)
        if rule == "gradient":
            self.codebook = nn.Parameter(codebook)
        else:
            self.register_buffer("codebook", codebook)
        # As released: counts start at 0, so the first update throws unused codes far away. start() mends it.
        self.register_buffer("cluster_size", torch.zeros(classes, codes))
        self.register_buffer("cluster_sum", codebook.clone())
        self.register_buffer("error", torch.ones(classes))
        self.register_buffer("usage", torch.zeros(classes, codes))

    @torch.autocast("cpu", enabled=False)
    @torch.autocast("cuda", enabled=False)
    def forward(self, tokens: Tensor, class_ids: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Quantise tokens (B, L, D) of classes (B,) into codes (B, L, D), code ids (B, L) and commitment loss ().

        The gradient passes the quantiser straight through: d codes / d tokens = 1.
        """
        tokens = tokens.float()
        with torch.no_grad():
            ids = nearest(tokens, self.codebook[class_ids])
            codes = self.lookup(ids, class_ids)
            if self.training:
                self.update(tokens, ids, class_ids)
        commitment = (codes - tokens).square().mean()
        return tokens + (codes - tokens).detach(), ids, commitment

    def lookup(self, ids: Tensor, class_ids: Tensor) -> Tensor:
        """Look up the prototypes (B, L, D) behind code ids (B, L)."""
        return self.codebook[class_ids[:, None], ids]

    @torch.no_grad()
    def update(self, tokens: Tensor, ids: Tensor, class_ids: Tensor) -> None:
        """Make one moving-average step for the classes in this batch, in all processes; the others stay as they are."""
        images = processes.sum_over(class_ids.bincount(minlength=len(self.codebook)))  # (classes,)
        present = images.nonzero()[:, 0]  # (P,)
        row = torch.searchsorted(present, class_ids)  # (B,)
        k, width = self.codebook.shape[1:]
        flat = (row[:, None] * k + ids).flatten()  # (B L,) row of (P K)
        counts = processes.sum_over(torch.bincount(flat, minlength=len(present) * k).view(-1, k).float())
        self.usage[present] += counts
        error = (tokens - self.lookup(ids, class_ids)).square().sum(-1).mean(1)  # (B,)
        error = processes.sum_over(torch.zeros_like(self.error[present]).index_add_(0, row, error)) / images[present]
        self.error[present] = self.error[present].lerp(error, 1 - self.decay)
        if self.rule == "balanced":
            _, pooled, mass = pool(tokens, class_ids)
            _, moved = balanced_plan(pooled, mass, self.codebook[present], reg=0.5)  # (P, N, K)
            moved = moved * counts.sum(1)[:, None, None]  # in tokens
            counts, sums = moved.sum(1), moved.transpose(1, 2) @ pooled
        else:
            sums = processes.sum_over(
                tokens.new_zeros(len(present) * k, width).index_add_(0, flat, tokens.flatten(0, 1))
            )
        size = self.cluster_size[present].lerp(counts, 1 - self.decay)  # (P, K)
        summed = self.cluster_sum[present].lerp(sums.view(-1, k, width), 1 - self.decay)  # (P, K, D)
        n = size.sum(1, keepdim=True)
        smoothed = (size + self.eps) / (n + k * self.eps) * n  # no division by zero, same sum
        self.cluster_size[present] = size
        self.cluster_sum[present] = summed
        if self.rule != "gradient":
            self.codebook[present] = summed / smoothed[..., None]
        if self.revive:
            self.revive_codes(tokens, ids, class_ids, present)

    def revive_codes(self, tokens: Tensor, ids: Tensor, class_ids: Tensor, present: Tensor) -> None:
        """Move codes with under a tenth of their class's mean count onto badly quantised tokens of that class."""
        mean = self.cluster_size.mean(1)  # (classes,)
        rows, code = (self.cluster_size[present] < 0.1 * mean[present, None]).nonzero(as_tuple=True)
        if not len(rows):
            return
        dead = present[rows]  # (n,) class of each dead code
        error = (tokens - self.lookup(ids, class_ids)).square().sum(-1) + 1e-12  # (B, L)
        (error, begin), (class_ids, _) = processes.gather_rows(error), processes.gather_rows(class_ids)
        if not error.isfinite().all():
            return  # the loss is not finite either, and ends the training
        image = processes.from_first(torch.multinomial((dead[:, None] == class_ids) * error.mean(1), 1)[:, 0])
        token = processes.from_first(torch.multinomial(error[image], 1)[:, 0])
        mine = (image >= begin) & (image < begin + len(tokens))  # in this process's part of the batch
        chosen = tokens.new_zeros(len(dead), tokens.shape[-1])
        chosen[mine] = tokens[image[mine] - begin, token[mine]]
        processes.sum_over(chosen)
        self.codebook[dead, code] = chosen
        self.cluster_size[dead, code] = mean[dead]
        self.cluster_sum[dead, code] = chosen * mean[dead, None]

    @torch.no_grad()
    def start(self, tokens: Tensor, class_id: int) -> None:
        """Put one class's codebook on the k-means centres of its `tokens` (N, D)."""
        centres, counts = kmeans(tokens.float(), self.codebook.shape[1])
        self.error[class_id] = torch.cdist(tokens.float(), centres).amin(1).square().mean()
        # At least a small count each, so that the sum and the centre agree for a code no token chose.
        counts = counts.clamp(min=0.1) / counts.mean()
        self.codebook[class_id] = centres
        self.cluster_size[class_id] = counts
        self.cluster_sum[class_id] = centres * counts[:, None]

    @torch.no_grad()
    def report(self) -> tuple[float, float]:
        """Report share of codes used and perplexity (1 to K) since the last call, means over the classes seen."""
        seen = self.usage[self.usage.sum(1) > 0]
        self.usage.zero_()
        if not len(seen):
            return 0.0, 0.0
        share = seen / seen.sum(1, keepdim=True)
        perplexity = torch.exp(-torch.xlogy(share, share).sum(1))
        return float((seen > 0).float().mean()), float(perplexity.mean())


class HierarchicalQuantizer(nn.Module):
    """Quantise states by five codebooks (for four layers): h_4, then each [h_l ; top code]. Paper, section 3.2.

    With `residual`, a variant of our own, a level quantises what the codes above it leave of its state, which needs
    half the width: e_4 = q(h_4), e_l = e_{l+1} + q(h_l - e_{l+1}), z_l = [e_l ; e_4]. With `levels` 0, the ablation
    without hierarchy, the top code speaks for every level: z_l = [top ; top].
    """

    def __init__(
        self,
        levels: int,
        classes: int,
        codes: int,
        width: int,
        decay: float,
        revive: bool,
        rule: Literal["nearest", "balanced", "gradient"] = "nearest",
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.residual = residual
        rest = (decay, revive, rule)
        self.top = VectorQuantizer(classes, codes, width, *rest)
        # From deep to shallow, the order in which the decoder asks: levels N-1, ..., 0.
        each = width if residual else 2 * width
        self.levels = nn.ModuleList(VectorQuantizer(classes, codes, each, *rest) for _ in range(levels))

    @property
    def quantizers(self) -> list[VectorQuantizer]:
        """Top, then deep to shallow."""
        return [self.top, *self.levels]

    def forward(
        self, states: tuple[Tensor, ...], class_ids: Tensor
    ) -> tuple[tuple[Tensor, ...], Tensor, Tensor, tuple[Tensor, ...]]:
        """Quantise h_0..h_N, each (B, L, D): codes z_{N-1}..z_0, each (B, L, 2D); code ids (B, N+1, L), top
        first; the commitment loss (), summed over levels; and what was quantised, top first: h_N (B, L, D), then
        [h_l ; top code] (B, L, 2D), or, with `residual`, what is left of h_l (B, L, D).
        """
        top, ids, commitment = self.top(states[-1], class_ids)
        if not len(self.levels):
            return (torch.cat([top, top], dim=-1),) * (len(states) - 1), ids[:, None], commitment, (states[-1],)
        codes, all_ids, tokens, above = [], [ids], [states[-1]], top
        for quantizer, state in zip(self.levels, reversed(states[:-1]), strict=True):
            tokens.append(state.float() - above if self.residual else torch.cat([state.float(), top], dim=-1))
            code, ids, loss = quantizer(tokens[-1], class_ids)
            if self.residual:
                above = above + code  # (B, L, D)
                code = torch.cat([above, top], dim=-1)
            codes.append(code)
            all_ids.append(ids)
            commitment = commitment + loss
        return tuple(codes), torch.stack(all_ids, 1), commitment, tuple(tokens)

    @torch.no_grad()
    def start(self, states: tuple[Tensor, ...], class_id: int) -> None:
        """Start every level of one class by k-means, from the states of its training images."""
        self.top.start(states[-1].flatten(0, 1), class_id)
        ids = torch.full((len(states[0]),), class_id, device=states[0].device)
        top = above = self.top.lookup(nearest(states[-1].float(), self.top.codebook[ids]), ids)
        for quantizer, state in zip(self.levels, reversed(states[:-1]), strict=False):  # there may be no levels
            tokens = state.float() - above if self.residual else torch.cat([state.float(), top], dim=-1)
            quantizer.start(tokens.flatten(0, 1), class_id)  # type: ignore[operator]
            if self.residual:
                above = above + quantizer.lookup(nearest(tokens, quantizer.codebook[ids]), ids)  # type: ignore
