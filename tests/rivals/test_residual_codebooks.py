import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans

from hvqlib.config import Config
from hvqlib.rivals import residual_codebooks
from hvqlib.rivals.residual_codebooks import ResidualCodebooks

ZEROS = torch.zeros(400, dtype=torch.long)


def fitted(features: torch.Tensor, stages: int = 3, codes: int = 8) -> ResidualCodebooks:
    torch.manual_seed(0)
    model = ResidualCodebooks(Config(method="kmeans", codes=codes, stages=stages), features.shape[1], 1)
    model.fit(features, ZEROS[: len(features)])
    return model


def test_stage_by_stage_it_leaves_what_scikit_learns_kmeans_leaves():
    torch.manual_seed(1)
    features = torch.randn(50, 4, 3, 3) * torch.tensor([3.0, 2, 1, 1])[:, None, None]
    left = features.permute(0, 2, 3, 1).reshape(-1, 4).numpy()
    for stages in (1, 2, 3):
        theirs = KMeans(8, n_init=5, random_state=0).fit(left)
        left = left - theirs.cluster_centers_[theirs.labels_]
        ours = fitted(features, stages).measure(features, ZEROS[:50])[0].square().sum()
        assert float(ours) == pytest.approx(theirs.inertia_, rel=0.05 * stages)


def test_the_residual_is_what_a_loop_over_stages_and_codes_finds():
    torch.manual_seed(2)
    features, test = torch.randn(20, 3, 2, 2), torch.randn(2, 3, 2, 2)
    model = fitted(features)
    residual, _ = model.measure(test, ZEROS[:2])
    for i, y, x in np.ndindex(2, 2, 2):
        left = test[i, :, y, x]
        for codes in model.codebook[0]:
            left = left - codes[np.argmin([float((left - code).norm()) for code in codes])]
        torch.testing.assert_close(residual[i, :, y, x], -left)


def test_codes_are_the_means_of_all_patches_though_kmeans_sees_some(monkeypatch):
    monkeypatch.setattr(residual_codebooks, "POINTS", 10)
    torch.manual_seed(3)
    features = torch.randn(30, 3, 4, 4)
    model = fitted(features, stages=2, codes=1)
    torch.testing.assert_close(model.codebook[0, 0, 0], features.mean((0, 2, 3)))
    torch.testing.assert_close(model.codebook[0, 1, 0], torch.zeros(3), atol=1e-5, rtol=0)
    assert model.count.flatten().tolist() == [480, 480]
    # Left out, an image finds the mean of the others.
    own = fitted(features, 1, 1).measure(features[4:5], ZEROS[:1], own=torch.tensor([4]))[0]
    others = features[torch.arange(30) != 4].mean((0, 2, 3))
    torch.testing.assert_close(own[0] + features[4], others[:, None, None].expand(3, 4, 4))


def test_a_code_that_only_one_image_has_is_not_there_for_it():
    torch.manual_seed(4)
    features = 0.1 * torch.randn(6, 2, 3, 3)
    features[2, :, 0] += 50  # three patches like no others
    model = fitted(features, stages=1, codes=20)
    image, zero = features[2:3], ZEROS[:1]
    seen, left_out = (model.measure(image, zero, own=own)[0].norm(dim=1)[0] for own in (None, torch.tensor([2])))
    assert seen.max() < 1 and left_out[0].min() > 60 and left_out[1:].max() < 1


def test_left_out_images_are_as_far_away_as_unseen_ones():
    torch.manual_seed(5)
    basis = torch.randn(5, 30)
    features = torch.einsum("nkhw,kc->nchw", torch.randn(60, 5, 4, 4), basis) + torch.randn(60, 30, 4, 4)
    seen, unseen = features[:30], features[30:]
    model = fitted(seen, codes=64)
    fit, own, new = (
        float(model.measure(f, ZEROS[:30], own=rows)[0].norm(dim=1).mean())
        for f, rows in ((seen, None), (seen, torch.arange(30)), (unseen, None))
    )
    assert fit < 0.7 * new and 0.92 * new < own < new


def test_few_patches_are_each_their_own_code():
    features = torch.tensor([[[[1.0, 5], [9, 9]]]])
    model = fitted(features, stages=1, codes=16)
    assert torch.equal(model.measure(features, ZEROS[:1])[0], torch.zeros(1, 1, 2, 2))
