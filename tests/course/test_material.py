"""The notebooks' material: data in its folder, the shipped detector, and what is true of samples, against loops."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib.course import material
from hvqlib.course.foundry import PRODUCTS
from hvqlib.course.foundry.dataset import draw_foundry, draw_picture
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image, read_mask
from hvqlib.errors import InputError
from hvqlib.evaluation.figures import thumbnail
from hvqlib.files import data_folder

DEFECT_COLOUR = (213, 94, 0)


@pytest.fixture(scope="module")
def detector():
    return material.shipped()


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn") / "foundry"
    draw_foundry(root, counts={"train": 1, "good": 1, "defective": 1}, workers=1)
    return load_dataset(root).test


def test_the_data_set_is_made_in_the_data_folder(monkeypatch, own_data):
    roots = []
    monkeypatch.setattr(material, "make_foundry", roots.append)
    monkeypatch.setattr(material, "load_dataset", lambda root: root)
    assert material.foundry() == own_data / "foundry" == roots[0]


def test_what_is_not_in_the_data_folder_is_named(own_data):
    for part in (material.shipped, material.pictures, material.results_folder):
        with pytest.raises(InputError, match="is not there: set HVQ_DATA"):
            part()
    assert material.cache_folder() == own_data / "cache" and not list(own_data.iterdir())


def test_features_are_standardised_and_know_their_class(own_data, detector, small_data):
    samples = [replace(s, class_name="gear", class_id=0) for s in load_dataset(small_data).test[:8]]
    features, class_ids = material.features(detector, samples)
    raw = detector.backbone(detector.pixels([s.path for s in samples]))
    mean, std = (v.view(1, -1, 1, 1) for v in (detector.standardize.mean, detector.standardize.std))
    torch.testing.assert_close(features, (raw - mean) / std, atol=1e-3, rtol=1e-3)
    assert class_ids.tolist() == [detector.classes.index("gear")] * 8  # the detector's, not the data set's
    assert list((own_data / "cache").glob("*.features"))


def test_the_shipped_detector_calls_a_drawn_defect(detector):
    pictures = [
        draw_picture("cloth", "good", 0)[0],
        draw_picture("cloth", "defective", 0, defect=PRODUCTS["cloth"][1][0])[0],
    ]
    good, bad = detector.judge(pictures)
    assert good.class_name == bad.class_name == "cloth" and bad.defective and bad.score > 2 * good.score
    assert sum(p.stat().st_size for p in (data_folder() / "checkpoints").rglob("*") if p.is_file()) < 30e6


def test_the_shipped_pictures_are_of_the_image_they_are_drawn_from(detector):
    for name in ("capsule", "board"):
        images = [draw_picture(name, "good", number, seed=9)[0] for number in (0, 1)]  # never trained on
        drawn = material.pictures().draw(detector.features(images)).astype(float)
        small = [np.asarray(Image.fromarray(i).resize((112, 112), Image.Resampling.BOX), float) for i in images]
        own, other = (np.abs(drawn - np.stack(some)).mean((1, 2, 3)) for some in (small, small[::-1]))
        assert (own < 16).all() and (own < other).all(), (own, other)


def test_truth_of_samples_equals_a_loop(drawn):
    labels, class_ids, masks, share = material.truth(drawn, 28, 7)
    assert labels.tolist() == [s.label for s in drawn] and class_ids.tolist() == [s.class_id for s in drawn]
    assert masks.shape == (len(drawn), 28, 28) and share.shape == (len(drawn), 7, 7)
    for sample, mask, tokens in zip(drawn, masks, share, strict=True):
        assert np.array_equal(mask, read_mask(sample, 28))
        for row in range(7):
            for column in range(7):
                cell = mask[4 * row : 4 * row + 4, 4 * column : 4 * column + 4]
                assert tokens[row, column] == cell.sum() / 16
    assert share[labels == 0].max() == 0 < share[labels == 1].max()
    with pytest.raises(InputError, match="no multiple"):
        material.truth(drawn, 30, 7)


def test_a_defect_is_outlined_outside_of_itself(drawn):
    for sample in drawn[:4]:
        plain, shown, mask = thumbnail(sample.path), material.outlined(sample), read_mask(sample, 224)
        edge = (shown != plain).any(2)
        assert edge.any() == bool(sample.label) and not (edge & mask).any()
        assert (shown[edge] == DEFECT_COLOUR).all()


def test_a_clean_twin_differs_by_its_defect_alone(drawn, small_data):
    for sample in (s for s in drawn if s.label):
        apart = np.abs(material.clean_twin(sample).astype(int) - read_image(sample.path)).max(2)
        mask = read_mask(sample, 256)
        assert apart[mask].mean() > 10 * apart[~mask].mean()
    others = (next(s for s in drawn if not s.label), next(s for s in load_dataset(small_data).test if s.label))
    for other in others:  # a normal image, and one of another data set
        with pytest.raises(InputError, match="no clean twin"):
            material.clean_twin(other)
    hurt = next(s for s in drawn if s.label)
    with pytest.raises(InputError, match="is a photograph"):
        material.clean_twin(replace(hurt, class_name="ballscrew"))
