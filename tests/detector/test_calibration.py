"""Calibration against loops, and its promise against fresh draws."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter
from scipy.stats import binom

from hvqlib.config import Config
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.calibration import STRENGTH, Calibration, signal_weights
from hvqlib.detector.level import level_images
from hvqlib.errors import InputError

CONFIG = Config(grid=6, image_size=24, layers=1, score="combined", transport_weights=(0.5,), reading="norm")
NAMES = ("residual", "top", "level 0", "released")


def named(signals: torch.Tensor) -> dict[str, torch.Tensor]:
    """Signals (N, 4, H, W) by name."""
    return dict(zip(NAMES, signals.unbind(1), strict=True))


def draw(number: int, classes: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Signals (N, 4, 6, 6) of normal images whose level depends on class, signal and place, and their classes."""
    ids = torch.arange(number) % classes
    place = torch.linspace(0, 3, 36).view(6, 6)
    level = 5 + ids[:, None, None, None] + torch.arange(4.0)[:, None, None] + place
    return level + torch.randn(number, 4, 6, 6, generator=generator) * (0.2 + 0.1 * place), ids


@pytest.fixture
def fitted() -> tuple[Calibration, torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    signals, ids = draw(120, 2, generator)
    held = torch.arange(120) % 5 == 0
    signals[held] *= 1.2  # unseen images are rebuilt worse
    return Calibration.fit(CONFIG, named(signals), ids, held, 3), signals, ids, held


def test_mean_and_spread_equal_a_loop(fitted):
    calibration, signals, ids, held = fitted
    x = signals.double().numpy()
    for c in (0, 1):
        fit, kept = x[(ids == c) & ~held], x[(ids == c) & level_images(ids, held)]
        weight = len(fit) / (len(fit) + STRENGTH)
        for s in range(4):
            ratio = kept[:, s].mean() / fit[:, s].mean()
            assert ratio == pytest.approx(1.2, abs=0.02)
            for found, source, root in (
                (calibration.mean, fit[:, s].mean(0), 1),
                (calibration.spread, fit[:, s].var(0), 2),
            ):
                smooth = uniform_filter(source, 3, mode="mirror")
                expected = (weight * smooth + (1 - weight) * source.mean()) ** (1 / root) * ratio
                np.testing.assert_allclose(found[c, s], expected, rtol=2e-3)
    assert calibration.mean[2].eq(0).all() and calibration.spread[2].eq(1).all()  # a class without images


def test_combine_weighs_signals_and_switches_places_off(fitted):
    calibration, signals, ids, _ = fitted
    away = (signals - calibration.mean[ids]) / calibration.spread[ids]
    torch.testing.assert_close(calibration.combine(named(signals), ids, CONFIG), away[:, 0] + 0.5 * away[:, 1])
    torch.testing.assert_close(calibration.combine(named(signals), ids, CONFIG, "residual"), away[:, 0])
    more = replace(CONFIG, transport_weights=(0.25, 2.0))
    torch.testing.assert_close(
        calibration.combine(named(signals), ids, more), away[:, 0] + 0.25 * away[:, 1] + 2 * away[:, 2]
    )
    for score, k in (("residual", 0), ("released", 3)):
        plain = calibration.combine(named(signals), ids, CONFIG, score, normalize=False)[ids == 0]
        assert np.corrcoef(plain.flatten(), signals[ids == 0][:, k].flatten())[0, 1] == pytest.approx(1)
    with pytest.raises(InputError, match="codebooks"):
        replace(calibration, names=NAMES[:1]).combine(named(signals), ids, CONFIG, "released")


def test_the_score_needs_no_signal_of_weight_zero(fitted):
    calibration, signals, ids, _ = fitted
    assert signal_weights(CONFIG, NAMES) == {"residual": 1, "top": 0.5}
    assert signal_weights(replace(CONFIG, transport_weights=(0.0, 3.0)), NAMES) == {"residual": 1, "level 0": 3}
    assert signal_weights(CONFIG, NAMES, "released") == {"released": 1}
    assert signal_weights(CONFIG, NAMES, "residual") == signal_weights(CONFIG, NAMES[:1]) == {"residual": 1}
    with pytest.raises(InputError, match="score is 'realeased'"):
        signal_weights(CONFIG, NAMES, "realeased")
    more = signal_weights(replace(CONFIG, layers=4, transport_weights=(1.0,) * 5), (*NAMES, "newer"))
    assert more.keys() == set(NAMES[:3])
    mean, spread = calibration.normal("level 0")
    assert torch.equal(mean, calibration.mean[:, 2]) and torch.equal(spread, calibration.spread[:, 2])
    whole = named(signals)
    for score in ("combined", "residual", "released"):
        some = {name: whole[name] for name in signal_weights(CONFIG, NAMES, score)}
        assert torch.equal(
            calibration.combine(some, ids, CONFIG, score), calibration.combine(whole, ids, CONFIG, score)
        )


def test_p_values_equal_a_count_and_agree_with_the_threshold(fitted):
    calibration, signals, ids, held = fitted
    scores = image_score(upsample(calibration.combine(named(signals), ids, CONFIG), (24, 24)))
    promising = held & ~level_images(ids, held)
    assert len(calibration.scores) == int(promising.sum()) == 12  # of 12 a class half set the level
    known = calibration.standardise(scores, ids)[promising]
    torch.testing.assert_close(calibration.scores, known.sort().values)
    found = calibration.p_values(scores, ids)
    for i in range(120):
        mine = calibration.standardise(scores[i : i + 1], ids[i : i + 1])
        higher = int((calibration.scores >= mine).sum())
        # p is the rate at which so few of 12 held-out normal images being as high has a chance of 1 - 0.8.
        assert higher == 12 or binom.cdf(higher, 12, float(found[i])) == pytest.approx(0.2)
    for rate in (0.13, 0.25, 0.5):
        assert torch.equal(scores > calibration.threshold(rate, ids) + 1e-5, found <= rate)
    assert calibration.least == pytest.approx(1 - 0.2 ** (1 / 12)) and calibration.usual_rate == calibration.least
    with pytest.raises(InputError, match="0.05 cannot be promised. 12 held-out .* 12.6% .* 5 % needs 20 more"):
        calibration.threshold(0.05, ids)
    for wrong in (0.0, 1.0, -0.1):
        with pytest.raises(InputError, match="above 0 and below 1"):
            calibration.threshold(wrong, ids)


def test_few_pixels_of_normal_images_are_above_the_pixel_threshold(fitted):
    calibration, signals, ids, held = fitted
    maps = upsample(calibration.combine(named(signals), ids, CONFIG), (24, 24))
    promising = held & ~level_images(ids, held)
    for rate, images in ((0.126, 0), (0.24, 1)):  # 12 images, of which none or one may be above
        above = (maps > calibration.pixel_threshold(rate, ids)[:, None, None] + 1e-4).flatten(1).any(1)
        assert int(above[promising].sum()) == images


def test_nothing_held_out_promises_nothing():
    signals, ids = draw(60, 2, torch.Generator().manual_seed(0))
    calibration = Calibration.fit(CONFIG, named(signals), ids, torch.zeros(60, dtype=torch.bool), 2)
    scores = image_score(upsample(calibration.combine(named(signals), ids, CONFIG), (24, 24)))
    assert calibration.least == 1 and calibration.usual_rate is None
    assert calibration.p_values(scores, ids).eq(1).all()
    assert "No normal images were held out" in calibration.promise()
    assert not (scores > calibration.threshold(None, ids) + 1e-5).any()  # the highest known score
    with pytest.raises(InputError, match="0.3 cannot be promised. No normal images were held out"):
        calibration.threshold(0.3, ids)


def test_the_false_alarm_rate_holds_on_fresh_normal_images_in_four_of_five_calibrations():
    generator, kept = torch.Generator().manual_seed(1), []
    for _ in range(200):
        signals, ids = draw(120, 3, generator)
        held = torch.arange(120) // 3 % 2 == 0
        signals[~held] *= 0.9  # known ones are rebuilt better
        pictures = 3 + ids + torch.randn(120, generator=generator) * (1 + held)
        calibration = Calibration.fit(CONFIG, named(signals), ids, held, 3, pictures)
        fresh, classes = draw(900, 3, generator)
        scores = image_score(upsample(calibration.combine(named(fresh), classes, CONFIG), (24, 24)))
        whole = 3 + classes + torch.randn(900, generator=generator) * 2
        p = calibration.p_values(calibration.join(scores, whole, classes), classes)
        kept.append([(p <= rate + 1e-9).double().mean() <= rate for rate in (calibration.least, 0.1, 0.2)])
    # 80 %, or more by the granularity of 45 images; 200 calibrations and 900 images are three standard errors off
    assert (np.mean(kept, axis=0) > 0.8 - 0.1).all() and (np.mean(kept, axis=0) < 0.95).all(), np.mean(kept, axis=0)


def test_a_square_on_one_class_is_called_whatever_the_others_level(fitted):
    calibration, signals, ids, _ = fitted
    hurt = signals[:2].clone()
    hurt[:, :, 2:5, 2:5] += 5
    scores = image_score(upsample(calibration.combine(named(hurt), ids[:2], CONFIG), (24, 24)))
    assert (calibration.p_values(scores, ids[:2]) <= 0.13).all()


NUMBERS = st.floats(0, 2.0**50, width=32)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=4), st.booleans(), st.booleans())
def test_maps_and_p_values_are_finite_for_any_signals_and_few_images(values, none_held, constant):
    signals = torch.tensor(values)[:, :, None, None] * torch.ones(1, 1, 4, 4)
    if not constant:
        signals = signals * torch.linspace(0, 1, 16).view(4, 4)
    ids = torch.zeros(len(values), dtype=torch.long)
    held = torch.arange(len(values)) > 0 if not none_held else torch.zeros(len(values), dtype=torch.bool)
    calibration = Calibration.fit(
        replace(CONFIG, grid=4), {"residual": signals[:, 0], "top": signals[:, 1]}, ids, held, 2
    )
    assert all(value.isfinite().all() for value in calibration.tensors().values())
    more = torch.cat([signals, 1e15 - signals])
    maps = calibration.combine({"residual": more[:, 0], "top": more[:, 1]}, ids.repeat(2), CONFIG)
    assert maps.isfinite().all()
    p = calibration.p_values(image_score(upsample(maps, (24, 24))), ids.repeat(2))
    assert p.isfinite().all() and (p > 0).all() and (p <= 1).all()


def test_what_promises_touches_nothing_that_is_fitted(fitted):
    calibration, signals, ids, held = fitted
    promising = held & ~level_images(ids, held)
    other = torch.where(promising[:, None, None, None], 100 + signals.flip(0), signals)
    again = Calibration.fit(CONFIG, named(other), ids, held, 3)
    for name, value in calibration.tensors().items():
        assert name in ("scores", "peaks") or torch.equal(value, again.tensors()[name]), name


def test_the_picture_counts_as_much_as_the_map():
    generator = torch.Generator().manual_seed(2)
    signals, ids = draw(120, 2, generator)
    held = torch.arange(120) % 3 == 0
    pictures = 7 + 3 * ids + torch.randn(120, generator=generator) * (1 + ids)
    calibration = Calibration.fit(CONFIG, named(signals), ids, held, 2, pictures)
    maps = image_score(upsample(calibration.combine(named(signals), ids, CONFIG), (24, 24)))
    scores = calibration.join(maps, pictures, ids)
    away = [calibration.map_away(maps, ids).numpy(), calibration.picture_away(pictures, ids).numpy()]
    joint = (scores - calibration.map_mean[ids]) / calibration.map_spread[ids]
    assert np.allclose(joint, np.log(np.exp(away[0]) + np.exp(away[1])), atol=1e-4)
    far = torch.full_like(maps, 1e7)  # one that is far out decides, and nothing overflows
    assert torch.allclose(calibration.join(far, pictures, ids), far, rtol=1e-4)
    levels = level_images(ids, held)
    for c in (0, 1):
        mine = (ids == c) & levels
        assert float(calibration.picture_mean[c]) == pytest.approx(float(pictures[mine].mean()), rel=1e-4)
        assert float(calibration.picture_away(pictures, ids)[mine].std()) == pytest.approx(1, rel=0.25)
        assert float(calibration.map_away(maps, ids)[mine].std()) == pytest.approx(1, rel=0.25)
        assert float(calibration.standardise(scores, ids)[mine].mean()) == pytest.approx(0, abs=1e-4)
    alone = Calibration.fit(replace(CONFIG, picture=False), named(signals), ids, held, 2, pictures)
    assert alone.picture_mean.eq(0).all() and torch.equal(alone.image_mean, calibration.map_mean)
