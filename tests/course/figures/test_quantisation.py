"""The pictures of notebook 04: each is drawn, at its size."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib.course.figures import quantisation

TOKENS, BOOK = torch.randn(30, 2, generator=torch.manual_seed(0)), torch.tensor([[0.0, 1.0], [2.0, 0.5], [-2.0, 3.0]])
LINE = torch.linspace(-2, 2, 50)
PATCH, PICTURE, MAP = (np.zeros(shape, np.uint8) for shape in ((48, 48, 3), (224, 224, 3), (14, 14)))
THREE = {"a": [0.4, 0.4, 0.4], "b": [0.4, 0.1, 0.01]}
PICTURES: dict[str, tuple[Callable[[], bytes], tuple[int, int]]] = {
    "answers": (lambda: quantisation.draw_answers(TOKENS, TOKENS[:3], BOOK, BOOK, 2), (720, 333)),
    "kmeans": (lambda: quantisation.draw_kmeans(TOKENS, [BOOK, BOOK], [2.0, 1.0], 1), (720, 324)),
    "one prototype": (lambda: quantisation.draw_kmeans(TOKENS, [BOOK[:1]], [2.0], 0), (720, 324)),
    "known": (lambda: quantisation.draw_known(BOOK), (720, 306)),
    "staircase": (lambda: quantisation.draw_staircase(LINE, LINE.round(), torch.tensor([[0.0]]), 0.9), (720, 306)),
    "training": (lambda: quantisation.draw_training(THREE, 0.005), (720, 288)),
    "rest": (lambda: quantisation.draw_rest({0.0: np.arange(20.0), 1.0: np.ones(20)}, 1, 2), (720, 324)),
    "following": (lambda: quantisation.draw_following(TOKENS, {0.9: BOOK}, {0.9: [0.5, 0.4]}), (720, 315)),
    "token": (lambda: quantisation.draw_token(PICTURE, MAP, [PATCH] * 4, (3, 4), (0, 1), True), (630, 441)),
    "few peers": (lambda: quantisation.draw_token(PICTURE, MAP, [PATCH] * 2, (0, 13), (0, 1), False), (630, 441)),
}


@pytest.mark.parametrize("name", PICTURES)
def test_picture(name: str) -> None:
    draw, size = PICTURES[name]
    assert Image.open(io.BytesIO(draw())).size == size


def test_lines_over_the_number_of_prototypes() -> None:
    means, found = {"normal": [2.0, 1.0], "far": [4.0, 3.0]}, {"far, clean": [1.0, 1.0], "far, 3 strays": [1.0, 0.5]}
    assert Image.open(io.BytesIO(quantisation.draw_numbers((1, 2), means, found))).size == (720, 351)
    swept = quantisation.draw_sweep((1, 4), {"defective": np.ones(2)}, {"tokens": np.ones(2)})
    assert Image.open(io.BytesIO(swept)).size == (720, 333)
