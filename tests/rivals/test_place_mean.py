import numpy as np
import torch

from hvqlib.config import Config
from hvqlib.rivals.place_mean import PlaceMean


def test_the_residual_is_the_mean_of_class_and_place_minus_the_features():
    torch.manual_seed(0)
    train, test = torch.randn(7, 3, 2, 2), torch.randn(2, 3, 2, 2)
    class_ids = torch.tensor([0, 1, 1, 0, 1, 0, 0])
    model = PlaceMean(Config(method="place", grid=2), 3, 2)
    model.fit(train, class_ids)
    residual, _ = model.measure(test, torch.tensor([1, 0]))
    for i, c in enumerate((1, 0)):
        mean = np.mean([f.numpy() for f, k in zip(train, class_ids.tolist(), strict=True) if k == c], 0)
        np.testing.assert_allclose(residual[i], mean - test[i].numpy(), atol=1e-6)
    assert model.count.tolist() == [4, 3]


def test_the_mean_of_many_images_far_from_zero_stays_exact():
    values = 1000 + torch.arange(300.0) % 3
    model = PlaceMean(Config(method="place", grid=1), 1, 1)
    model.fit(values.view(-1, 1, 1, 1), torch.zeros(300, dtype=torch.long))
    assert model.mean.item() == 1001
