"""Resizing equals Pillow's to the bit: larger, smaller, odd, very wide and very tall."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hvqlib.detector.pillow_resize import resize

EDGES = [
    (1, 1),
    (1, 500),
    (500, 1),
    (2, 3),
    (97, 96),
    (96, 97),
    (96, 96),
    (192, 192),
    (289, 193),
    (288, 192),
    (3, 2000),
]


def compare(height: int, width: int, side: int, seed: int) -> None:
    pixels = np.random.RandomState(seed).choice([0, 1, 127, 254, 255], (height, width, 3)).astype(np.uint8)
    expected = np.asarray(Image.fromarray(pixels).resize((side, side), Image.Resampling.BILINEAR))
    assert np.array_equal(resize(torch.from_numpy(pixels), side).numpy(), expected.transpose(2, 0, 1))


@pytest.mark.parametrize(("height", "width"), EDGES)
def test_edges(height, width):
    for side in (96, 97, 224):
        compare(height, width, side, 0)


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 700), st.integers(1, 700), st.integers(1, 130), st.integers(0, 99))
def test_any_size(height, width, side, seed):
    compare(height, width, side, seed)


def test_a_photograph_of_twelve_megapixels():
    compare(3000, 4000, 224, 1)
