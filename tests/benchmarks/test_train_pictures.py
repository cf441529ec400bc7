"""A decoder trained for seconds draws its images better than their mean does."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from benchmarks.train_pictures import train_pictures
from hvqlib.course.feature_pictures import SIDE, PictureDecoder
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_image
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.training.train import train


def test_pictures_are_nearer_to_their_image_than_the_mean_image_is_and_load_again(small_data, small_config, tmp_path):
    dataset = load_dataset(small_data, ["stone"])
    dataset = replace(dataset, train=dataset.train[:5])
    config = replace(small_config, method="knn", score="residual", grid=14, bank=100)
    detector = Detector.load(train(config, dataset, tmp_path / "run", progress=False))
    out = tmp_path / "pictures.safetensors"
    decoder = train_pictures(detector, dataset, out, steps=60, batch=3, progress=False)
    images = [read_image(sample.path) for sample in dataset.train]
    drawn = decoder.draw(detector.features(images))
    truth = np.stack([Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in images])
    assert np.abs(drawn - truth.astype(float)).mean() < 0.7 * np.abs(truth - truth.mean(0)).mean()
    assert np.abs(PictureDecoder.load(out).draw(detector.features(images)).astype(int) - drawn).max() <= 3


def test_without_training_images_it_says_so(tmp_path):
    with pytest.raises(InputError, match="no training images"):
        train_pictures(None, AnomalyDataset(tmp_path, (), (), ()), tmp_path / "x")
