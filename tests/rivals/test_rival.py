"""What holds for every rival: classes, rows on disk, saving, and images that were themselves fitted to."""

import pytest
import torch

from hvqlib.config import Config
from hvqlib.detector.run_folder import METHODS, build_model, load_weights, with_prefix
from hvqlib.rivals.rival import Rival, draw_patches, patches_of

RIVALS = [name for name, method in METHODS.items() if issubclass(method, Rival)]
# A bank that holds every patch, so that leaving an image out is the same as never having seen it.
CONFIG = Config(grid=3, codes=4, bank=600, score="residual")


def made(method: str, classes: int = 3, **changes) -> Rival:
    return build_model(Config(**{**vars(CONFIG), "method": method, **changes}), 5, classes)


def images(n: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, 5, 3, 3, generator=torch.Generator().manual_seed(seed))


def fitted(method: str, features: torch.Tensor, class_ids: torch.Tensor, **changes) -> Rival:
    torch.manual_seed(0)
    model = made(method, **changes)
    model.fit(features, class_ids)
    return model


def test_all_methods_of_the_task_are_there():
    assert RIVALS == ["knn", "kmeans", "place", "pca"]


@pytest.mark.parametrize("method", RIVALS)
def test_the_residual_is_of_each_image_by_its_own_class_alone(method):
    features, class_ids = images(12), torch.tensor([0, 2] * 6)
    model = fitted(method, features, class_ids)
    test, ids = images(4, 1), torch.tensor([2, 0, 0, 2])
    residual, signals = model.measure(test, ids)
    assert residual.shape == test.shape and signals == {} and model.signal_names == ()
    for c in (0, 2):  # another model that only ever saw this class
        alone = made(method)
        # Generators run on from one class to the next: compare what does not depend on them.
        if method != "kmeans":
            alone.fit(features[class_ids == c], class_ids[class_ids == c])
            torch.testing.assert_close(
                alone.measure(test[ids == c], ids[ids == c])[0], residual[ids == c], atol=1e-4, rtol=1e-4
            )
    one_by_one = torch.cat([model.measure(test[i : i + 1], ids[i : i + 1])[0] for i in range(4)])
    assert torch.equal(one_by_one, residual)
    assert model.measure(test[:0], ids[:0])[0].shape == (0, 5, 3, 3)


@pytest.mark.parametrize("method", RIVALS)
def test_a_class_without_images_and_an_only_image_left_out_are_expected_to_be_zero(method):
    features = images(3)
    model = fitted(method, features, torch.tensor([0, 0, 2]))
    assert torch.equal(model.measure(features, torch.tensor([1, 1, 1]))[0], -features)
    assert torch.equal(model.measure(features[2:], torch.tensor([2]), own=torch.tensor([2]))[0], -features[2:])
    assert model.measure(features, torch.tensor([0, 0, 2]))[0].isfinite().all()


@pytest.mark.parametrize("method", RIVALS)
def test_what_was_learned_is_in_the_buffers(method, tmp_path):
    features, class_ids = images(8), torch.tensor([0, 1] * 4)
    model = fitted(method, features, class_ids)
    fresh = made(method)
    load_weights(fresh, with_prefix("model", model), tmp_path)
    test, ids = images(4, 1), torch.tensor([0, 1, 1, 0])
    assert torch.equal(fresh.measure(test, ids)[0], model.measure(test, ids)[0])
    assert not model.measure(test, ids)[0].requires_grad


@pytest.mark.parametrize("method", RIVALS)
def test_rows_that_are_read_one_by_one_give_the_same_and_a_second_fit_forgets_the_first(method):
    features, class_ids, test = images(8), torch.tensor([1] * 8), images(2, 1)
    whole = fitted(method, features, class_ids)
    again = fitted(method, images(6, 2), torch.tensor([1] * 6))
    torch.manual_seed(0)
    again.fit(list(features), class_ids)
    ids, own = torch.tensor([1, 1]), torch.tensor([3, -1])
    for a, b in zip(whole.state_dict().values(), again.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(whole.measure(test, ids, own=own)[0], again.measure(test, ids, own=own)[0])


@pytest.mark.parametrize("method", ["knn", "place", "pca"])
@pytest.mark.parametrize("n", [2, 3, 12])
def test_an_image_that_was_fitted_is_judged_as_by_a_model_that_never_saw_it(method, n):
    features = torch.cat([images(4, 1), images(n) @ torch.diag(torch.tensor([4.0, 1, 1]))])
    class_ids = torch.tensor([0] * 4 + [1] * n)
    model = fitted(method, features, class_ids)
    own = torch.arange(4, 4 + n)
    residual, _ = model.measure(features[own], class_ids[own], own=own)
    for i in own.tolist():
        others = torch.arange(4 + n) != i
        refit = fitted(method, features[others], class_ids[others])
        expected, _ = refit.measure(features[i : i + 1], class_ids[i : i + 1])
        torch.testing.assert_close(residual[i - 4 : i - 3], expected, atol=1e-2, rtol=1e-2)  # of float16
    mixed = model.measure(features[own], class_ids[own], own=torch.where(own == 5, -1, own))[0]
    assert torch.equal(mixed[own != 5], residual[own != 5])
    assert torch.equal(mixed[1:2], model.measure(features[5:6], class_ids[5:6])[0])


def test_patches_are_drawn_without_repeats_from_the_rows_asked_for():
    features = torch.arange(5 * 2 * 3 * 4.0).view(5, 2, 3, 4)
    patches, rows = draw_patches(features, [1, 4], 100)
    assert torch.equal(patches, torch.cat([patches_of(features[1]), patches_of(features[4])]))
    assert rows.tolist() == [1] * 12 + [4] * 12
    few, rows = draw_patches(features, [1, 3, 4], 7)
    assert len(few) == len(few.unique(dim=0)) == 7
    for patch, row in zip(few, rows.tolist(), strict=True):
        assert row in (1, 3, 4) and patch.tolist() in patches_of(features[row]).tolist()
    assert torch.equal(patches_of(features[1]).T.view_as(features[1]), features[1])
