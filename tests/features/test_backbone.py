"""The backbone's maps on one grid, against torch's own layers and timm's whole network."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from hvqlib.features.backbone import Backbone


@pytest.fixture(scope="module")
def lite() -> Backbone:
    return Backbone()


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
