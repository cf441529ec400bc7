"""Tiles against slices, and squares against what they must cover."""

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from hvqlib.config import Config
from hvqlib.data.tiles import Tile, squares

CUT = Config(fit="tiles")


@given(st.integers(1, 300), st.integers(1, 300), st.just(0) | st.integers(14, 80), st.sampled_from([0.0, 0.25, 0.5]))
@settings(max_examples=60, deadline=None)
def test_squares_cover_an_image_and_overlap(width, height, tile, overlap):
    config = replace(CUT, tile=tile, overlap=overlap)
    side, rows, columns = squares(width, height, config)
    assert side == min(width, height, tile or width)
    for starts, length in ((rows, height), (columns, width)):
        assert starts == sorted(set(starts)) and starts[0] == 0 and starts[-1] == length - side
        step = max(1, side * (1 - overlap))
        assert all(b - a <= step + 1 for a, b in zip(starts, starts[1:], strict=False))  # to a pixel
        fewer = len(starts) - 1  # would not overlap enough
        assert fewer == 0 or side + (fewer - 1) * step < length


def test_a_tile_is_cut_out_of_its_image_and_its_edge_repeated():
    image = np.random.default_rng(0).integers(0, 256, (5, 11, 3), dtype=np.uint8)
    assert np.array_equal(Tile(image, (2, 1, 6, 5)).of(image), image[1:5, 2:6])
    side, (top,), (left,) = squares(11, 5, Config(fit="letterbox"))
    square = Tile(image, (left, top, left + side, top + side)).of(image)
    rows = np.clip(np.arange(-3, 8), 0, 4)
    assert np.array_equal(square, image[rows])
