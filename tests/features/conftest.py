"""Share a small backbone of random weights, and compute on one thread."""

import pytest
import torch

from hvqlib.features.backbone import Backbone


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def small() -> Backbone:
    torch.manual_seed(0)
    return Backbone(image_size=64, grid=4, weights="random")
