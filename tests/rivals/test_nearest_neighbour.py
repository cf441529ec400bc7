import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from hvqlib.config import Config
from hvqlib.rivals.nearest_neighbour import NearestNeighbour


def test_distance_equals_scikit_learns():
    torch.manual_seed(0)
    train, test = torch.randn(5, 6, 3, 3), torch.randn(2, 6, 3, 3)
    model = NearestNeighbour(Config(method="knn", bank=45), 6, 1)
    model.fit(train)
    patches = [f.permute(0, 2, 3, 1).reshape(-1, 6).numpy() for f in (train, test)]
    expected, _ = NearestNeighbors(n_neighbors=1).fit(patches[0]).kneighbors(patches[1])
    maps = model.signals(test, torch.zeros(2, dtype=torch.long))["residual"]
    np.testing.assert_allclose(maps.flatten(), expected[:, 0], atol=1e-4)


def test_bank_is_a_sample_of_the_patches_or_repeats_them():
    features = torch.arange(32.0).reshape(2, 1, 4, 4)
    few, many = (NearestNeighbour(Config(method="knn", bank=n), 1, 1) for n in (10, 100))
    few.fit(features)
    many.fit(features)
    assert len(few.bank.unique()) == 10
    assert set(many.bank.flatten().tolist()) == set(range(32)) and len(many.bank) == 100
