"""Sentences of notebook 06 that rest on a figure, where it can be computed again in seconds."""

import numpy as np
import ot
import torch

from hvqlib.model.transport import cost, transport_loss


def site():
    """Piles (5, 2), holes (4, 2), loads and room of notebook 06."""
    piles = torch.tensor([[3, 2], [6, 2], [1, 0], [4, 6], [0, 5]], dtype=torch.float64)
    holes = torch.tensor([[4, 0], [8, 6], [9, 0], [7, 4]], dtype=torch.float64)
    return piles, holes, torch.tensor([4.0, 1, 2, 3, 2]).double(), torch.tensor([4.0, 2, 3, 3]).double()


def test_the_plan_to_begin_with_is_the_greedy_one():
    piles, holes, supply, room = site()
    far, left, total = cost(piles[None], holes[None])[0], room.clone(), 0.0
    for i in range(5):
        rest = float(supply[i])
        for j in far[i].argsort().tolist():
            load = min(rest, float(left[j]))
            total, rest, left[j] = total + load * float(far[i, j]), rest - load, left[j] - load
    assert total == 434
    assert (ot.emd(supply, room, far) > 0).sum() == 7


def test_the_gradient_of_the_entropic_value_is_the_plan():
    """The envelope theorem, by differences of POT's value."""
    piles, holes, _, _ = site()
    far = cost(piles[None], holes[None])[0]
    plan = ot.solve(far, reg=10.0, max_iter=20_000, tol=1e-12).plan
    slopes = torch.zeros_like(far)
    for place in np.ndindex(*far.shape):
        step = torch.zeros_like(far)
        step[place] = 1e-3
        up, down = (ot.solve(far + s * step, reg=10.0, max_iter=20_000, tol=1e-12).value for s in (1, -1))
        slopes[place] = (up - down) / 2e-3
    assert torch.allclose(slopes, plan, atol=1e-6)


def test_the_transport_loss_holds_the_plan_fixed_per_class():
    """At a temperature where its ten rounds of Sinkhorn are enough."""
    rng = np.random.default_rng(0)
    tokens = torch.tensor(rng.normal(size=(3, 20, 2))).float().requires_grad_()
    books, classes = torch.tensor(rng.normal(size=(2, 8, 2))).float(), torch.tensor([1, 0, 1])
    losses = []
    for c in classes.unique():
        pooled = tokens[classes == c].flatten(0, 1)
        unit = cost(pooled[None], books[c][None]).amin(2).mean().detach()
        far = cost(pooled[None], books[c][None])[0] / unit
        losses.append((ot.solve(far.detach().double(), reg=5.0, max_iter=20_000).plan.to(far) * far).sum())
    ours, theirs = torch.stack(losses).mean(), transport_loss(tokens, books, classes, 5.0)
    assert torch.allclose(ours, theirs, rtol=1e-3)
    slopes = [torch.autograd.grad(loss, tokens)[0] for loss in (ours, theirs)]
    assert torch.allclose(*slopes, atol=1e-5)
