import numpy as np
import pytest
import torch
from sklearn.covariance import OAS
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hvqlib.detector.class_guess import FEW, MARGIN, ClassCentroids, shrunk


def test_guesses_the_centroid_of_least_mahalanobis_distance():
    random = np.random.RandomState(0)
    ids = random.randint(0, 3, 300)
    vectors = random.normal(size=(3, 4))[ids] * 2 + random.normal(size=(300, 4)) @ random.normal(size=(4, 4))
    features = torch.tensor(vectors, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 2, 2)
    guess = ClassCentroids(4, 3)
    guess.fit(features, torch.tensor(ids), torch.zeros(300, dtype=torch.bool))
    centroids = np.stack([vectors[ids == c].mean(0) for c in range(3)])
    away = vectors[:, None] - centroids
    inverse = np.linalg.inv(OAS(assume_centered=True).fit(vectors - centroids[ids]).covariance_)
    square = np.einsum("nkc,cd,nkd->nk", away, inverse, away)
    np.testing.assert_allclose(guess.distances(features[:, :, 0, 0]).numpy(), np.sqrt(square), rtol=1e-3)
    assert (guess(features)[0].numpy() == square.argmin(1)).all()
    plain = LinearDiscriminantAnalysis(priors=np.full(3, 1 / 3)).fit(vectors, ids)  # the same without shrinkage
    assert (guess(features)[0].numpy() == plain.predict(vectors)).mean() > 0.95
    assert guess.limit == float("inf") and guess(1e6 * features)[1].eq(0).all()  # nothing held out: no strangers


@pytest.mark.parametrize(("n", "channels"), [(50, 10), (20, 40), (3, 5)])
def test_the_covariance_is_that_of_scikit_learn(n, channels):
    random = np.random.RandomState(1)
    points = random.normal(size=(n, channels)) @ random.normal(size=(channels, channels))
    expected = OAS(assume_centered=True).fit(points).covariance_
    np.testing.assert_allclose(shrunk(torch.tensor(points)).numpy(), expected, rtol=1e-5, atol=1e-5)


def test_what_is_far_from_every_class_is_a_stranger():
    generator = torch.Generator().manual_seed(0)
    ids, held = torch.arange(100) % 2, torch.arange(100) % 5 == 0
    features = torch.randn(100, 6, 1, 1, generator=generator) + 30 * ids[:, None, None, None]
    guess = ClassCentroids(6, 2)
    guess.fit(features, ids, held)
    guessed, strangeness = guess(features)
    assert torch.equal(guessed, ids) and float(strangeness[held].max()) == pytest.approx(1 / (MARGIN * (1 + FEW / 20)))
    assert (guess(features + 100)[1] > 1).all() and (guess(torch.full((1, 6, 1, 1), 15.0))[1] > 1).all()
    moved = features.clone()
    moved[held] += 0.5  # what is held out sets the limit and nothing else
    again = ClassCentroids(6, 2)
    again.fit(moved, ids, held)
    assert torch.equal(guess.centroids, again.centroids) and torch.equal(guess.whiten, again.whiten)


def test_constant_channels_do_no_harm():
    guess = ClassCentroids(2, 2)
    features = torch.tensor([[0.0, 7.0], [1.0, 7.0]])[:, :, None, None]
    guess.fit(features, torch.tensor([0, 1]), torch.zeros(2, dtype=torch.bool))
    assert guess(features)[0].tolist() == [0, 1]
