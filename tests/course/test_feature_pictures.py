from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from hvqlib.course.feature_pictures import SIDE, PictureDecoder, train_pictures
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_image
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.training.train import train


def test_pictures_are_nearer_to_their_image_than_the_mean_image_is_and_load_again(small_data, small_config, tmp_path):
    dataset = load_dataset(small_data, ["stone"])
    config = replace(small_config, method="knn", score="residual", grid=14)
    detector = Detector.load(train(config, dataset, tmp_path / "run", progress=False))
    decoder = train_pictures(detector, dataset, tmp_path / "pictures.safetensors", steps=150, progress=False)

    images = [read_image(sample.path) for sample in dataset.train]
    features = detector.features(images)
    drawn = decoder.draw(features)
    assert drawn.shape == (8, SIDE, SIDE, 3) and drawn.dtype == np.uint8
    truth = np.stack([Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BILINEAR) for image in images])
    assert np.abs(drawn - truth.astype(float)).mean() < 0.7 * np.abs(truth - truth.mean(0)).mean()
    again = PictureDecoder.load(tmp_path / "pictures.safetensors").draw(features)
    assert np.abs(again.astype(int) - drawn).max() <= 3  # float16 on disk


def test_without_training_images_it_says_so(tmp_path):
    with pytest.raises(InputError, match="no training images"):
        train_pictures(None, AnomalyDataset(tmp_path, (), (), ()), tmp_path / "x")
