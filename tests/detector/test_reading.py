"""Reading a method: every image measured, each by what it had no part in."""

from dataclasses import replace

import pytest
import torch

from hvqlib.config import Config
from hvqlib.detector import reading as module
from hvqlib.detector.reading import Reading
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.rivals.nearest_neighbour import NearestNeighbour

CONFIG = Config(width=16, heads=2, feedforward=32, layers=2, codes=8, grid=4, dropout=0.5, rank=5)


@pytest.fixture
def drawn() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    ids = torch.arange(24) % 2
    return torch.randn(24, 6, 4, 4, generator=generator), ids, torch.arange(24) % 4 == 3


def test_all_images_are_measured_in_evaluation_mode(drawn):
    features, ids, held = drawn
    torch.manual_seed(0)
    model = HVQTrans(CONFIG, 6, 2).train()
    reading = Reading(CONFIG, 6, 2)
    signals, pictures = reading.fit(model, features, ids, held, 5)
    assert not model.training and tuple(signals) == reading.names(model)
    whole, measures = reading(model, features, ids)
    expected = model.signals(features, ids)
    for name, values in expected.items():
        torch.testing.assert_close(signals[name], values, atol=1e-3, rtol=1e-3)
        torch.testing.assert_close(whole[name], values, atol=1e-3, rtol=1e-3)
    torch.testing.assert_close(signals["covariance"][held], whole["covariance"][held])
    torch.testing.assert_close(pictures[held], measures[held])
    assert (signals["covariance"][~held] > whole["covariance"][~held]).all()  # as if they had been left out
    some, _ = reading(model, features, ids, {"covariance": 1.0, "top": 0.5})
    assert some.keys() == {"covariance", "top"} and torch.equal(some["covariance"], whole["covariance"])
    again = Reading(CONFIG, 6, 2)
    again.fit(model, features, ids, held, 7)
    for one, other in zip(reading.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(one.float(), other.float(), atol=2e-3, rtol=2e-3)


def test_an_images_own_patches_are_left_out_of_a_nearest_neighbour(drawn, monkeypatch):
    features, ids, held = drawn
    torch.manual_seed(0)
    model = NearestNeighbour(Config(method="knn", score="residual", bank=2000, grid=4), 6, 2)
    model.fit(features[~held], ids[~held])
    signals, _ = Reading(CONFIG, 6, 2).fit(model, features, ids, held, 5)
    assert tuple(signals) == ("residual", "covariance") and signals["residual"].min() > 0
    monkeypatch.setattr(module, "MOST_IMAGES", 4)  # of the others the own patches are left out, too
    few, _ = Reading(CONFIG, 6, 2).fit(model, features, ids, held, 5)
    torch.testing.assert_close(few["residual"], signals["residual"])
    row = int((~held).nonzero()[4])
    others = features[~held & (ids == ids[row])]
    others = others[(others != features[row]).flatten(1).any(1)].permute(0, 2, 3, 1).flatten(0, 2)
    expected = torch.cdist(features[row].flatten(1).T, others).amin(1).view(4, 4)
    torch.testing.assert_close(signals["residual"][row], expected)


def test_of_a_large_class_some_are_fitted_and_all_are_measured(drawn, monkeypatch):
    features, ids, held = drawn
    monkeypatch.setattr(module, "MOST_IMAGES", 4)
    model = HVQTrans(CONFIG, 6, 2)
    signals, pictures = Reading(CONFIG, 6, 2).fit(model, features, ids, held, 5)
    assert all(values.isfinite().all() and values.ge(0).all() for values in (*signals.values(), pictures))


def test_without_covariance_and_picture_the_length_is_all_that_is_measured(drawn):
    features, ids, held = drawn
    model = HVQTrans(CONFIG, 6, 2).eval()
    plain = Reading(replace(CONFIG, reading="norm", picture=False), 6, 2)
    signals, pictures = plain.fit(model, features, ids, held, 5)
    assert tuple(signals) == plain.names(model) == ("residual", *model.signal_names) and pictures.eq(0).all()
    assert not plain.state_dict()
    torch.testing.assert_close(signals, model.signals(features, ids), atol=1e-3, rtol=1e-3)
