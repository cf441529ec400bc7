from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

from hvqlib.data.images import read_image
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.extraction import extract_features, stored_features
from hvqlib.features.standardize import Standardize


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def lite() -> Backbone:
    return Backbone()


@pytest.fixture(scope="module")
def small() -> Backbone:
    torch.manual_seed(0)
    return Backbone(image_size=64, grid=4, weights="random")


@pytest.fixture
def paths(tmp_path) -> list[Path]:
    rng = np.random.default_rng(0)
    result = [tmp_path / f"{i}.png" for i in range(5)]
    for path in result:
        Image.fromarray(rng.integers(0, 256, (50, 70, 3), dtype=np.uint8)).save(path)
    return result


def test_maps_are_brought_to_the_grid_and_joined(lite):
    images = torch.randn(2, 3, 224, 224)
    features = lite(images)
    assert features.shape == (2, 192, 14, 14) and features.dtype == torch.float32
    assert lite.channels == 192
    plain, maps = lite.net(images), lite.net(images.to(memory_format=torch.channels_last))
    for one, other in zip(plain, maps, strict=True):  # the layout in memory is a matter of rounding
        assert (one - other).abs().max() < 1e-5 * one.abs().max()
    released = Backbone(pooling="bilinear")(images)
    start = 0
    for channels, side, one_map in zip((16, 24, 40, 112), (112, 56, 28, 14), maps, strict=True):
        assert one_map.shape == (2, channels, side, side)
        mine, theirs = (f[:, start : start + channels] for f in (features, released))
        cells = one_map.unflatten(2, (14, -1)).unflatten(4, (14, -1))  # (2, C_l, 14, side / 14, 14, side / 14)
        assert torch.allclose(mine, cells.mean((3, 5)), atol=1e-5)
        assert torch.equal(theirs, F.interpolate(one_map, (14, 14), mode="bilinear", align_corners=True))
        # With aligned corners the corner cells are the corners of the map itself.
        assert torch.allclose(theirs[..., -1, -1], one_map[..., -1, -1])
        start += channels


def test_a_map_coarser_than_the_grid_is_interpolated():
    net = Backbone(image_size=64, grid=8, weights="random")
    images = torch.randn(1, 3, 64, 64)
    coarse = net.net(images.to(memory_format=torch.channels_last))[3]  # (1, 112, 4, 4)
    found = net(images)[0, -1]
    # Cell (2 i, 2 j) lies a quarter of a coarse cell before its middle: linear weights 3/4 and 1/4.
    c = coarse[0, -1]
    expected = torch.stack([0.25 * c[i - 1] + 0.75 * c[i] for i in range(1, 4)])  # rows 2, 4, 6
    expected = torch.stack([0.25 * expected[:, j - 1] + 0.75 * expected[:, j] for j in range(1, 4)], 1)
    assert torch.allclose(found[2::2, 2::2], expected, atol=1e-5)


def test_pooling_is_part_of_what_a_run_was_trained_on():
    assert Backbone(pooling="area").fingerprint != Backbone(pooling="bilinear").fingerprint


def test_unused_stages_are_kept_but_not_run(lite):
    import timm

    whole = timm.create_model(lite.name, features_only=True, out_indices=(0, 1, 2, 3)).eval()  # runs all seven
    whole.load_state_dict(lite.net.state_dict(), strict=True)
    images = torch.randn(2, 3, 224, 224)
    calls = []
    for stage in lite.net.blocks:
        stage[0].register_forward_hook(lambda module, *_: calls.append(module))
    with torch.no_grad():
        assert all(torch.equal(a, b) for a, b in zip(lite.net(images), whole(images), strict=True))
    assert calls == [stage[0] for stage in lite.net.blocks[:5]]


def test_frozen_and_always_in_evaluation_mode(small):
    assert not any(p.requires_grad for p in small.parameters())
    images = torch.randn(2, 3, 64, 64)
    before, state = small(images), {k: v.clone() for k, v in small.state_dict().items()}
    parent = torch.nn.Sequential(small).train()
    assert parent.training and not any(m.training for m in small.modules())
    assert torch.equal(small(images), before)
    assert all(torch.equal(v, state[k]) for k, v in small.state_dict().items())


def test_preprocess(lite):
    grey = lite.preprocess(np.full((30, 50, 3), 127, np.uint8))
    assert grey.shape == (3, 224, 224) and grey.dtype == torch.float32
    assert torch.equal(grey, torch.zeros(3, 224, 224))
    image = np.random.default_rng(0).integers(0, 256, (224, 224, 3), dtype=np.uint8)
    expected = (torch.from_numpy(image).permute(2, 0, 1).float() - 127) / 128
    assert torch.equal(lite.preprocess(image), expected)
    fine = np.tile(np.array([0, 254], np.uint8), (448, 448, 1)).reshape(448, 896, 1).repeat(3, 2)
    inside = lite.preprocess(fine)[:, :, 1:-1]
    assert inside.abs().max() < 0.05  # antialiased: fine stripes become grey
    for bad in (image.astype(np.float32), image[:, :, 0], image[:, :, :2]):
        with pytest.raises(InputError, match="uint8 of shape"):
            lite.preprocess(bad)


def test_fingerprint_follows_every_part(small):
    first = small.fingerprint
    assert first == small.fingerprint and len(first) == 64
    weight = small.net.conv_stem.weight
    kept = weight[0, 0, 0, 0].item()
    weight[0, 0, 0, 0] += 1e-3
    assert small.fingerprint != first
    weight[0, 0, 0, 0] = kept
    assert small.fingerprint == first
    small.mean += 1
    assert small.fingerprint != first
    small.mean -= 1
    small.name += "x"
    assert small.fingerprint != first
    small.name = small.name[:-1]
    assert small.fingerprint == first


def test_features_equal_one_pass_by_hand(small, paths):
    features = extract_features(small, paths, None)
    assert features.shape == (5, 192, 4, 4) and features.dtype == torch.float32
    for path, one in zip(paths, features, strict=True):
        expected = small(small.preprocess(read_image(path))[None])[0]
        assert torch.allclose(one, expected, rtol=1e-4, atol=1e-5)
    assert not features.is_inference() and not features.requires_grad
    layer = torch.nn.Linear(4, 1)
    layer(features).sum().backward()  # usable in training
    assert extract_features(small, [], None).shape == (0, 192, 4, 4)


def test_cache_gives_the_same_numbers(small, paths, tmp_path, monkeypatch):
    cache = tmp_path / "deep" / "cache"
    plain = extract_features(small, paths, None)
    extract_features(small, paths[1:3], cache)  # some are kept, some are not
    assert torch.equal(extract_features(small, paths, cache, batch_size=2), plain)
    (file,) = cache.glob("*.features")
    assert file.stat().st_size == 5 * (64 + 4 * plain[0].numel())
    monkeypatch.setattr(Backbone, "forward", lambda *args: pytest.fail("computed again"))
    hit = extract_features(small, [str(p) for p in paths[::-1]], cache)
    assert torch.equal(hit, plain.flip(0)) and not hit.is_inference()
    stored = stored_features(small, paths, cache)
    assert stored.shape == plain.shape and torch.equal(stored[torch.tensor([4, 0])], plain[[4, 0]])


def flip(place):
    def spoil(file):
        content = bytearray(file.read_bytes())
        content[place] ^= 1
        file.write_bytes(content)

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        flip(-1),
        flip(40),
        lambda file: file.write_bytes(file.read_bytes()[:-100]),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_text("nonsense"),
    ],
    ids=["values", "checksum", "cut", "empty", "text"],
)
def test_spoilt_record_is_computed_again(small, paths, tmp_path, spoil):
    cache = tmp_path / "cache"
    plain = extract_features(small, paths[:1], cache)
    (file,) = cache.glob("*.features")
    sound = file.read_bytes()
    spoil(file)
    assert file.read_bytes() != sound
    assert torch.equal(extract_features(small, paths[:1], cache), plain)
    assert file.read_bytes() == sound


def test_whatever_changes_the_features_changes_the_record(small, paths, tmp_path):
    cache = tmp_path / "cache"

    def records(net, path):
        extract_features(net, [path], cache)
        size = 64 + 4 * net.channels * net.grid**2
        return sum(file.stat().st_size for file in cache.glob("*.features")) / size

    assert records(small, paths[0]) == 1
    copy = tmp_path / "copy.png"
    copy.write_bytes(paths[0].read_bytes())
    assert records(small, copy) == 1  # the name of the image does not matter
    copy.write_bytes(paths[1].read_bytes())
    assert records(small, copy) == 2  # its content does
    state = tmp_path / "state.pt"
    torch.save(small.net.state_dict(), state)
    assert records(Backbone(image_size=96, grid=4, weights=state), paths[0]) == 3
    other = Backbone(image_size=64, grid=4, weights="random")
    assert records(other, paths[0]) == 4
    assert torch.equal(extract_features(other, paths[:1], cache), extract_features(other, paths[:1], None))
    extract_features(Backbone(image_size=64, grid=5, weights=state), paths[:1], cache)
    assert len(list(cache.glob("*.features"))) == 4


def test_cache_folder_that_refuses(small, paths, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="going on without a cache") as caught:
        features = extract_features(small, paths, tmp_path / "file" / "cache", batch_size=2)
    assert len(caught) == 1
    assert torch.equal(features, extract_features(small, paths, None))


def test_unreadable_image_is_named(small, paths, tmp_path):
    paths[3].write_text("not an image")
    for cache in (None, tmp_path / "cache"):
        with pytest.raises(InputError, match=r"3\.png' cannot be read"):
            extract_features(small, paths, cache)
        with pytest.raises(InputError, match=r"gone\.png' cannot be read"):
            extract_features(small, [tmp_path / "gone.png"], cache)


def test_progress_goes_to_stderr(small, paths, capsys):
    extract_features(small, paths[:2], None)
    assert capsys.readouterr() == ("", "")
    extract_features(small, paths[:2], None, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "2/2" in err


def test_standardize():
    torch.manual_seed(0)
    scale = torch.tensor([1e-3, 1.0, 1e3]).view(3, 1, 1)
    features = torch.randn(20, 3, 5, 5) * scale + 50 * scale
    standardize = Standardize.fit(features)
    expected = features.numpy().astype(np.float64)
    assert standardize.mean.shape == standardize.std.shape == (3, 1, 1)
    assert np.allclose(standardize.mean.ravel(), expected.mean((0, 2, 3)), rtol=1e-6)
    assert np.allclose(standardize.std.ravel(), expected.std((0, 2, 3)), rtol=1e-5)
    result = standardize(features)
    assert torch.allclose(result.mean((0, 2, 3)), torch.zeros(3), atol=1e-4)
    assert torch.allclose(result.std((0, 2, 3)), torch.ones(3), atol=1e-2)
    copy = Standardize(3)
    copy.load_state_dict(standardize.state_dict())
    assert torch.equal(copy(features), result)


def test_standardize_constant_channel_stays_finite():
    features = torch.randn(4, 3, 2, 2)
    features[:, 1] = 7
    standardize = Standardize.fit(features)
    assert torch.equal(standardize(features)[:, 1], torch.zeros(4, 2, 2))
    features[:, 1] = 8
    assert standardize(features).abs().max() < 1e4
    assert Standardize.fit(torch.ones(2, 3, 2, 2))(torch.ones(2, 3, 2, 2)).isfinite().all()


def test_standardize_bad_input():
    for bad in (torch.ones(3, 2, 2), torch.ones(0, 3, 2, 2), torch.full((1, 3, 2, 2), torch.nan)):
        with pytest.raises(InputError, match="finite numbers of shape"):
            Standardize.fit(bad)


def test_no_warning_when_all_is_well(small, paths, tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        extract_features(small, paths[:1], tmp_path / "cache")
