import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors

from hvqlib.config import Config
from hvqlib.rivals import nearest_neighbour
from hvqlib.rivals.nearest_neighbour import NearestNeighbour, k_center, project


def patches(features: torch.Tensor) -> np.ndarray:
    return features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).numpy()


@pytest.mark.parametrize("coreset", [True, False])
def test_the_residual_is_scikit_learns_nearest_patch_minus_the_patch(coreset):
    torch.manual_seed(0)
    train, test = torch.randn(9, 6, 3, 3), torch.randn(4, 6, 3, 3)
    class_ids, ids = torch.tensor([0, 0, 1] * 3), torch.tensor([0, 1, 1, 0])
    model = NearestNeighbour(Config(method="knn", bank=2 * 54, coreset=coreset), 6, 2)
    model.fit(train, class_ids)
    residual, _ = model.measure(test, ids)
    for c in (0, 1):
        normal, asked = patches(train[class_ids == c]), patches(test[ids == c])
        _, found = NearestNeighbors(n_neighbors=1).fit(normal).kneighbors(asked)
        np.testing.assert_allclose(patches(residual[ids == c]), normal[found[:, 0]] - asked, atol=1e-5)


@pytest.mark.parametrize("coreset", [True, False])
def test_the_bank_is_a_sample_of_the_patches_or_repeats_them_and_knows_whose_they_are(coreset):
    features = torch.arange(32.0).reshape(2, 1, 4, 4)
    few, many = (NearestNeighbour(Config(method="knn", bank=n, coreset=coreset), 1, 1) for n in (10, 100))
    assert set(few.image.flatten().tolist()) == {-1}
    for model in (few, many):
        model.fit(features, torch.zeros(2, dtype=torch.long))
        assert torch.equal(model.image, (model.bank[..., 0] // 16).long())
    assert few.bank.shape == (1, 10, 1) and len(few.bank.unique()) == 10
    assert set(many.bank.flatten().tolist()) == set(range(32)) and many.bank.shape == (1, 100, 1)


def test_the_bank_is_shared_out_among_the_classes():
    assert NearestNeighbour(Config(method="knn", bank=100), 4, 6).bank.shape == (6, 16, 4)
    assert NearestNeighbour(Config(method="knn", bank=2), 4, 6).bank.shape == (6, 1, 4)


def test_k_center_chooses_as_a_loop_over_all_pairs_does():
    torch.manual_seed(3)
    points = torch.randn(60, 4)
    chosen = k_center(points, 15).tolist()
    expected = chosen[:1]
    while len(expected) < 15:
        nearest = [min(float((p - points[c]).norm()) for c in expected) for p in points]
        expected.append(int(np.argmax(nearest)))
    assert chosen == expected


def test_k_center_finds_every_cluster_where_chance_misses_some():
    torch.manual_seed(0)
    centres = torch.tensor([[0.0, 0], [50, 0], [0, 50], [50, 50], [99, 99]])
    sizes = torch.tensor([500, 3, 3, 3, 1])
    points = centres.repeat_interleave(sizes, 0) + torch.rand(510, 2)
    which = torch.arange(5).repeat_interleave(sizes)
    assert which[k_center(points, 5)].sort().values.tolist() == [0, 1, 2, 3, 4]
    assert len(which[torch.randperm(510)[:5]].unique()) < 5


def test_equal_points_are_no_trouble():
    chosen = k_center(torch.ones(4, 3), 4)
    assert len(chosen) == 4 and set(chosen.tolist()) <= {0, 1, 2, 3}


def test_a_projection_keeps_distances_within_a_third_and_low_dimensions_as_they_are():
    torch.manual_seed(0)
    points = torch.randn(50, 192)
    ratio = torch.pdist(project(points)) / torch.pdist(points)
    assert ratio.min() > 0.6 and ratio.max() < 1.4 and ratio.mean() == pytest.approx(1, abs=0.05)
    assert torch.equal(project(points[:, :64]), points[:, :64])


def test_of_many_patches_k_center_chooses_among_some(monkeypatch):
    monkeypatch.setattr(nearest_neighbour, "CANDIDATES", 20)
    torch.manual_seed(0)
    features = torch.randn(10, 3, 4, 4)
    features[:, :, 0, 0] = 100 * torch.arange(1, 11)[:, None]  # k-center would take these ten first
    model = NearestNeighbour(Config(method="knn", bank=10), 3, 1)
    model.fit(features, torch.zeros(10, dtype=torch.long))
    assert len(model.bank[0].unique(dim=0)) == 10
    assert (model.bank[0, :, 0] >= 100).sum() < 10
