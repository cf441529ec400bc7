"""Parity with the authors' release: tensors and outputs recorded by running it (width 16, 3 of its 15 classes)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from hvqlib.detector.anomaly_map import upsample
from hvqlib.detector.run_folder import under_prefix
from hvqlib.errors import InputError
from hvqlib.model.codebooks import VectorQuantizer
from hvqlib.model.released_checkpoint import load_released
from hvqlib.model.transport import released_score

FIXTURE = Path(__file__).parents[1] / "fixtures/parity_release.npz"


@pytest.fixture(scope="module")
def recorded() -> dict[str, torch.Tensor]:
    with np.load(FIXTURE) as file:
        return {name: torch.from_numpy(file[name]) for name in file}


@pytest.fixture(scope="module")
def weights(recorded) -> dict[str, torch.Tensor]:
    return under_prefix(recorded, "weights.")


def test_every_output_agrees_with_the_release(recorded, weights):
    expected = under_prefix(recorded, "expected.")
    model = load_released(weights)
    features, class_ids = expected["features"], expected["class_ids"].long()
    with torch.no_grad():
        output = model(features, class_ids)
    close = {"atol": 1e-4, "rtol": 0}
    torch.testing.assert_close(torch.stack(output.states), expected["states"].transpose(1, 2), **close)
    assert torch.equal(output.code_ids[:, 0], expected["top_ids"].long())
    assert torch.equal(output.code_ids[:, 1:], expected["ids"].long().transpose(0, 1))
    torch.testing.assert_close(torch.stack(output.codes), expected["codes"], **close)
    torch.testing.assert_close(output.commitment, expected["commitment"][0, 0], **close)
    score = released_score(output.tokens[-1], model.quantizer.levels[-1].codebook[class_ids])
    torch.testing.assert_close(score, expected["transport"], **close)
    torch.testing.assert_close(output.reconstruction, expected["reconstruction"], **close)
    anomaly_map = upsample(model.signals(features, class_ids)["released"], (224, 224))
    torch.testing.assert_close(anomaly_map[:, ::4, ::4], expected["map"], **close)


def test_moving_average_step_agrees_with_the_release(recorded):
    before, after = under_prefix(recorded, "ema.before."), under_prefix(recorded, "ema.after.")
    quantizer = VectorQuantizer(1, 512, 16, revive=False).train()
    quantizer.codebook[0] = before["embed"].T
    quantizer.cluster_size[0] = before["cluster_size"]
    quantizer.cluster_sum[0] = before["embed_avg"].T
    quantizer(recorded["ema.input"][None], torch.zeros(1, dtype=torch.long))
    close = {"atol": 1e-5, "rtol": 1e-5}
    torch.testing.assert_close(quantizer.codebook[0].T, after["embed"], **close)
    torch.testing.assert_close(quantizer.cluster_size[0], after["cluster_size"], **close)
    torch.testing.assert_close(quantizer.cluster_sum[0].T, after["embed_avg"], **close)


def test_prefix_outer_dict_backbone_and_averages_are_optional(weights, tmp_path):
    plain = load_released(weights).state_dict()
    wrapped = {f"module.{name}": tensor for name, tensor in weights.items()}
    wrapped["module.enc._conv_stem.weight"] = torch.zeros(1)
    wrapped["module.input_proj.weight"] = torch.zeros(1)
    for level in range(1, 6):
        for c in range(3):
            name = f"module.quantize_list_{level}.{c}"
            wrapped[f"{name}.embed_avg"] = wrapped[f"{name}.embed"] * 2
            wrapped[f"{name}.cluster_size"] = torch.full((512,), 2.0)
    torch.save({"state_dict": wrapped, "epoch": 3}, tmp_path / "ckpt.pth.tar")
    full = load_released(tmp_path / "ckpt.pth.tar").state_dict()
    for name, tensor in plain.items():
        if "cluster" not in name:
            assert torch.equal(full[name], tensor), name
    assert torch.equal(full["quantizer.top.cluster_size"], torch.full((3, 512), 2.0))


def test_a_foreign_or_missing_file_is_said_so(tmp_path):
    with pytest.raises(InputError, match="not a checkpoint of the HVQ-Trans release"):
        load_released({"weight": torch.zeros(1)})
    with pytest.raises(InputError, match="does not exist"):
        load_released(tmp_path / "none.pth")
    (tmp_path / "bad.pth").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="cannot be read"):
        load_released(tmp_path / "bad.pth")
