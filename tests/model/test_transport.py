"""Transport against POT's exact solver and its loops, scikit-learn, closed forms and finite differences."""

import warnings

import numpy as np
import ot
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from hvqlib.errors import InputError
from hvqlib.model.transport import (
    PLANS,
    TransportWarning,
    balanced_plan,
    cost,
    plan,
    pool,
    released_score,
    transport_loss,
    transport_score,
)

UNIFORM = (np.full(7, 1 / 7), np.full(11, 1 / 11))


@pytest.fixture
def problem() -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    return torch.randn(2, 7, 5).double(), torch.randn(2, 11, 5).double()


@pytest.fixture
def moves(problem) -> torch.Tensor:
    return cost(*problem)


def test_costs_equal_scikit_learns(problem):
    tokens, prototypes = problem
    for t, p, square, cosine, dot in zip(
        tokens, prototypes, cost(*problem), cost(*problem, "cosine"), cost(*problem, "dot"), strict=True
    ):
        np.testing.assert_allclose(square, euclidean_distances(t, p, squared=True), atol=1e-12)
        np.testing.assert_allclose(cosine, cosine_distances(t, p), atol=1e-12)
        np.testing.assert_allclose(dot, -t @ p.T, atol=1e-12)
    with pytest.raises(InputError, match="cost is 'taxi'"):
        cost(*problem, "taxi")


def test_conditional_equals_a_loop_and_its_limits(moves):
    columns = torch.rand(2, 11).double()
    columns /= columns.sum(1, keepdim=True)
    found = plan(moves, reg=0.7, columns=columns)
    for b, i in np.ndindex(2, 7):
        weight = columns[b] * (-moves[b, i] / 0.7).exp()
        np.testing.assert_allclose(found[b, i], weight / weight.sum() / 7, rtol=1e-10)
    cold, hot = (transport_score(moves, plan(moves, reg=reg)) for reg in (1e-4, 1e6))
    torch.testing.assert_close(cold, moves.amin(2))
    torch.testing.assert_close(hot, moves.mean(2), rtol=1e-4, atol=0)


def test_released_score_equals_a_loop(problem):
    tokens, prototypes = problem
    scores = released_score(tokens, prototypes).numpy()
    for b in range(2):
        distance = cosine_distances(tokens[b].numpy(), prototypes[b].numpy())
        for i in range(7):
            weight = np.exp([float(tokens[b, i] @ p) / 11 for p in prototypes[b]])
            np.testing.assert_allclose(scores[b, i], weight @ distance[i] / weight.sum(), rtol=1e-12)


def test_a_token_far_from_every_prototype_scores_higher():
    prototypes = torch.tensor([[[1.0, 0.0], [0.9, 0.1]]])
    near, far = released_score(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]), prototypes)[0]
    assert 0 <= near < 0.1 < 1.9 < far <= 2


def test_exact_plan_costs_what_pots_exact_value_says(moves):
    found = plan(moves, "emd")
    for c, p in zip(moves.numpy(), found.numpy(), strict=True):
        assert (p * c).sum() == pytest.approx(ot.emd2(*UNIFORM, c), rel=1e-10)
        np.testing.assert_allclose((p.sum(1), *[p.sum(0)][:0]), (UNIFORM[0],), atol=1e-12)


def test_entropic_plan_equals_pots_plain_loop_and_nears_the_exact_one(moves):
    for c, p in zip(moves.numpy(), plan(moves, "sinkhorn", reg=1.0, tol=1e-10).numpy(), strict=True):
        np.testing.assert_allclose(p, ot.sinkhorn(*UNIFORM, c, 1.0, stopThr=1e-13), atol=1e-9)
    cold = plan(moves, "sinkhorn", reg=0.02, iterations=20_000, tol=1e-6)
    exact = np.array([ot.emd2(*UNIFORM, c) for c in moves.numpy()])
    np.testing.assert_allclose((cold * moves).sum((1, 2)), exact, rtol=0.01)


@pytest.mark.parametrize("kind", ["semi_relaxed", "unbalanced"])
def test_relaxed_plans_equal_pots(moves, kind):
    relax = (np.inf, 0.8) if kind == "semi_relaxed" else 0.8
    found = plan(moves, kind, reg=0.5, relax=0.8, iterations=5000, tol=1e-12)
    for c, p in zip(moves.numpy(), found.numpy(), strict=True):
        expected = ot.unbalanced.sinkhorn_unbalanced(*UNIFORM, c, 0.5, relax, reg_type="kl", stopThr=1e-14)
        np.testing.assert_allclose(p, expected, atol=1e-7)
    if kind == "semi_relaxed":
        np.testing.assert_allclose(found.sum(2), 1 / 7, rtol=1e-10)
        assert (found.sum(1) - 1 / 11).abs().max() > 0.01  # some prototypes rightly receive little
    else:
        sent = found.sum(2)[0]
        assert sent.argmin() == moves[0].amin(1).argmax() and sent.max() < 1 / 7 * 1.5


def test_partial_plan_moves_the_mass_that_was_asked_at_pots_value(moves):
    found = plan(moves, "partial", mass=0.6)
    for c, p in zip(moves.numpy(), found.numpy(), strict=True):
        assert p.sum() == pytest.approx(0.6) and (p.sum(1) <= 1 / 7 + 1e-9).all()
        assert (p * c).sum() == pytest.approx(ot.partial.partial_wasserstein2(*UNIFORM, c, m=0.6), rel=1e-9)
    idle = found[0].sum(1) == 0
    assert idle.any()  # the dearest tokens stay, and are scored by their cheapest move
    torch.testing.assert_close(transport_score(moves, found)[0][idle], moves[0].amin(1)[idle])


def test_usage_as_column_marginal_starves_unused_codes(moves):
    usage = torch.tensor([0.5, 0.5] + 9 * [0.0]).double().expand(2, -1)
    for kind in ("conditional", "sinkhorn", "emd", "semi_relaxed", "unbalanced"):
        found = plan(moves, kind, reg=0.5, columns=usage)
        assert found.isfinite().all() and (found[..., 2:] == 0).all() and found.sum() > 0


def test_plan_held_fixed_gives_the_gradient_of_the_entropic_value(problem):
    tokens, prototypes = problem

    def value(t: torch.Tensor) -> float:  # <P, C> + reg sum P (log P - 1), by POT in float64
        c = cost(t[None], prototypes[:1])[0].numpy()
        p = ot.sinkhorn(*UNIFORM, c, 1.0, stopThr=1e-14, numItermax=100_000)
        return float((p * c).sum() + (p * (np.log(p) - 1)).sum())

    token = tokens[0].clone().requires_grad_()
    moves = cost(token[None], prototypes[:1])
    (moves * plan(moves, "sinkhorn", reg=1.0, tol=1e-12)).sum().backward()
    for i, d in ((0, 0), (3, 2), (6, 4)):
        step = torch.zeros_like(tokens[0])
        step[i, d] = 1e-4
        slope = (value(tokens[0] + step) - value(tokens[0] - step)) / 2e-4
        assert float(token.grad[i, d]) == pytest.approx(slope, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("kind", ["conditional", "released"])
def test_softmax_plans_are_differentiable(problem, kind):
    def score(tokens: torch.Tensor) -> torch.Tensor:
        return transport_score(cost(tokens, problem[1]), plan(cost(tokens, problem[1]), kind, reg=1.0))

    assert torch.autograd.gradcheck(score, problem[0].clone().requires_grad_())


def test_a_plan_that_has_not_converged_says_so(moves):
    for kind in ("sinkhorn", "unbalanced", "semi_relaxed"):
        with pytest.warns(TransportWarning, match="raise reg"):
            plan(moves, kind, reg=0.01, iterations=2, tol=1e-6)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in PLANS:
            plan(moves, kind, reg=1.0)


def test_refusals(moves):
    for wrong in ({"kind": "magic"}, {"reg": 0.0}, {"relax": -1.0}, {"mass": 1.5}, {"reg": float("nan")}):
        with pytest.raises(InputError):
            plan(moves, **wrong)


def test_pool_gathers_a_class_and_weighs_it_evenly():
    tokens, ids = torch.arange(24.0).view(4, 3, 2), torch.tensor([5, 2, 5, 5])
    present, pooled, mass = pool(tokens, ids)
    assert present.tolist() == [2, 5]
    assert torch.equal(pooled[1], torch.cat([tokens[0], tokens[2], tokens[3]]))
    assert torch.equal(pooled[0, :3], tokens[1]) and (pooled[0, 3:] == 0).all()
    torch.testing.assert_close(mass, torch.tensor([[1 / 3] * 3 + [0] * 6, [1 / 9] * 9]))


def test_balanced_plan_gives_every_prototype_the_same():
    torch.manual_seed(0)
    _, pooled, mass = pool(torch.randn(3, 8, 4), torch.tensor([0, 1, 1]))
    prototypes = torch.randn(2, 6, 4) * 100  # far away: the plain kernel alone would underflow to nothing
    for reg in (0.05, 0.5):
        moves, found = balanced_plan(pooled, mass, prototypes, reg)
        torch.testing.assert_close(found.sum(1), torch.full((2, 6), 1 / 6))
        assert (found[0, 8:] == 0).all()  # the filling sends nothing
    wanted = ot.sinkhorn(mass[1].double().numpy(), np.full(6, 1 / 6), moves[1].double().numpy(), 0.5, numItermax=10**5)
    moves, found = balanced_plan(pooled, mass, torch.randn(2, 6, 4), 5.0)
    wanted = ot.sinkhorn(mass[1].double().numpy(), np.full(6, 1 / 6), moves[1].double().numpy(), 5.0)
    np.testing.assert_allclose(found[1], wanted, atol=1e-4)


def test_transport_loss_is_the_mean_over_classes_and_pulls_tokens_in():
    torch.manual_seed(0)
    tokens, codebook = torch.randn(3, 8, 4, requires_grad=True), torch.randn(3, 6, 4)
    ids = torch.tensor([0, 2, 2])
    both = transport_loss(tokens, codebook, ids, 1.0)
    alone = [transport_loss(tokens[k], codebook, ids[k], 1.0) for k in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(both, sum(alone) / 2)
    slope = torch.autograd.grad(both, tokens)[0]
    assert transport_loss(tokens - 0.01 * slope, codebook, ids, 1.0) < both


HARD = st.sampled_from([0.0, 1.0, -3.0, 1e-20, 1e5, -1e5, 6e4, 1e15, -1e30, 3e38])
KIND = st.sampled_from(["released", "conditional", "sinkhorn", "semi_relaxed", "unbalanced"])
DTYPE = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HARD, min_size=6, max_size=6), st.lists(HARD, min_size=8, max_size=8), KIND, DTYPE, st.booleans())
def test_scores_are_finite_whatever_comes_in(tokens, prototypes, kind, dtype, dead):
    def tensor(values, rows):
        limit = torch.finfo(dtype).max
        return torch.tensor(values, dtype=torch.float64).clamp(-limit, limit).to(dtype).view(1, rows, 2)

    usage = torch.tensor([[0.5, 0.25, 0.25, 0.0]]) if dead else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", TransportWarning)  # it may fail to converge, but never silently to nan
        for metric in ("sqeuclidean", "cosine"):
            moves = cost(tensor(tokens, 3), tensor(prototypes, 4), metric)
            found = plan(moves, kind, reg=0.5, columns=usage, iterations=20)
            assert moves.isfinite().all() and found.isfinite().all() and (found >= 0).all()
            assert transport_score(moves, found).isfinite().all()
            assert released_score(tensor(tokens, 3), tensor(prototypes, 4)).isfinite().all()
