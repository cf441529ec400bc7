"""The subspace of whole pictures against scikit-learn's PCA."""

import numpy as np
import torch
from sklearn.decomposition import PCA

from hvqlib.detector.picture_subspace import FOLDS, PictureSubspace, coarsen


def draw(number: int, seed: int) -> torch.Tensor:
    """Residuals (number, 4, 7, 7) in few directions, and a little noise."""
    generator = torch.Generator().manual_seed(seed)
    basis = torch.randn(5, 4, 7, 7, generator=torch.Generator().manual_seed(9))
    along = torch.randn(number, 5, generator=generator)
    return torch.einsum("nk,kchw->nchw", along, basis) + 0.05 * torch.randn(number, 4, 7, 7, generator=generator)


def test_cells_are_equal_and_the_rim_is_left_out():
    residuals = torch.randn(2, 4, 14, 14)
    cells = coarsen(residuals).view(2, 4, 3, 3)
    for row in range(3):
        for column in range(3):
            part = residuals[:, :, 1 + 4 * row : 5 + 4 * row, 1 + 4 * column : 5 + 4 * column]
            torch.testing.assert_close(cells[:, :, row, column], part.mean((2, 3)))
    assert coarsen(torch.randn(2, 4, 2, 2)).shape == (2, 36)


def test_measures_equal_the_reconstruction_error_of_a_pca():
    seen, fresh = draw(40, 0), draw(6, 1)
    picture = PictureSubspace(4, 2)
    folds = picture.fit(1, seen)
    x, y = coarsen(seen).double().numpy(), coarsen(fresh).double().numpy()

    def error(train: np.ndarray, test: np.ndarray) -> np.ndarray:
        pca = PCA(0.97, svd_solver="full").fit(train)
        return np.linalg.norm(test - pca.inverse_transform(pca.transform(test)), axis=1)

    found = picture(fresh, torch.ones(6, dtype=torch.long))
    np.testing.assert_allclose(found, error(x, y), rtol=0.02)  # directions are float16
    fold = np.arange(40) % FOLDS
    for k in (0, 3):
        np.testing.assert_allclose(folds[fold == k], error(x[fold != k], x[fold == k]), rtol=1e-3)
    other = picture(fresh, torch.zeros(6, dtype=torch.long))  # a class without images: nothing is explained
    torch.testing.assert_close(other, coarsen(fresh).norm(dim=1))


def test_a_weak_change_all_over_stands_out_and_few_images_are_no_trouble():
    picture = PictureSubspace(4, 1)
    normal = picture.fit(0, draw(40, 0))
    generator = torch.Generator().manual_seed(3)
    changed = draw(10, 2) + 0.3 * torch.randn(1, 4, 1, 1, generator=generator)
    assert picture(changed, torch.zeros(10, dtype=torch.long)).min() > normal.max()
    for number in (1, 2):
        few = PictureSubspace(4, 1)
        assert few.fit(0, draw(number, 0)).isfinite().all()
        assert few(draw(3, 1), torch.zeros(3, dtype=torch.long)).isfinite().all()
