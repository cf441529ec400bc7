"""Judging and looking: images of any kind, classes given or inferred, rates kept, and the steps in between by hand."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib.config import Config
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out
from hvqlib.errors import InputError
from hvqlib.training.recalibrate import recalibrate
from hvqlib.training.train import train

CONFIG = Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=2, codes=16, batch_size=4, steps=40)


@pytest.fixture(scope="module")
def detector(small_data, tmp_path_factory):
    return Detector.load(
        train(CONFIG, load_dataset(small_data), tmp_path_factory.mktemp("run") / "run", progress=False)
    )


@pytest.fixture(scope="module")
def samples(small_data):
    return load_dataset(small_data).test


@pytest.fixture(scope="module")
def paths(samples):
    return [sample.path for sample in samples]


def test_files_images_and_arrays_are_judged_alike_to_the_bit(detector, paths, tmp_path):
    by_file = detector.judge(paths)
    arrays = [read_image(path) for path in paths]
    for images in ([Image.open(path) for path in paths], arrays, [str(path) for path in paths], paths[:5] + arrays[5:]):
        for one, other in zip(by_file, detector.judge(images, cache=tmp_path), strict=True):
            assert (one.class_name, one.score, one.p_value) == (other.class_name, other.score, other.p_value)
            assert np.array_equal(one.anomaly_map, other.anomaly_map)
    assert [p.path for p in by_file] == paths and detector.judge(arrays[:1])[0].path is None


def test_classes_are_inferred_where_they_are_not_given(detector, samples, paths):
    names = [sample.class_name for sample in samples]
    inferred = detector.judge(paths)
    assert [p.class_name for p in inferred] == names
    for given in (names, [name if i % 2 else None for i, name in enumerate(names)]):
        assert [p.score for p in detector.judge(paths, given)] == [p.score for p in inferred]
    wrong = detector.judge(paths[:1], "stone")[0]
    assert wrong.class_name == "stone" and wrong.score != inferred[0].score
    assert detector.judge([]) == []


def test_verdicts_follow_the_rate(detector, samples, paths):
    judged = detector.judge(paths)
    assert all(p.false_alarm == pytest.approx(1 - 0.2 ** (1 / 2)) for p in judged)  # 2 of 4 held out promise: no less
    assert [p.defective for p in judged] == [p.p_value <= detector.calibration.least + 1e-9 for p in judged]
    assert all(p.defective for p, s in zip(judged, samples, strict=True) if s.label)
    loose = detector.judge(paths, false_alarm=0.6)
    assert sum(p.defective for p in loose) >= sum(p.defective for p in judged)
    assert all(b.threshold <= a.threshold for a, b in zip(judged, loose, strict=True))
    row = judged[0].row()
    assert row["verdict"] == ("defective" if judged[0].defective else "normal") and row["image"] == str(paths[0])
    with pytest.raises(InputError, match="2 held-out"):
        detector.judge(paths, false_alarm=0.05)


def test_strangers_are_called_so_at_the_rate_that_is_said(detector, small_data, paths):
    """No held-out image is a stranger; 1 - 0.2^(1/n) bounds the share of which none of n was expected."""
    train_paths = [sample.path for sample in load_dataset(small_data).train]
    held = held_out(torch.arange(16) // 8, CONFIG.holdout, CONFIG.seed)
    far = [one.strangeness for one, kept in zip(detector.judge(train_paths), held, strict=True) if kept]
    assert len(far) == 4 and max(far) <= 0.5
    least = 1 - 0.2 ** (1 / len(detector.calibration.scores))
    assert detector.promise.endswith(f"At most {least:.1%} of normal images are called strangers.")
    nothing = replace(detector, calibration=replace(detector.calibration, promises=torch.tensor(False)))
    assert "strangers" not in nothing.promise


def test_look_shows_every_step_by_its_name(detector, samples, paths):
    names = [sample.class_name for sample in samples]
    look, judged = detector.look(paths, names), detector.judge(paths, names)
    model, ids = detector.model, look.class_ids
    assert ids.tolist() == [sample.class_id for sample in samples]
    pixels = detector.pixels(paths)
    raw = torch.cat([detector.backbone(one[None]) for one in pixels])
    assert torch.equal(look.features, detector.standardize(raw)) and torch.equal(
        look.features, detector.features(paths)
    )
    assert tuple(look.signals) == ("residual", "covariance", "top", "level 1", "level 0", "released")
    away = (look.reconstruction - look.features).square().sum(1).sqrt()
    torch.testing.assert_close(look.signals["residual"], away)
    for level, name in enumerate(("top", "level 1", "level 0")):
        tokens = torch.cat([model(f[None], c[None]).tokens[level] for f, c in zip(look.features, ids, strict=True)])
        far = torch.cdist(tokens, model.quantizer.quantizers[level].codebook[ids])  # (N, L, K)
        torch.testing.assert_close(look.code_distances[name], far.amin(2), atol=1e-3, rtol=1e-3)
        chosen = far.gather(2, look.code_ids[name][..., None])[..., 0]
        torch.testing.assert_close(chosen, far.amin(2), atol=1e-3, rtol=1e-3)
    calm = detector.calibration.combine(look.signals, ids, detector.config)
    torch.testing.assert_close(look.anomaly_map, upsample(calm, (64, 64)))
    residual = look.reconstruction - look.features
    torch.testing.assert_close(look.signals["covariance"], detector.reading.place(residual, ids))
    torch.testing.assert_close(look.picture, detector.reading.picture(residual, ids))
    normal = detector.calibration
    away = (look.picture - normal.picture_mean[ids]) / normal.picture_spread[ids]
    spot = (image_score(look.anomaly_map) - normal.map_mean[ids]) / normal.map_spread[ids]
    joint = (spot.double().exp() + away.double().exp()).log().float()
    expected = torch.where((spot - away).abs() > 50, torch.maximum(spot, away), joint)
    torch.testing.assert_close(look.score, normal.map_mean[ids] + normal.map_spread[ids] * expected)
    spots = (image_score(look.anomaly_map) - normal.map_mean[ids]) / normal.map_spread[ids]
    for one, spot, picture in zip(judged, spots.tolist(), away.tolist(), strict=True):
        assert (one.spot, one.picture) == pytest.approx((spot, picture), rel=1e-3, abs=1e-3)
        assert one.spoke == one.row()["spoke"] == ("a spot here" if spot >= picture else "the picture as a whole")
    assert look.score.tolist() == [p.score for p in judged]
    assert all(np.array_equal(m, p.anomaly_map) for m, p in zip(look.anomaly_map.numpy(), judged, strict=True))


def test_a_nearest_neighbour_rebuilds_nothing_and_has_no_codes(small_data, tmp_path, paths):
    config = replace(CONFIG, method="knn", score="residual", bank=64)
    look = Detector.load(train(config, load_dataset(small_data), tmp_path / "run", progress=False)).look(paths[:2])
    assert look.reconstruction is None and look.code_ids == {} and tuple(look.signals) == ("residual", "covariance")


def test_scores_with_and_without_places_and_transport_differ(detector, paths):
    look = detector.look(paths)
    kinds = [("combined", True), ("combined", False), ("residual", True), ("residual", False), ("released", None)]
    maps = [detector.read(look.features, look.class_ids, score, normalize).maps for score, normalize in kinds]
    assert all(not torch.allclose(maps[i], maps[j]) for i in range(5) for j in range(i))
    torch.testing.assert_close(look.anomaly_map, maps[2], rtol=1e-3, atol=1e-4)  # the run's own
    own, alone, other = (list(detector.stream(paths, None, score)) for score in (None, "residual", "combined"))
    assert torch.equal(own[0].scores, alone[0].scores) and torch.equal(own[0].maps, alone[0].maps)
    assert torch.equal(other[0].scores, image_score(other[0].maps))  # the picture counts in the run's own score


def test_a_run_is_read_in_another_way_without_training(detector, small_data, paths):
    dataset = load_dataset(small_data)
    again = recalibrate(detector, dataset)
    for one, other in zip(detector.judge(paths), again.judge(paths), strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-3, abs=1e-3)
    plain = recalibrate(detector, dataset, reading="norm", picture=False)
    look = plain.look(paths)
    assert torch.equal(look.score, image_score(look.anomaly_map)) and "covariance" not in look.signals
    assert {one.picture for one in plain.judge(paths)} == {0.0}
    with pytest.raises(InputError, match="width cannot be changed without training"):
        recalibrate(detector, dataset, width=8)
    with pytest.raises(InputError, match="has the classes cloth, the run cloth, stone"):
        recalibrate(detector, load_dataset(dataset.root, "cloth"))


def test_refusals(detector, paths, tmp_path):
    with pytest.raises(InputError, match="knows no class 'gold'"):
        detector.judge(paths[:1], "gold")
    with pytest.raises(InputError, match="1 images and 2 class names"):
        detector.judge(paths[:1], ["cloth", "stone"])
    with pytest.raises(InputError, match=r"uint8 of shape \(H, W, 3\), not float64"):
        detector.judge([np.zeros((8, 8, 3))])
    for alone in (str(paths[0]), paths[0], Image.open(paths[0])):
        with pytest.raises(InputError, match="as a list"):
            detector.judge(alone)
    with pytest.raises(InputError, match="at least one"):
        detector.look([])
    with pytest.raises(InputError, match="no run"):
        Detector.load(tmp_path)
