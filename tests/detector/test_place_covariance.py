"""The covariance of a place against SciPy, scikit-learn and slow loops."""

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal
from sklearn.covariance import LedoitWolf

from hvqlib.detector.place_covariance import RIDGES, STRENGTHS, PlaceCovariance, settle


def draw(number: int, seed: int = 0, channels: int = 6) -> torch.Tensor:
    """Residuals (number, channels, 3, 4) whose mean and covariance differ from place to place."""
    generator = torch.Generator().manual_seed(seed)
    shape = torch.Generator().manual_seed(99)
    mix = torch.randn(12, channels, channels, generator=shape) * 0.5
    mean = torch.randn(12, channels, generator=shape)
    white = torch.randn(number, 12, channels, generator=generator)
    vectors = torch.einsum("nlc,ldc->nld", white, mix) + mean
    return vectors.transpose(1, 2).reshape(number, channels, 3, 4)


def shrunk(residuals: torch.Tensor, place: int, strength: float, ridge: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean and covariance of a place, by NumPy."""
    vectors = residuals.flatten(2).double().numpy()  # (n, C, L)
    n, channels = vectors.shape[:2]
    away = vectors - vectors.mean(0)
    pooled = np.mean([np.cov(away[:, :, p].T, bias=True) for p in range(vectors.shape[2])], 0)
    own = np.cov(away[:, :, place].T, bias=True)
    weight = n / (n + strength)
    return vectors[:, :, place].mean(0), weight * own + (1 - weight) * pooled + ridge * np.eye(channels)


def test_distances_equal_a_mahalanobis_distance_at_full_rank():
    residuals, fresh = draw(40), draw(5, 1)
    covariance = PlaceCovariance(6, 2, 12, rank=6)
    covariance.fit(1, residuals)
    found = covariance(fresh, torch.ones(5, dtype=torch.long)).flatten(1)
    strength, ridge = covariance.settled[1].tolist()
    for place in range(12):
        mean, matrix = shrunk(residuals, place, strength, ridge)
        away = fresh.flatten(2)[:, :, place].double().numpy() - mean
        expected = np.sqrt(np.einsum("nc,cd,nd->n", away, np.linalg.inv(matrix), away))
        np.testing.assert_allclose(found[:, place], expected, rtol=5e-3)  # directions are float16
    assert covariance(fresh, torch.zeros(5, dtype=torch.long)).isfinite().all()  # a class without images


def test_an_image_is_measured_as_if_it_had_been_left_out():
    residuals = draw(30)
    covariance = PlaceCovariance(6, 1, 12, rank=6)
    found = covariance.fit(0, residuals).flatten(1)
    strength, ridge = covariance.settled[0].tolist()
    for image in (0, 7):
        for place in (0, 5):
            vectors = residuals.flatten(2)[:, :, place].double().numpy()
            n, away = len(vectors), residuals.flatten(2).double().numpy()
            away = away - away.mean(0)
            pooled = np.mean([np.cov(away[:, :, p].T, bias=True) for p in range(12)], 0)
            others = np.delete(vectors, image, 0)
            centred = np.delete(vectors - vectors.mean(0), image, 0)
            weight = n / (n + strength)
            matrix = weight / n * centred.T @ centred + (1 - weight) * pooled + ridge * np.eye(6)
            gone = vectors[image] - others.mean(0)
            assert float(found[image, place]) == pytest.approx(np.sqrt(gone @ np.linalg.inv(matrix) @ gone), rel=0.01)
    within = covariance(residuals, torch.zeros(30, dtype=torch.long)).flatten(1)
    assert (found > within).all()
    # On average as far as images that were not there.
    assert float(found.mean()) == pytest.approx(
        float(covariance(draw(200, 3), torch.zeros(200).long()).mean()), rel=0.05
    )


def test_settled_values_are_the_likeliest_by_scipy():
    residuals = draw(25)
    vectors = residuals.flatten(2).transpose(1, 2)
    vectors = vectors - vectors.mean(0)
    pooled = torch.einsum("nlc,nld->cd", vectors, vectors) / (25 * 12)
    unseen = draw(400, 5)
    likelihood = {}
    for strength in STRENGTHS:
        for ridge in RIDGES:
            total = 0.0
            for place in range(12):
                mean, matrix = shrunk(residuals, place, strength, ridge)
                x = unseen.flatten(2)[:, :, place].double().numpy()
                scale = np.einsum("nc,cd,nd->n", x - mean, np.linalg.inv(matrix), x - mean).mean() / 6
                total += multivariate_normal(mean, scale * matrix).logpdf(x).mean()
            likelihood[strength, ridge] = total
    chosen = settle(vectors, pooled)
    assert likelihood[chosen] > max(likelihood.values()) - 0.15 * 12  # of 25 images, without having seen the 400


def test_places_alike_are_drawn_together_and_places_apart_are_not():
    generator = torch.Generator().manual_seed(0)
    alike = torch.randn(30, 12, 6, generator=generator)
    alike = alike - alike.mean(0)
    apart = draw(300).flatten(2).transpose(1, 2)
    apart = apart - apart.mean(0)
    strength = []
    for vectors in (alike, apart):
        pooled = torch.einsum("nlc,nld->cd", vectors, vectors) / (len(vectors) * 12)
        strength.append(settle(vectors, pooled)[0])
    assert strength[0] == STRENGTHS[-1] and strength[1] == STRENGTHS[0]
    # Ledoit and Wolf's shrinkage, towards another target, tells the two apart likewise.
    shrinkage = [LedoitWolf().fit(v[:, 0].numpy()).shrinkage_ for v in (alike, apart)]
    assert shrinkage[0] > 10 * shrinkage[1]


def test_fewer_directions_lose_little_and_few_images_are_no_trouble():
    residuals, fresh = draw(60, channels=12), draw(20, 1, channels=12)
    ids = torch.zeros(20, dtype=torch.long)
    found = []
    for rank in (3, 9, 12):
        covariance = PlaceCovariance(12, 1, 12, rank)
        covariance.fit(0, residuals)
        found.append(covariance(fresh, ids).flatten())
    alike = np.corrcoef(np.stack(found))[2]  # to what all 12 directions give
    assert 0.7 < alike[0] < alike[1] and alike[1] > 0.97
    for number in (1, 2, 3):
        small = PlaceCovariance(12, 1, 12, 3)
        assert small.fit(0, residuals[:number]).isfinite().all()
        assert small(fresh, ids).isfinite().all()


def test_the_same_images_fit_the_same_and_a_class_can_be_fitted_anew():
    residuals = draw(20)
    one, other = PlaceCovariance(6, 1, 12, 4), PlaceCovariance(6, 1, 12, 4)
    torch.manual_seed(0)
    first = one.fit(0, residuals)
    other.fit(0, draw(9, 7))
    torch.manual_seed(0)
    assert torch.equal(other.fit(0, residuals), first)
    assert all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))
