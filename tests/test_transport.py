"""The released score against a loop over tokens and scikit-learn's cosine."""

import numpy as np
import torch
from sklearn.metrics.pairwise import cosine_distances

from hvqlib.transport import released_score


def test_released_score_equals_a_loop():
    torch.manual_seed(0)
    tokens, prototypes = torch.randn(2, 7, 5).double(), torch.randn(2, 11, 5).double()
    scores = released_score(tokens, prototypes).numpy()
    for b in range(2):
        distance = cosine_distances(tokens[b].numpy(), prototypes[b].numpy())
        for i in range(7):
            weight = np.exp([float(tokens[b, i] @ p) / 11 for p in prototypes[b]])
            np.testing.assert_allclose(scores[b, i], weight @ distance[i] / weight.sum(), rtol=1e-12)


def test_a_token_far_from_every_prototype_scores_higher():
    prototypes = torch.tensor([[[1.0, 0.0], [0.9, 0.1]]])
    near, far = released_score(torch.tensor([[[1.0, 0.0], [-1.0, 0.0]]]), prototypes)[0]
    assert 0 <= near < 0.1 < 1.9 < far <= 2
