"""Tiling against loops and closed forms."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib.config import Config
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.detector import Detector
from hvqlib.detector.run_folder import read_run
from hvqlib.detector.tiling import Tiling, told_fit
from hvqlib.evaluation.evaluate import evaluate
from hvqlib.training.recalibrate import recalibrate
from hvqlib.training.train import train

CUT = Config(fit="tiles")
FITS = {"tiles": 12, "squeeze": 0, "letterbox": 0}  # with the side of a tile


def picture(width: int, height: int) -> np.ndarray:
    """Every pixel tells its place: red its column, green its row, blue 7."""
    image = np.full((height, width, 3), 7, np.uint8)
    image[..., 0], image[..., 1] = np.arange(width) % 256, (np.arange(height) % 256)[:, None]
    return image


def test_parts_are_numbered_by_class_row_and_column():
    images = [picture(100, 40), picture(100, 40), picture(40, 100), picture(50, 50), picture(220, 40)]
    ids = torch.tensor([1, 1, 0, 2, 1])
    tiling = Tiling.measure(CUT, images, ids, 4, torch.zeros(5, dtype=torch.bool))
    assert tiling.layouts == ((3, 1), (1, 3), (1, 1), (1, 1)) and tiling.parts == 8
    tiles = tiling.cut(images)
    parts = tiling.part_ids(tiles, ids)
    # The last image has seven tiles; each counts as that of the usual three which is at its place.
    assert tiles.image.tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] + [4] * 7
    assert parts.tolist() == [3, 4, 5] * 2 + [0, 1, 2] + [6] + [3, 3, 4, 4, 4, 5, 5]
    some = tiles.take(slice(2, 4))
    assert some.image.tolist() == [0, 0, 0, 1] and some.pictures == tiles.pictures[6:10]


def test_vectors_are_averaged_and_lengths_joined():
    images = [picture(100, 40), picture(50, 50)]
    tiles = Tiling(CUT, [(1, 3)]).cut(images)
    vectors = torch.randn(4, 5, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(tiles.mean(vectors), torch.stack([vectors[:3].mean(0), vectors[3]]))
    lengths = torch.tensor([3.0, 4.0, 12.0, 2.0])
    assert torch.allclose(tiles.length(lengths), torch.tensor([13 / math.sqrt(3), 2.0]))
    seen_whole = Tiling(Config(), [(1, 1)]).cut(images)
    assert seen_whole.mean(vectors) is vectors and seen_whole.length(lengths) is lengths


def test_maps_are_put_together_without_seams():
    """A map that is the same straight slope in every tile comes out as that slope, whatever the tiles."""
    side, size = 48, (130, 50)
    for tile, overlap in ((0, 0.25), (20, 0.0), (31, 0.5)):
        tiles = Tiling(replace(CUT, tile=tile, overlap=overlap), [(1, 1)]).cut([picture(*size)])
        boxes = tiles.boxes
        assert boxes is not None
        across = torch.linspace(0, 1, side)  # corners aligned: the ends of a tile's map are its edges
        middles = (torch.arange(side) + 0.5) / side
        maps = torch.stack([
            2 * (a + (c - a) * across) + 3 * (b + (d - b) * across)[:, None] for a, b, c, d in boxes
        ])  # fmt: skip
        (whole,), (score,) = tiles.join(maps, side)
        slope = 2 * middles + 3 * middles[:, None]
        assert torch.allclose(whole, slope, atol=0.05), (whole - slope).abs().max()
        assert score == image_score(maps).max()  # of a tile, at its own resolution


def test_seen_whole_a_map_is_only_enlarged():
    maps = torch.randn(3, 6, 6, generator=torch.Generator().manual_seed(0))
    whole, scores = Tiling(Config(), [(1, 1)]).cut([picture(9, 9)] * 3).join(maps, 24)
    assert torch.equal(whole, upsample(maps, (24, 24))) and torch.equal(scores, image_score(whole))


def test_what_is_beyond_a_padded_image_scores_nothing():
    tiles = Tiling(Config(fit="letterbox"), [(1, 1)]).cut([picture(40, 20)])  # a quarter above, a quarter below
    inside = torch.zeros(1, 48, 48)
    inside[0, 12:36] = torch.arange(48.0)
    outside = inside.clone()
    outside[0, :12], outside[0, 36:] = 1e3, 1e3
    for maps in (inside, outside):
        (whole,), (score,) = tiles.join(maps, 48)
        assert torch.allclose(whole[4:-4], torch.arange(48.0).expand(40, 48), atol=0.6)
        assert score == pytest.approx(39.5)  # the last 16 columns'


def test_an_image_thinner_than_a_pixel_of_the_square_has_a_score():
    for width, height in ((10, 3000), (3000, 10)):
        tiles = Tiling(Config(fit="letterbox"), [(1, 1)]).cut([picture(width, height)])
        whole, score = tiles.join(torch.rand(1, 224, 224), 224)
        assert torch.isfinite(whole).all() and 0 < score < 1


@pytest.fixture(scope="module")
def wide(tmp_path_factory) -> Path:
    """Two classes: gratings of 48 x 16 pixels, 12 to train on, 3 good, 3 with a dot; and square ones of 16 x 16."""
    root, random = tmp_path_factory.mktemp("wide"), np.random.default_rng(0)
    for name, width in (("plate", 48), ("tab", 16)):
        for folder, count in (("train/good", 12), ("test/good", 3), ("test/dot", 3)):
            (root / name / folder).mkdir(parents=True)
            for i in range(count):
                image = (
                    120 + 60 * np.sin(np.arange(width) / 3 + random.uniform(0, 6)) + random.normal(0, 4, (16, width))
                )
                mask = np.zeros((16, width), bool)
                if folder == "test/dot":
                    y, x = random.integers(2, 10), random.integers(2, width - 6)
                    mask[y : y + 4, x : x + 4] = True
                    image[mask] = 255
                    (root / name / "ground_truth/dot").mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask).save(root / name / f"ground_truth/dot/{i}.png")
                pixels = np.repeat(image.clip(0, 255).astype(np.uint8)[..., None], 3, 2)
                Image.fromarray(pixels).save(root / name / folder / f"{i}.png")
    return root


@pytest.mark.parametrize("method", ["hvq", "knn", "place"])
def test_a_run_on_tiles_judges_images(wide, tmp_path, small_config, method):
    """Trained, calibrated and judged by tiles; one number an image; the same from a file, an array, a batch of one."""
    config = replace(small_config, fit="tiles", method=method, rank=4, holdout=0.25)
    dataset = load_dataset(wide)
    run = train(config, dataset, tmp_path / "run", progress=False, cache=tmp_path / "cache")
    assert read_run(run)[-1] == ((1, 4), (1, 1))
    detector = Detector.load(run)
    assert detector.calibration.mean.shape[0] == 5 and detector.calibration.image_mean.shape == (2,)
    assert len(detector.calibration.scores) == 4  # of images, not of tiles: 3 a class held out, one sets the level
    paths = [sample.path for sample in dataset.test]
    names = [sample.class_name for sample in dataset.test]
    judged = detector.judge(paths, names)
    assert {one.anomaly_map.shape for one in judged} == {(64, 64)}
    again = detector.judge([read_image(path) for path in paths[::-1]], names[::-1], cache=tmp_path / "cache")[::-1]
    for one, other in zip(judged, again, strict=True):
        assert one.score == pytest.approx(other.score, rel=1e-4)
        np.testing.assert_allclose(one.anomaly_map, other.anomaly_map, rtol=1e-3, atol=1e-3)
    dots = [i for i, sample in enumerate(dataset.test) if sample.label and sample.class_name == "plate"]
    for i in dots:  # the brightest spot of the map is where the dot is
        mask = np.asarray(Image.open(dataset.test[i].mask).resize((64, 64)))
        y, x = np.unravel_index(judged[i].anomaly_map.argmax(), (64, 64))
        assert mask[max(0, y - 8) : y + 9, max(0, x - 4) : x + 5].any(), (method, i)
    metrics = evaluate(detector, dataset).metrics
    assert metrics["classes"]["plate"]["pixel_auroc"] > 0.8
    same = recalibrate(detector, dataset, tmp_path / "cache")
    assert same.judge(paths[:3], names[0])[0].score == pytest.approx(judged[0].score, rel=1e-3)
    assert {one.class_name for one in detector.judge(paths[:3])} <= set(dataset.classes)  # guessed from all tiles
    long = picture(400, 16)  # of more tiles than a batch holds
    (one,) = detector.judge([long], "plate")
    (other,) = replace(detector, config=replace(config, batch_size=64)).judge([long], "plate")
    assert one.score == pytest.approx(other.score, rel=1e-4)
    look = detector.look(paths[:2], "plate")
    assert len(look.features) == 8 and len(look.anomaly_map) == len(look.score) == len(look.picture) == 2


def test_training_says_how_images_become_squares(wide):
    told = {fit: told_fit(Config(fit=fit, tile=tile, grid=4), load_dataset(wide)) for fit, tile in FITS.items()}
    assert told["tiles"] == "Images are cut into squares of 12 pixels, rows x columns: plate 2 x 5, tab 2 x 2.\n"
    assert told["squeeze"].startswith("Images of plate are far from square") and "padded" in told["letterbox"]
    assert told_fit(Config(), load_dataset(wide, "tab")) == ""


def test_a_layout_is_that_of_images_that_are_fitted_to():
    images = [picture(100, 40), picture(100, 40), picture(40, 40)]
    held = torch.tensor([True, True, False])
    assert Tiling.measure(CUT, images, torch.zeros(3, dtype=torch.long), 1, held).layouts == ((1, 1),)
