"""The level of unseen images, against NumPy."""

import numpy as np
import pytest
import torch

from hvqlib.detector.level import PRIOR, level, level_images


def test_level_is_that_of_half_of_the_held_out_images():
    generator = torch.Generator().manual_seed(3)
    ids = torch.arange(200) % 2
    held = torch.arange(200) // 2 % 2 == 0  # 50 a class
    values = torch.randn(200, generator=generator) * (1 + 4 * held) + 10 * held + ids
    few = torch.tensor([5.0, 6.0, 7.0, 8.0])  # a third class of four, none of them held out
    values, ids = torch.cat([values, few]), torch.cat([ids, torch.full((4,), 2)])
    held = torch.cat([held, torch.zeros(4, dtype=torch.bool)])
    levels = level_images(ids, held)
    assert [int(levels[ids == c].sum()) for c in (0, 1, 2)] == [25, 25, 0] and not (levels & ~held).any()
    mean, spread = level(values, ids, held, 4)
    known, unseen = ([values[(ids == c) & which].double().numpy() for c in (0, 1, 2)] for which in (~held, levels))
    factor = np.exp(np.mean([np.log(unseen[c].var() / known[c].var()) for c in (0, 1)]))
    for c in (0, 1):
        assert float(mean[c]) == pytest.approx(unseen[c].mean())
        own, expected = ((unseen[c] - unseen[c].mean()) ** 2).sum(), factor * known[c].var()
        assert float(spread[c]) == pytest.approx(np.sqrt((own + PRIOR * expected) / (24 + PRIOR)), rel=1e-4)
    rises = [(unseen[c].mean() - known[c].mean()) / np.sqrt(factor * known[c].var()) for c in (0, 1)]
    assert float(spread[2]) == pytest.approx(np.sqrt(factor * known[2].var()), rel=1e-4)
    assert float(mean[2]) == pytest.approx(known[2].mean() + np.mean(rises) * float(spread[2]), rel=1e-4)
    assert mean[3] == 0 and spread[3] == 1 and (spread > 0).all()
