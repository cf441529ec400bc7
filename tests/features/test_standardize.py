"""Standardised channels, against NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from hvqlib.errors import InputError
from hvqlib.features.standardize import Standardize


def test_standardize():
    torch.manual_seed(0)
    scale = torch.tensor([1e-3, 1.0, 1e3]).view(3, 1, 1)
    features = torch.randn(20, 3, 5, 5) * scale + 50 * scale
    standardize = Standardize.fit(features)
    expected = features.numpy().astype(np.float64)
    assert standardize.mean.shape == standardize.std.shape == (3, 1, 1)
    assert np.allclose(standardize.mean.ravel(), expected.mean((0, 2, 3)), rtol=1e-6)
    assert np.allclose(standardize.std.ravel(), expected.std((0, 2, 3)), rtol=1e-5)
    result = standardize(features)
    assert torch.allclose(result.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(result.std((0, 2, 3)), torch.ones(3), atol=1e-2)
    copy = Standardize(3)
    copy.load_state_dict(standardize.state_dict())
    assert torch.equal(copy(features), result)


def test_standardize_constant_channel_stays_finite():
    features = torch.randn(4, 3, 2, 2)
    features[:, 1] = 7
    standardize = Standardize.fit(features)
    assert torch.equal(standardize(features)[:, 1], torch.zeros(4, 2, 2))
    features[:, 1] = 8
    assert standardize(features).abs().max() < 1e4
    assert Standardize.fit(torch.ones(2, 3, 2, 2))(torch.ones(2, 3, 2, 2)).isfinite().all()


def test_standardize_bad_input():
    for bad in (torch.ones(3, 2, 2), torch.ones(0, 3, 2, 2), torch.full((1, 3, 2, 2), torch.nan)):
        with pytest.raises(InputError, match="finite numbers of shape"):
            Standardize.fit(bad)
