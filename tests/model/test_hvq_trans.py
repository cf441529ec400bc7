"""The whole model: mixed batches against single images, the continuous baseline, maps by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from hvqlib.config import Config
from hvqlib.model.hvq_trans import RELEASED_WEIGHT, HVQTrans
from hvqlib.model.transport import released_score

SMALL = Config(width=16, heads=2, feedforward=32, codes=8, grid=4)


@pytest.mark.parametrize(("classes", "grid", "channels"), [(1, (4, 4), 5), (7, (3, 5), 24), (40, (6, 6), 3)])
def test_mixed_batch_equals_single_images(classes, grid, channels):
    torch.manual_seed(0)
    model = HVQTrans(SMALL, channels, classes, grid).eval()
    features, class_ids = torch.randn(5, channels, *grid), torch.randint(classes, (5,))
    whole = model(features, class_ids)
    assert whole.reconstruction.shape == features.shape
    assert whole.code_ids.shape == (5, 5, grid[0] * grid[1])
    for i in range(5):
        alone = model(features[i : i + 1], class_ids[i : i + 1])
        torch.testing.assert_close(whole.reconstruction[i], alone.reconstruction[0], atol=1e-5, rtol=1e-4)
    each = [model.signals(f[None], c[None]) for f, c in zip(features, class_ids, strict=True)]
    for name, whole in model.signals(features, class_ids).items():
        torch.testing.assert_close(whole, torch.cat([one[name] for one in each]), atol=1e-3, rtol=1e-3)


def test_each_class_uses_its_own_head_and_codebooks():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2).eval()
    features = torch.randn(1, 6, 4, 4)
    zero, one = (model(features, torch.tensor([c])) for c in (0, 1))
    assert not torch.equal(zero.codes[0], one.codes[0])
    with torch.no_grad():
        model.head_weight[1] += 1  # changes class 1 only
    assert torch.equal(model(features, torch.tensor([0])).reconstruction, zero.reconstruction)
    assert not torch.equal(model(features, torch.tensor([1])).reconstruction, one.reconstruction)


def test_decoder_sees_the_image_through_code_ids_alone():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 1).eval()
    ids = torch.zeros(1, dtype=torch.long)
    one = model(torch.randn(1, 6, 4, 4), ids)
    other = model(one.reconstruction * 0 + torch.randn(1, 6, 4, 4), ids)
    books = [q.codebook[0] for q in model.quantizer.levels]
    for output in (one, other):
        rebuilt = tuple(book[output.code_ids[:, 1 + i]] for i, book in enumerate(books))
        torch.testing.assert_close(model.decode(rebuilt, ids), output.reconstruction, atol=1e-5, rtol=1e-4)


def test_continuous_model_passes_states_through():
    torch.manual_seed(0)
    model = HVQTrans(replace(SMALL, method="continuous"), 6, 2).eval()
    output = model(torch.randn(2, 6, 4, 4), torch.tensor([0, 1]))
    torch.testing.assert_close(output.codes[-1], torch.cat([output.states[0], output.states[-1]], -1))
    assert output.code_ids is None and output.tokens == () and output.commitment == 0
    signals = model.signals(torch.randn(2, 6, 4, 4), torch.tensor([0, 1]))
    assert model.signal_names == () and tuple(signals) == ("residual",) and signals["residual"].shape == (2, 4, 4)


def test_signals_by_hand():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2).eval()
    features, ids = torch.randn(1, 6, 4, 4), torch.ones(1, dtype=torch.long)
    for quantizer in model.quantizer.quantizers:
        quantizer.error[:] = torch.tensor([7.0, 3.0])
    output, signals = model(features, ids), model.signals(features, ids)
    assert tuple(signals) == ("residual", *model.signal_names) == ("residual", *model.level_names, "released")
    residual, own = model.measure(features, ids)
    torch.testing.assert_close(residual, output.reconstruction - features)
    assert all(torch.equal(own[name], signals[name]) for name in model.signal_names)
    signals = {name: values[0].flatten().numpy() for name, values in signals.items()}
    residual = np.sqrt(((output.reconstruction - features).detach().numpy()[0] ** 2).sum(0)).ravel()
    np.testing.assert_allclose(signals["residual"], residual, rtol=1e-5)
    levels = ("top", "level 3", "level 2", "level 1", "level 0")
    for name, tokens, quantizer in zip(levels, output.tokens, model.quantizer.quantizers, strict=True):
        for i, token in enumerate(tokens[0].detach().double().numpy()):
            far = ((token - quantizer.codebook[1].double().numpy()) ** 2).sum(1) / 3  # in units of the error
            weight = np.exp(-(far - far.min()))
            assert signals[name][i] == pytest.approx((weight * far).sum() / weight.sum(), rel=1e-4)
    released = released_score(output.tokens[-1], model.quantizer.levels[-1].codebook[ids])[0].detach().numpy()
    np.testing.assert_allclose(signals["released"], residual + RELEASED_WEIGHT * released, rtol=1e-5)


def test_only_wanted_signals_are_given():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2).eval()
    features, ids = torch.randn(3, 6, 4, 4), torch.tensor([1, 0, 1])
    whole = model.signals(features, ids)
    assert all((values > 0).any() for values in whole.values())
    for wanted in (["residual"], ["residual", "top"], ["released"], ["level 2", "level 0"], []):
        some = model.signals(features, ids, wanted)
        assert set(some) == set(wanted) and all(torch.equal(some[name], whole[name]) for name in wanted)


def test_unified_has_one_set_of_codebooks_and_one_head():
    torch.manual_seed(0)
    model = HVQTrans(replace(SMALL, unified=True), 6, 5).eval()
    features = torch.randn(1, 6, 4, 4)
    assert model.classes == 1 and model.quantizer.top.codebook.shape[0] == 1
    zero, four = (model(features, torch.tensor([c])) for c in (0, 4))
    assert torch.equal(zero.reconstruction, four.reconstruction) and torch.equal(zero.code_ids, four.code_ids)


def test_the_transport_loss_reaches_the_encoder():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2).eval()
    features, ids = torch.randn(3, 6, 4, 4), torch.tensor([0, 1, 1])
    plain, _ = model.loss(features, ids)
    more, _ = model.loss(features, ids, transport=0.5)
    slope = torch.autograd.grad(more - plain, model.project.weight)[0]
    assert more > plain and slope.isfinite().all() and slope.abs().sum() > 0


def test_what_each_loss_moves():
    """docs/differences.md, "What each loss moves"."""
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2)
    features, ids = torch.randn(4, 6, 4, 4), torch.tensor([0, 1, 1, 0])
    whole, output = model.loss(features, ids, transport=1.0)
    error = (output.reconstruction - features).square().mean()
    losses = {
        "error": error,
        "commitment": output.commitment,
        "transport": whole - error - SMALL.commitment * output.commitment,
    }
    weights = dict(model.named_parameters())
    assert not any("codebook" in name for name in weights)  # buffers: no loss moves a prototype
    moved = {}
    for name, loss in losses.items():
        gradients = torch.autograd.grad(loss, list(weights.values()), retain_graph=True, allow_unused=True)
        moved[name] = {
            w.split(".")[0]
            for w, g in zip(weights, gradients, strict=True)
            if g is not None and float(g.abs().max()) > 1e-9
        }
    assert {"encoder", "decoder", "head_weight"} <= moved["error"]
    for name in ("commitment", "transport"):
        assert "encoder" in moved[name] and not {"decoder", "head_weight", "head_bias"} & moved[name], moved


def test_a_batch_without_images_has_no_transport_loss():
    model = HVQTrans(SMALL, 6, 2).eval()  # what a process gets when images are fewer than processes
    output = model.loss(torch.zeros(0, 6, 4, 4), torch.zeros(0, dtype=torch.long), transport=0.5)[1]
    assert output.reconstruction.shape == (0, 6, 4, 4)


@pytest.mark.parametrize("value", [0.0, 1e30, -1e30, float("inf"), float("nan")])
@pytest.mark.parametrize("classes", [1, 3])
def test_signals_are_finite_whatever_comes_in(value, classes):
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, classes).eval()
    model.quantizer.top.codebook[:, 0] = 1e5  # where the release leaves codes that nobody uses
    features = torch.randn(2, 6, 4, 4)
    features[0, :, 1] = value
    ids = torch.zeros(2, dtype=torch.long)

    def finite(signals):
        return len(signals) == 7 and all(values.isfinite().all() for values in signals.values())

    assert finite(model.signals(features, ids))
    assert finite(model.signals(torch.full((2, 6, 4, 4), value), ids))
    with torch.autocast("cpu", torch.bfloat16):
        assert finite(model.signals(features.bfloat16(), ids))


def test_loss_is_error_plus_a_quarter_of_commitment():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2).eval()
    features, ids = torch.randn(3, 6, 4, 4), torch.tensor([0, 1, 1])
    loss, output = model.loss(features, ids)
    expected = (output.reconstruction - features).square().mean() + 0.25 * output.commitment
    torch.testing.assert_close(loss, expected)


def test_every_weight_learns():
    torch.manual_seed(0)
    model = HVQTrans(SMALL, 6, 2).train()
    model.loss(torch.randn(4, 6, 4, 4), torch.tensor([0, 1, 1, 0]))[0].backward()
    # A key's bias adds the same to every logit of a row, so the softmax takes its gradient away.
    still = {n for n, p in model.named_parameters() if p.grad is None or p.grad.abs().max() == 0}
    assert {n for n in still if not n.endswith("key.bias")} == set()


def test_gradients_repeat_to_the_bit_on_two_threads():
    """Several images of a class share a head: their gradients must be added in the same order every time."""
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        torch.manual_seed(0)
        model = HVQTrans(Config(layers=1), 192, 2).eval()
        features, ids = torch.randn(16, 192, 14, 14), torch.arange(16) % 2
        grads = []
        for _ in range(8):
            model.zero_grad()
            model.loss(features, ids)[0].backward()
            grads.append([p.grad.clone() for p in model.parameters()])
    finally:
        torch.set_num_threads(threads)
    assert all(torch.equal(a, b) for other in grads[1:] for a, b in zip(grads[0], other, strict=True))
