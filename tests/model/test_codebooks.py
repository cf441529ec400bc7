"""Against slow loops over tokens, scikit-learn's k-means and the published update rule, by hand."""

import math

import numpy as np
import torch
from sklearn.cluster import KMeans
from torch import Tensor

from hvqlib.model.codebooks import HierarchicalQuantizer, VectorQuantizer, kmeans, nearest
from hvqlib.model.transport import balanced_plan, transport_loss


def loop_update(codebook: Tensor, size: Tensor, total: Tensor, tokens: Tensor, decay: float) -> tuple[Tensor, ...]:
    """van den Oord et al. 2017, appendix A.1, one token at a time, in float64."""
    codebook, size, total = codebook.double(), size.double(), total.double()
    counts, sums = torch.zeros_like(size), torch.zeros_like(total)
    for token in tokens.double():
        k = int(torch.stack([(token - code).square().sum() for code in codebook]).argmin())
        counts[k] += 1
        sums[k] += token
    size, total = decay * size + (1 - decay) * counts, decay * total + (1 - decay) * sums
    n, k, eps = size.sum(), len(size), 1e-5
    return total / ((size + eps) / (n + k * eps) * n)[:, None], size, total


def test_nearest_equals_cdist():
    torch.manual_seed(0)
    tokens, prototypes = torch.randn(3, 50, 7).double(), torch.randn(3, 11, 7).double()
    assert torch.equal(nearest(tokens, prototypes), torch.cdist(tokens, prototypes).argmin(-1))


def test_mixed_batch_equals_one_image_at_a_time():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(4, 8, 5).eval()
    tokens, class_ids = torch.randn(6, 20, 5), torch.tensor([3, 0, 3, 1, 2, 0])
    codes, ids, commitment = quantizer(tokens, class_ids)
    losses = []
    for token_map, c, code, index in zip(tokens, class_ids, codes, ids, strict=True):
        for t, z, k in zip(token_map, code, index, strict=True):
            distances = (quantizer.codebook[c] - t).square().sum(1)
            assert k == distances.argmin()
            torch.testing.assert_close(z, quantizer.codebook[c, k])
            losses.append(distances.min() / 5)
    torch.testing.assert_close(commitment, torch.stack(losses).mean())


def test_update_equals_the_rule_and_leaves_absent_classes_alone():
    torch.manual_seed(1)
    quantizer = VectorQuantizer(3, 6, 4, decay=0.9, revive=False)
    quantizer.cluster_size.uniform_(0.5, 2)
    quantizer.cluster_sum.copy_(quantizer.codebook * quantizer.cluster_size[..., None])
    before = [b.clone() for b in (quantizer.codebook, quantizer.cluster_size, quantizer.cluster_sum)]
    tokens, class_ids = torch.randn(3, 30, 4), torch.tensor([2, 0, 2])
    quantizer.train()(tokens, class_ids)
    after = (quantizer.codebook, quantizer.cluster_size, quantizer.cluster_sum)
    for c in range(3):
        mine = tokens[class_ids == c].flatten(0, 1)
        expected = loop_update(*(b[c] for b in before), mine, 0.9) if len(mine) else [b[c] for b in before]
        for ours, theirs in zip(after, expected, strict=True):
            torch.testing.assert_close(ours[c].double(), theirs.double(), atol=1e-5, rtol=1e-5)


def test_gradient_passes_straight_through_and_commitment_pulls_to_the_code():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(1, 8, 4).eval()
    tokens, ids = torch.randn(1, 10, 4, requires_grad=True), torch.zeros(1, dtype=torch.long)
    codes, _, commitment = quantizer(tokens, ids)
    push = torch.randn_like(codes)
    (codes * push).sum().backward()
    torch.testing.assert_close(tokens.grad, push)
    tokens.grad = None
    quantizer(tokens, ids)[2].backward()
    torch.testing.assert_close(tokens.grad, 2 * (tokens - codes).detach() / tokens.numel())
    assert float(commitment.detach()) > 0


def test_released_start_throws_unused_codes_away_and_ours_does_not():
    torch.manual_seed(0)
    tokens, ids = torch.randn(1, 64, 4), torch.zeros(1, dtype=torch.long)
    released = VectorQuantizer(1, 64, 4, revive=False)
    released.codebook[0, 0], released.cluster_sum[0, 0] = 50, 50  # nobody will choose it
    released.train()(tokens, ids)
    assert released.codebook.abs().max() > 1e4
    ours = VectorQuantizer(1, 64, 4)
    ours.start(tokens[0], 0)
    ours.train()(tokens, ids)
    assert ours.codebook.abs().max() < 10


def test_kmeans_is_about_as_good_as_scikit_learns():
    torch.manual_seed(0)
    points = torch.randn(20, 6)[torch.randint(20, (2000,))] + 0.2 * torch.randn(2000, 6)
    centres, counts = kmeans(points, 40, iterations=25)
    inertia = float(torch.cdist(points, centres).amin(1).square().sum())
    reference = KMeans(40, n_init=1, init="random", random_state=0, max_iter=25).fit(points.numpy()).inertia_
    assert inertia < 1.3 * reference
    assert counts.sum() == 2000


def test_kmeans_with_fewer_points_than_centres_is_finite_and_exact():
    points = torch.randn(5, 3)
    centres, _ = kmeans(points, 16)
    assert centres.isfinite().all()
    assert torch.cdist(points, centres).amin(1).max() < 1e-3


def test_revival_brings_every_code_back():
    torch.manual_seed(0)
    centres = torch.randn(16, 4) * 5
    draw = lambda: (centres[torch.randint(16, (1, 256))] + 0.1 * torch.randn(1, 256, 4)).squeeze(0)[None]  # noqa: E731
    ids = torch.zeros(1, dtype=torch.long)
    shares = {}
    for revive in (False, True):
        quantizer = VectorQuantizer(1, 16, 4, decay=0.9, revive=revive).train()
        quantizer.start(torch.full((20, 4), 30.0) + 0.01 * torch.randn(20, 4), 0)  # a start far from all data
        for _ in range(150):
            quantizer(draw(), ids)
        quantizer.report()
        quantizer(draw(), ids)
        shares[revive] = quantizer.report()[0]
    assert shares[True] > 0.9 > 0.7 > shares[False], shares


def test_revival_takes_tokens_of_the_codes_own_class():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(2, 8, 3).train()
    tokens = torch.stack([torch.full((50, 3), 5.0), torch.full((50, 3), -5.0)]) + 0.1 * torch.randn(2, 50, 3)
    for c in range(2):
        quantizer.start(torch.randn(20, 3), c)
    for buffer, value in ((quantizer.codebook, 100), (quantizer.cluster_size, 0), (quantizer.cluster_sum, 0)):
        buffer[:, 1:] = value  # nobody chooses these seven, and nobody has for long
    quantizer(tokens, torch.tensor([0, 1]))
    assert (quantizer.codebook[0, 1:] > 4).all() and (quantizer.codebook[1, 1:] < -4).all()


def test_report_equals_entropy_by_hand_and_starts_again():
    quantizer = VectorQuantizer(2, 4, 3)
    quantizer.usage[0] = torch.tensor([2.0, 1.0, 1.0, 0.0])  # class 1 was not seen
    usage, perplexity = quantizer.report()
    assert usage == 0.75
    assert math.isclose(perplexity, math.exp(0.5 * math.log(2) + 0.5 * math.log(4)), rel_tol=1e-6)
    assert quantizer.usage.sum() == 0 and quantizer.report() == (0.0, 0.0)


def test_hierarchy_quantises_state_and_top_code_together():
    torch.manual_seed(0)
    hierarchy = HierarchicalQuantizer(2, 3, 8, 4, 0.99, True).eval()
    states, class_ids = tuple(torch.randn(2, 9, 4) for _ in range(3)), torch.tensor([2, 1])
    codes, ids, commitment, tokens = hierarchy(states, class_ids)
    top, top_ids, total = hierarchy.top(states[2], class_ids)
    assert torch.equal(ids[:, 0], top_ids)
    for i, level in enumerate((1, 0)):  # deep to shallow
        z, index, loss = hierarchy.levels[i](torch.cat([states[level], top], -1), class_ids)
        assert torch.equal(codes[i], z) and torch.equal(ids[:, 1 + i], index)
        total = total + loss
    torch.testing.assert_close(commitment, total)
    assert torch.equal(tokens[-1], torch.cat([states[0], top], -1))


def test_codebooks_stay_float32_under_bfloat16():
    hierarchy = HierarchicalQuantizer(1, 1, 8, 4, 0.99, True).train()
    states = tuple(torch.randn(1, 9, 4).bfloat16() for _ in range(2))
    with torch.autocast("cpu", torch.bfloat16):
        codes, *_ = hierarchy(states, torch.zeros(1, dtype=torch.long))
    assert codes[0].dtype == torch.float32
    assert all(b.dtype == torch.float32 for b in hierarchy.buffers())


def test_start_reduces_quantisation_error():
    torch.manual_seed(0)
    tokens = torch.randn(500, 6) * np.float32(3)
    quantizer = VectorQuantizer(1, 64, 6).eval()
    before = float(quantizer(tokens[None], torch.zeros(1, dtype=torch.long))[2])
    quantizer.start(tokens, 0)
    assert float(quantizer(tokens[None], torch.zeros(1, dtype=torch.long))[2]) < 0.5 * before


def test_without_hierarchy_the_top_code_speaks_for_every_level():
    torch.manual_seed(0)
    quantizer = HierarchicalQuantizer(0, 2, 8, 4, 0.9, True)
    states = tuple(torch.randn(3, 5, 4) for _ in range(3))
    quantizer.start(states, 1)
    codes, ids, commitment, tokens = quantizer.eval()(states, torch.tensor([1, 0, 1]))
    assert ids.shape == (3, 1, 5) and len(codes) == 2 and tokens[0] is states[-1]
    for i, c in enumerate([1, 0, 1]):
        prototypes = quantizer.top.codebook[c][torch.cdist(states[-1][i], quantizer.top.codebook[c]).argmin(1)]
        for code in codes:
            torch.testing.assert_close(code[i], torch.cat([prototypes, prototypes], -1))


def test_residual_levels_quantise_what_is_left_and_a_training_moves_their_codes():
    torch.manual_seed(0)
    hierarchy = HierarchicalQuantizer(2, 3, 8, 4, 0.99, True, residual=True)
    states, class_ids = tuple(torch.randn(2, 9, 4, requires_grad=True) for _ in range(3)), torch.tensor([2, 1])
    hierarchy.start(tuple(state[1:] for state in states), 1)
    codes, ids, commitment, tokens = hierarchy.eval()(states, class_ids)
    for b in range(2):
        for t in range(9):
            said = torch.zeros(4)
            for i, (quantizer, state) in enumerate(zip(hierarchy.quantizers, reversed(states), strict=True)):
                left = state[b, t] - said
                torch.testing.assert_close(tokens[i][b, t], left)
                k = (quantizer.codebook[class_ids[b]] - left).square().sum(1).argmin()
                assert ids[b, i, t] == k
                said = said + quantizer.codebook[class_ids[b], k]
                top = said if i == 0 else top  # noqa: F821  # of the first round
                if i:
                    torch.testing.assert_close(codes[i - 1][b, t], torch.cat([said, top]))
    losses = [(hierarchy.quantizers[i].lookup(ids[:, i], class_ids) - tokens[i]).square().mean() for i in range(3)]
    torch.testing.assert_close(commitment, sum(losses))
    # Straight through: a code's first half is its own state, its second the top one, to the gradient.
    push = torch.randn(2, 9, 8)
    grads = torch.autograd.grad((codes[-1] * push).sum(), states)
    for grad, expected in zip(grads, (push[..., :4], torch.zeros(2, 9, 4), push[..., 4:]), strict=True):
        torch.testing.assert_close(grad, expected)


def test_kmeans_starts_every_residual_level_on_what_is_left():
    torch.manual_seed(0)
    points = 3 * torch.randn(4, 4)[torch.randint(4, (1, 400))]
    states = (points + torch.randn(3, 4)[torch.randint(3, (1, 400))], points)
    hierarchy = HierarchicalQuantizer(1, 1, 16, 4, 0.99, True, residual=True).eval()
    hierarchy.start(states, 0)
    _, _, commitment, _ = hierarchy(states, torch.zeros(1, dtype=torch.long))
    assert commitment < 0.05  # of at most twelve different pairs, 16 codes a level leave next to nothing


def test_with_gradient_the_transport_loss_alone_moves_codes():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(2, 5, 3, revive=False, rule="gradient").train()
    before = quantizer.codebook.detach().clone()
    tokens, ids = torch.randn(1, 20, 3), torch.tensor([1])
    codes, _, commitment = quantizer(tokens, ids)
    assert not codes.requires_grad and not commitment.requires_grad
    torch.testing.assert_close(quantizer.codebook.detach(), before)  # no moving average
    assert quantizer.usage[1].sum() == 20
    transport_loss(tokens, quantizer.codebook, ids, reg=0.5).backward()
    with torch.no_grad():
        costs, moved = balanced_plan(tokens, torch.full((1, 20), 1 / 20), before[[1]], reg=0.5)
        unit = torch.cdist(tokens[0], before[1]).square().amin(1).mean()
        by_hand = 2 * (moved[0].sum(0)[:, None] * before[1] - moved[0].T @ tokens[0]) / unit
    torch.testing.assert_close(quantizer.codebook.grad[1], by_hand, rtol=1e-3, atol=1e-4)
    assert not quantizer.codebook.grad[0].any()


def test_tokens_that_are_no_numbers_move_no_code_and_raise_nothing():
    torch.manual_seed(0)
    quantizer = VectorQuantizer(2, 8, 4)
    quantizer.start(torch.randn(100, 4), 0)
    quantizer.cluster_size[0, 3] = 0  # dead, so that it would be revived
    loss = quantizer(torch.full((2, 5, 4), torch.nan), torch.zeros(2, dtype=torch.long))[2]
    assert loss.isnan()  # on which the training ends in a sentence
