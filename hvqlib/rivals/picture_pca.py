"""PCA of the picture: what the directions in which whole normal pictures of a class differ can rebuild."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from hvqlib.config import Config
from hvqlib.rivals.rival import Rival

PICTURES = 256  # of a class that the PCA sees; of more, these are drawn at random
VARIANCE = 0.97  # share of it that the components hold, if there may be enough of them


class PicturePCA(Rival):
    """Expect what a PCA of whole feature maps, C H W numbers a picture, makes of the picture at hand.

    Source: Ahuja et al., "Probabilistic modeling of deep features for out-of-distribution and adversarial detection",
    2019 (DFM), whose feature reconstruction error is the norm of this residual over the whole picture.

    Buffers: `mean` (classes, C, H, W); `components` (classes, components, C H W) float16, each of length sqrt(C H W),
    so that float16 holds its numbers well; zeros follow where fewer are enough. Of a few hundred pictures with tens of
    thousands of numbers a PCA learns much by heart, so an image that was fitted to is judged by the PCA of the others,
    worked out when fitting. That is kept in `left_out`, by row, in float16, and not saved: a module that was loaded
    judges every image by all. Images beyond the 256 that the PCA sees are unseen as they are.
    """

    mean: Tensor
    components: Tensor

    def __init__(self, config: Config, channels: int, classes: int) -> None:
        super().__init__(config, channels, classes)
        self.register_buffer("mean", torch.zeros(classes, channels, config.grid, config.grid))
        size = channels * config.grid**2
        self.register_buffer("components", torch.zeros(classes, config.components, size, dtype=torch.float16))
        self.left_out: dict[int, Tensor] = {}  # what the other images of its class make of a fitted one, each (C, H, W)

    def fit(self, features: Tensor | Sequence[Tensor], class_ids: Tensor) -> None:
        """Learn from standardised features (N, C, H, W) of normal images, of classes (N,)."""
        self.left_out = {}
        super().fit(features, class_ids)

    def fit_class(self, class_id: int, features: Tensor | Sequence[Tensor], rows: Sequence[int]) -> None:
        """Fit the PCA of one class, by the eigenvectors of the (n, n) products between its pictures."""
        rows = [rows[i] for i in torch.randperm(len(rows))[:PICTURES].sort().values.tolist()]
        pictures = torch.stack([features[row] for row in rows]).to(self.mean)  # (n, C, H, W)
        self.mean[class_id] = pictures.mean(0)
        away = (pictures - self.mean[class_id]).flatten(1)  # (n, C H W)
        products = (away @ away.T).double()
        weights = principal(products, self.config.components).to(away)  # (k, n)
        self.components[class_id] = 0
        self.components[class_id, : len(weights)] = (weights @ away * away.shape[1] ** 0.5).half()
        rebuilt = without_own(products, self.config.components).to(away) @ pictures.flatten(1)
        self.left_out |= dict(zip(rows, rebuilt.half().view_as(pictures), strict=True))

    def expect(self, features: Tensor, class_id: int | Tensor, own: int) -> Tensor:
        """Rebuild features (C, H, W) by the PCA of the class."""
        if own in self.left_out:
            return self.left_out[own].float()
        away = (features - self.mean[class_id]).flatten()
        components = self.components[class_id].float()  # (components, C H W)
        # Not components.T @ ...: of a transposed matrix and a vector onnxruntime 1.32 makes a wrong product.
        return self.mean[class_id] + ((components @ away) @ components / len(away)).view_as(features)


def principal(products: Tensor, most: int) -> Tensor:
    """Find weights (k, n) that turn n centred points into their principal components, each of length 1.

    From the products (n, n) between the points; as many as hold 97 % of the variance, at most `most`.
    """
    variances, vectors = torch.linalg.eigh(products)
    variances, vectors = variances.flip(0).clamp(min=0), vectors.flip(1)
    share = variances.cumsum(0) / variances.sum().clamp(min=1e-30)
    k = min(int((share < VARIANCE).sum()) + 1, most, int((variances > 1e-9 * variances[0]).sum()))
    return (vectors[:, :k] / variances[:k].sqrt()).T


def without_own(products: Tensor, most: int) -> Tensor:
    """Find weights (n, n), row i: how the PCA of all points but i rebuilds point i as a sum of the others.

    From the products (n, n) between the points, relative to any origin. Rows sum to 1; of a single point it is 0.
    """
    n = len(products)
    result = torch.zeros_like(products)
    for i in range(n if n > 1 else 0):
        others = torch.arange(n, device=products.device) != i
        inner, with_own = products[others][:, others], products[others, i]  # (n - 1, n - 1), (n - 1,)
        row, total = inner.mean(1), inner.mean()
        centred = inner - row - row[:, None] + total  # products of the others, from their mean
        towards = with_own - row - (with_own.mean() - total)  # of the others with point i, all from that mean
        weights = principal(centred, most)  # (k, n - 1)
        result[i, others] = towards @ weights.T @ weights + 1 / (n - 1)
    return result
