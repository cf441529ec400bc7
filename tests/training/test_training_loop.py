"""The order of an epoch and the learning rate; what the loop does is seen in test_train and test_processes."""

import pytest
import torch

from hvqlib.training.training_loop import epoch_order, learning_rate_share


def test_balance_visits_small_classes_more_often():
    ids = torch.tensor([0] * 900 + [1] * 100)
    for seed in range(3):
        assert torch.equal(epoch_order(ids, 0.0, seed).sort().values, torch.arange(1000))
        even = ids[epoch_order(ids, 1.0, seed)]
        assert len(even) == 1000 and abs(int(even.sum()) - 500) <= 1
        root = ids[epoch_order(ids, 0.5, seed)]  # 900 / 30 to 100 / 10: three quarters to one
        assert abs(int(root.sum()) - 250) <= 1
        equal = epoch_order(torch.arange(6).repeat_interleave(60), 0.5, seed)
        assert torch.equal(equal.sort().values, torch.arange(360))  # nothing to balance: a permutation
    assert not torch.equal(epoch_order(ids, 1.0, 0), epoch_order(ids, 1.0, 1))


def test_rates():
    assert learning_rate_share("one_cycle", 0) == pytest.approx(0.04)
    assert learning_rate_share("one_cycle", 0.1) == pytest.approx(1)
    assert learning_rate_share("one_cycle", 0.55) == pytest.approx(0.5)
    assert learning_rate_share("one_cycle", 1) == pytest.approx(0)
    assert [learning_rate_share("step", p) for p in (0, 0.79, 0.8, 1)] == [1, 1, 0.1, 0.1]
