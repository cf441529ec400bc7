import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from hvqlib.config import Config
from hvqlib.rivals import picture_pca
from hvqlib.rivals.picture_pca import PicturePCA

ZEROS = torch.zeros(60, dtype=torch.long)


def pictures(n: int, directions: int = 6, noise: float = 0.3, seed: int = 0) -> torch.Tensor:
    """Pictures (n, 4, 5, 5) that differ in a few directions, and by noise; equal seeds share the first pictures."""
    torch.manual_seed(7)
    basis, mean = torch.randn(directions, 100), 3 * torch.randn(100)
    torch.manual_seed(seed)
    return torch.stack([mean + torch.randn(directions) @ basis + noise * torch.randn(100) for _ in range(n)]).view(
        -1, 4, 5, 5
    )


def fitted(features: torch.Tensor, components: int = 64) -> PicturePCA:
    model = PicturePCA(Config(method="pca", grid=5, components=components), 4, 1)
    model.fit(features, ZEROS[: len(features)])
    return model


def scikit_learns(train: torch.Tensor, test: torch.Tensor, components: float) -> np.ndarray:
    """Residual of its PCA in float64: `components` is a number or, below 1, the share of variance."""
    solver = PCA(components, svd_solver="full").fit(train.flatten(1).double().numpy())
    flat = test.flatten(1).double().numpy()
    return (solver.inverse_transform(solver.transform(flat)) - flat).reshape(test.shape)


@pytest.mark.parametrize(("most", "share"), [(64, 0.97), (3, 3)])
def test_the_residual_is_scikit_learns(most, share):
    train, test = pictures(40), pictures(5, seed=1)
    residual, _ = fitted(train, most).measure(test, ZEROS[:5])
    np.testing.assert_allclose(residual, scikit_learns(train, test, share), atol=0.02)  # components are float16
    assert residual.norm() > 2


def test_left_out_images_have_the_residual_of_scikit_learns_pca_of_the_others():
    train = pictures(25)
    model = fitted(train)
    own, _ = model.measure(train, ZEROS[:25], own=torch.arange(25))
    for i in range(25):
        expected = scikit_learns(train[torch.arange(25) != i], train[i : i + 1], 0.97)[0]
        np.testing.assert_allclose(own[i], expected, atol=0.01)
    by_heart, _ = model.measure(train, ZEROS[:25])
    assert by_heart.norm() < 0.8 * own.norm()


def test_components_are_no_more_than_the_variance_needs_and_scaled_for_float16():
    model = fitted(pictures(40, directions=2, noise=0.01), 5)
    lengths = model.components[0].float().norm(dim=1)
    assert model.components.dtype == torch.float16 and model.components.shape == (1, 5, 100)
    torch.testing.assert_close(lengths, torch.tensor([10.0, 10, 0, 0, 0]), atol=0.01, rtol=0)


def test_pictures_beyond_the_limit_are_unseen(monkeypatch):
    monkeypatch.setattr(picture_pca, "PICTURES", 10)
    train = pictures(30)
    model = fitted(train)
    assert len(model.left_out) == 10
    beyond = [i for i in range(30) if i not in model.left_out]
    own, _ = model.measure(train[beyond], ZEROS[:20], own=torch.tensor(beyond))
    used = train[sorted(model.left_out)]
    np.testing.assert_allclose(own, scikit_learns(used, train[beyond], 0.97), atol=0.02)


def test_equal_pictures_are_their_own_mean():
    same = torch.ones(4, 4, 5, 5)
    model = fitted(same)
    for own in (None, torch.arange(4)):
        torch.testing.assert_close(model.measure(same, ZEROS[:4], own=own)[0], torch.zeros_like(same))
