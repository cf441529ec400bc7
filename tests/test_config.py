import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from hvqlib.config import PRESETS, Config
from hvqlib.errors import InputError
from hvqlib.model.hvq_trans import HVQTrans


def test_json_round_trip():
    config = replace(PRESETS["paper"], seed=7)
    assert Config.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_weights_from_a_list_are_those_of_a_tuple():
    assert Config(transport_weights=[0.5]) == Config(transport_weights=(0.5,))


def test_numbers_of_numpy_become_those_of_json():
    config = Config(codes=np.int64(64), lr=np.float32(0.5))
    assert (type(config.codes), type(config.lr)) == (int, float) and config == Config(codes=64, lr=0.5)


def test_paper_preset_is_the_published_one():
    p = PRESETS["paper"]
    assert p.backbone.split(".")[0] == "tf_efficientnet_b4"
    assert (p.width, p.heads, p.feedforward, p.codes, p.layers, p.batch_size) == (256, 8, 1024, 512, 4, 16)
    assert (p.epochs, p.lr, p.weight_decay, p.clip, p.schedule, p.decay) == (1000, 1e-4, 1e-4, 0.1, "step", 0.99)


def test_small_gpu_preset_has_the_papers_backbone_and_otherwise_the_defaults():
    p = PRESETS["small-gpu"]
    assert p.backbone == PRESETS["paper"].backbone
    assert (p.width, p.heads, p.feedforward, p.lr, p.precision) == (128, 4, 512, 1e-3, "bfloat16")
    names = ("backbone", "width", "heads", "feedforward", "steps", "lr", "precision")
    assert replace(p, **{name: getattr(Config(), name) for name in names}) == Config()


def test_small_gpu_preset_is_about_an_hour_as_its_page_calculates():
    p = PRESETS["small-gpu"]
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        model = HVQTrans(p, 272, 15).eval()
        images, class_ids = torch.empty(p.batch_size, 272, p.grid, p.grid), torch.zeros(p.batch_size, dtype=torch.long)
        model.loss(images, class_ids)[0].backward()
    seconds = counter.get_total_flops() / 2.7e12
    minutes = p.steps * seconds / 60
    assert 50 < minutes < 70
    root = Path(__file__).resolve().parents[1]
    for page in ("docs/full_size.md", "notebooks/13_reproduce_the_paper.ipynb"):
        told = (root / page).read_text(encoding="utf-8")
        found = f"{counter.get_total_flops() / 1e9:.0f} GFLOP", f"{p.steps:,} steps", f"{minutes:.0f} minutes"
        assert [words for words in (*found, "2.7 TFLOP/s") if words not in told] == []
    assert f"{1000 * seconds:.0f} ms" in (root / "docs" / "full_size.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"method": "magic"}, "method"),
        ({"codes": 0}, "codes"),
        ({"width": 30, "heads": 8}, "width"),
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"codes": 2.5}, "codes is 2.5; it must be a whole number"),
        ({"seed": True}, "seed is True; it must be a whole number"),
        ({"lr": "0.1"}, "lr is '0.1'; it must be a number"),
        ({"revive": 1}, "revive is 1; it must be True or False"),
        ({"stages": 4}, "stages is 4; it must be 1, 2 or 3"),
        ({"components": 0}, "components"),
        ({"bottleneck": 1.0}, "bottleneck is 1.0; it must be from 0 to below 1"),
        ({"dropout": 1.0}, "dropout is 1.0; it must be from 0 to below 1"),
        ({"decay": 1.5}, "decay is 1.5; it must be from 0 to below 1"),
        ({"lr": float("nan")}, "lr is nan; it must be above 0"),
        ({"lr": float("inf")}, "lr is inf; it must be above 0, and finite"),
        ({"transport": float("inf")}, "transport is inf; it must be from 0 on, and finite"),
        ({"transport_weights": (float("nan"),)}, "transport_weights is .nan,.; it must be numbers of 0 or more"),
        ({"transport_weights": 0.5}, "transport_weights is 0.5; it must be numbers of 0 or more"),
        ({"transport_weights": "0.5"}, "transport_weights is '0.5'; it must be numbers of 0 or more"),
        ({"transport_weights": (1,) * 6}, "for at most 5 levels"),
        ({"clip": 0}, "clip is 0; it must be above 0"),
        ({"weight_decay": -1}, "weight_decay is -1; it must be from 0 on"),
        ({"transport_start": 9}, "transport_start is 9; it must be from 0 to 1"),
        ({"overlap": 0.95}, "overlap is 0.95; it must be from 0 to 0.9"),
        ({"tile": 5}, "tile is 5 pixels; it must be 0, for the image's shorter side, or at least 14"),
        ({"transport_every": 0}, "transport_every is 0; it must be 1 or more"),
        ({"update": "gradient"}, 'update "gradient" moves codes by the transport loss: set transport above 0'),
        ({"residual_levels": True, "hierarchy": False}, "residual_levels needs levels below the top one"),
        ({"colour": 1}, "colour"),
        ({"method": "knn", "score": "released"}, "needs codebooks"),
    ],
)
def test_bad_settings_are_named(values, word):
    with pytest.raises(InputError, match=word):
        Config.from_dict(values)
