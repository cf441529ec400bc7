import numpy as np
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from hvqlib.detector.class_guess import ClassCentroids


def test_agrees_with_a_linear_discriminant_where_channels_are_independent():
    random = np.random.RandomState(0)
    ids = random.randint(0, 3, 300)
    scale = np.array([1.0, 5.0, 0.2, 1.0])
    vectors = (random.normal(size=(3, 4))[ids] * 2 + random.normal(size=(300, 4))) * scale
    features = torch.tensor(vectors, dtype=torch.float32)[:, :, None, None].expand(-1, -1, 2, 2)
    guess = ClassCentroids(4, 3)
    guess.fit(features, torch.tensor(ids))
    reference = LinearDiscriminantAnalysis(priors=np.full(3, 1 / 3)).fit(vectors, ids).predict(vectors)
    assert (guess(features).numpy() == reference).mean() > 0.97


def test_constant_channels_do_no_harm():
    guess = ClassCentroids(2, 2)
    features = torch.tensor([[0.0, 7.0], [1.0, 7.0]])[:, :, None, None]
    guess.fit(features, torch.tensor([0, 1]))
    assert guess(features).tolist() == [0, 1]
