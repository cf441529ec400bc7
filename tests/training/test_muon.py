"""Muon against torch's own, and against singular value decompositions."""

from dataclasses import replace

import pytest
import torch

from hvqlib.data.dataset import load_dataset
from hvqlib.detector.run_folder import read_checkpoint
from hvqlib.training.muon import Muon, orthogonalize
from hvqlib.training.train import train


def test_steps_equal_torchs_up_to_its_bfloat16():
    torch.manual_seed(0)
    shapes = ((8, 8), (8, 8), (12, 5), (4, 30))
    mine = [torch.nn.Parameter(torch.randn(shape)) for shape in shapes]
    theirs = [torch.nn.Parameter(weight.detach().clone()) for weight in mine]
    own, peer = Muon(mine, 0.02, 0.1), torch.optim.Muon(theirs, 0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        before = [weight.detach().clone() for weight in mine]
        for weight, other in zip(mine, theirs, strict=True):
            weight.grad = torch.randn_like(weight)
            other.grad = weight.grad.clone()
        own.step()
        peer.step()
        for weight, other, old in zip(mine, theirs, before, strict=True):
            step, expected = weight - old, other - old
            assert (step - expected).norm() < 0.03 * expected.norm()
            with torch.no_grad():
                other.copy_(weight)  # rounding errors do not add up
        for weight, other in zip(mine, theirs, strict=True):
            torch.testing.assert_close(own.state[weight]["momentum_buffer"], peer.state[other]["momentum_buffer"])


@pytest.mark.parametrize("shape", [(6, 6), (5, 9), (9, 5)])
def test_singular_values_come_near_1_and_vectors_stay(shape):
    torch.manual_seed(1)
    matrices = torch.randn(3, *shape)
    u, values, v = torch.linalg.svd(matrices, full_matrices=False)
    found = u.mT @ orthogonalize(matrices) @ v.mT  # diagonal, if the vectors are the same
    near = found.diagonal(dim1=1, dim2=2)
    big = values > 0.1 * values[:, :1]
    assert (near[big] > 0.6).all() and (near[big] < 1.3).all()
    torch.testing.assert_close(found, torch.diag_embed(near), atol=1e-3, rtol=0)
    assert orthogonalize(torch.zeros(1, *shape)).eq(0).all()


def test_matrices_without_a_gradient_stay():
    weight = torch.nn.Parameter(torch.ones(3, 3))
    optimizer = Muon([weight], 0.1, 0.1)
    optimizer.step()
    assert weight.eq(1).all() and not optimizer.state


def test_a_run_with_muon_resumes_to_the_bit(small_data, small_config, tmp_path):
    config = replace(small_config, optimizer="muon", lr=1e-2, steps=12)
    dataset = load_dataset(small_data)
    whole = train(config, dataset, tmp_path / "whole", progress=False)
    train(config, dataset, tmp_path / "cut", progress=False, watch=lambda _, history: len(history) == 5)
    cut = train(config, dataset, tmp_path / "cut", progress=False, resume=True)
    one, other = (read_checkpoint(run)[0] for run in (whole, cut))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name].nan_to_num(-1.0), other[name].nan_to_num(-1.0)) for name in one)
