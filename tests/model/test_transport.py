"""Transport against POT's solvers, scikit-learn, slow loops and finite differences of POT's value."""

import math

import numpy as np
import ot
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import cosine_distances, euclidean_distances

from hvqlib.errors import InputError
from hvqlib.model.transport import balanced_plan, cost, plan, pool, released_score, transport_loss, transport_score


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


def shares(rows: int, columns: int) -> torch.Tensor:
    """Random positive rows that sum to 1 each."""
    return torch.rand(rows, columns).double().log().softmax(1)


def test_conditional_equals_a_loop_and_its_limits(moves):
    columns = shares(2, 11)
    plans = plan(moves, reg=0.7, columns=columns)
    for b, i in np.ndindex(2, 7):
        weight = columns[b] * (-moves[b, i] / 0.7).exp()
        np.testing.assert_allclose(plans[b, i], weight / weight.sum() / 7, rtol=1e-10)
    cold, hot = (transport_score(moves, plan(moves, reg=reg)) for reg in (1e-4, 1e6))
    torch.testing.assert_close(cold, moves.amin(2))
    torch.testing.assert_close(hot, moves.mean(2), rtol=1e-4, atol=0)


def test_conditional_equals_pots_semi_relaxed_plan_without_a_penalty_on_columns(moves):
    columns = shares(2, 11)
    for c, column, ours in zip(moves, columns, plan(moves, reg=0.7, columns=columns), strict=True):
        theirs = ot.solve(c, None, column, 0.7, unbalanced=(math.inf, 1e-9), tol=1e-12).plan
        np.testing.assert_allclose(ours, theirs, atol=1e-9)


def test_a_uniform_marginal_is_what_is_not_given(moves):
    columns = torch.full((2, 11), 1 / 11).double()
    for kind in ("conditional", "released"):
        torch.testing.assert_close(plan(moves, kind), plan(moves, kind, columns=columns))


def test_released_plan_equals_a_loop_and_ignores_temperature_and_columns(problem):
    dot = cost(*problem, "dot")
    plans = plan(dot, "released")
    for b, i in np.ndindex(2, 7):
        weight = [math.exp(float(problem[0][b, i] @ p) / 11) for p in problem[1][b]]
        np.testing.assert_allclose(plans[b, i], np.array(weight) / sum(weight) / 7, rtol=1e-12)
    assert torch.equal(plans, plan(dot, "released", reg=9.0, columns=shares(2, 11)))


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


def test_score_of_pots_partial_plan_is_a_mean_and_for_idle_tokens_the_cheapest_move(moves):
    row, column = torch.full((7,), 1 / 7).double(), torch.full((11,), 1 / 11).double()
    partial = torch.stack([ot.partial.partial_wasserstein(row, column, c, m=0.6) for c in moves])
    scores = transport_score(moves, partial)
    idle = partial.sum(2) == 0
    assert idle.any() and not idle.all()  # the dearest tokens stay
    for b, i in np.ndindex(2, 7):
        mean = moves[b, i].min() if idle[b, i] else np.average(moves[b, i], weights=partial[b, i])
        assert float(scores[b, i]) == pytest.approx(float(mean), rel=1e-10)


def test_a_prototype_that_is_never_used_gets_nothing(moves):
    usage = torch.tensor([0.5, 0.5] + 9 * [0.0]).double().expand(2, -1)
    plans = plan(moves, reg=0.5, columns=usage)
    assert plans.isfinite().all() and (plans[..., 2:] == 0).all()
    torch.testing.assert_close(plans.sum(2), torch.full((2, 7), 1 / 7).double())


@pytest.mark.parametrize("kind", ["conditional", "released"])
def test_softmax_plans_are_differentiable(problem, kind):
    def score(tokens: torch.Tensor) -> torch.Tensor:
        return transport_score(cost(tokens, problem[1]), plan(cost(tokens, problem[1]), kind, reg=1.0))

    assert torch.autograd.gradcheck(score, problem[0].clone().requires_grad_())


def test_refusals(moves):
    with pytest.raises(InputError, match='plan is \'magic\'; choose "conditional" or "released".'):
        plan(moves, "magic")
    for reg in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="must be above 0"):
            plan(moves, reg=reg)


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
        _, plans = balanced_plan(pooled, mass, prototypes, reg)
        torch.testing.assert_close(plans.sum(1), torch.full((2, 6), 1 / 6))
        assert (plans[0, 8:] == 0).all()  # the filling sends nothing


def test_balanced_plan_equals_pots_loop_in_units_of_the_distance_to_the_nearest():
    torch.manual_seed(0)
    _, pooled, mass = pool(torch.randn(3, 8, 4), torch.tensor([0, 1, 1]))
    prototypes = torch.randn(2, 6, 4)
    for costs, plans, tokens, codes, weight in zip(
        *balanced_plan(pooled, mass, prototypes, 5.0), pooled, prototypes, mass, strict=True
    ):
        sent = weight > 0
        squares = euclidean_distances(tokens[sent].double(), codes.double(), squared=True)
        squares /= squares.min(1).mean()
        np.testing.assert_allclose(costs[sent], squares, rtol=1e-4)
        theirs = ot.sinkhorn(weight[sent].double().numpy(), np.full(6, 1 / 6), squares, 5.0)
        np.testing.assert_allclose(plans[sent], theirs, atol=1e-5)


def test_transport_loss_is_the_mean_over_classes_and_pulls_tokens_in():
    torch.manual_seed(0)
    tokens, codebook = torch.randn(3, 8, 4, requires_grad=True), torch.randn(3, 6, 4)
    ids = torch.tensor([0, 2, 2])
    both = transport_loss(tokens, codebook, ids, 1.0)
    alone = [transport_loss(tokens[k], codebook, ids[k], 1.0) for k in (slice(0, 1), slice(1, 3))]
    torch.testing.assert_close(both, sum(alone) / 2)
    slope = torch.autograd.grad(both, tokens)[0]
    assert transport_loss(tokens - 0.01 * slope, codebook, ids, 1.0) < both


def test_transport_loss_and_its_gradient_equal_pots_value_and_its_finite_differences():
    torch.manual_seed(0)
    tokens, codebook = torch.randn(1, 8, 4), torch.randn(1, 6, 4)
    squares = euclidean_distances(tokens[0].double(), codebook[0].double(), squared=True)
    unit = squares.min(1).mean()  # a constant to the gradient

    def solved(moved: np.ndarray):
        return ot.solve(euclidean_distances(moved, codebook[0].double(), squared=True) / unit, reg=5.0, tol=1e-13)

    leaf = tokens.clone().requires_grad_()
    loss = transport_loss(leaf, codebook, torch.tensor([0]), 5.0)
    start = tokens[0].double().numpy()
    assert loss.item() == pytest.approx(float(solved(start).value_linear), rel=1e-4)
    gradient = torch.autograd.grad(loss, leaf)[0][0]
    for i, d in np.ndindex(8, 4):
        step = np.zeros((8, 4))
        step[i, d] = 1e-4
        slope = (solved(start + step).value - solved(start - step).value) / 2e-4
        assert float(gradient[i, d]) == pytest.approx(float(slope), rel=1e-3, abs=1e-5)


HARD = st.sampled_from([0.0, 1.0, -3.0, 1e-20, 1e5, -1e5, 6e4, 1e15, -1e30, 3e38])
KIND = st.sampled_from(["conditional", "released"])
DTYPE = st.sampled_from([torch.float32, torch.float16, torch.bfloat16])


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(HARD, min_size=6, max_size=6), st.lists(HARD, min_size=8, max_size=8), KIND, DTYPE, st.booleans())
def test_scores_are_finite_whatever_comes_in(tokens, prototypes, kind, dtype, dead):
    def tensor(values, rows):
        limit = torch.finfo(dtype).max
        return torch.tensor(values, dtype=torch.float64).clamp(-limit, limit).to(dtype).view(1, rows, 2)

    usage = torch.tensor([[0.5, 0.25, 0.25, 0.0]]) if dead else None
    for metric in ("sqeuclidean", "cosine"):
        moves = cost(tensor(tokens, 3), tensor(prototypes, 4), metric)
        plans = plan(moves, kind, reg=0.5, columns=usage)
        assert moves.isfinite().all() and plans.isfinite().all() and (plans >= 0).all()
        assert transport_score(moves, plans).isfinite().all()
    assert released_score(tensor(tokens, 3), tensor(prototypes, 4)).isfinite().all()


def test_the_loss_is_the_same_under_autocast():
    torch.manual_seed(0)
    tokens, codebook = torch.randn(2, 9, 4) * 0.02 + 5, torch.randn(1, 6, 4) * 0.02 + 5  # small costs, far from 0
    plain = transport_loss(tokens, codebook, torch.zeros(2, dtype=torch.long), 0.5)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(transport_loss(tokens, codebook, torch.zeros(2, dtype=torch.long), 0.5), plain)
