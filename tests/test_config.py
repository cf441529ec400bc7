import json
from dataclasses import asdict, replace

import pytest

from hvqlib.config import PRESETS, Config
from hvqlib.errors import InputError


def test_json_round_trip():
    config = replace(PRESETS["paper"], seed=7)
    assert Config.from_dict(json.loads(json.dumps(asdict(config)))) == config


def test_weights_from_a_list_are_those_of_a_tuple():
    assert Config(transport_weights=[0.5]) == Config(transport_weights=(0.5,))


def test_paper_preset_is_the_published_one():
    p = PRESETS["paper"]
    assert p.backbone.split(".")[0] == "tf_efficientnet_b4"
    assert (p.width, p.heads, p.feedforward, p.codes, p.layers, p.batch_size) == (256, 8, 1024, 512, 4, 16)
    assert (p.epochs, p.lr, p.weight_decay, p.clip, p.schedule, p.decay) == (1000, 1e-4, 1e-4, 0.1, "step", 0.99)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"method": "magic"}, "method"),
        ({"codes": 0}, "codes"),
        ({"width": 30, "heads": 8}, "width"),
        ({"steps": 0}, "steps"),
        ({"seed": -1}, "seed"),
        ({"stages": 4}, "stages is 4; it must be 1, 2 or 3"),
        ({"components": 0}, "components"),
        ({"bottleneck": 1.0}, "bottleneck is 1.0; it must be from 0 to below 1"),
        ({"colour": 1}, "colour"),
        ({"method": "knn", "score": "released"}, "needs codebooks"),
    ],
)
def test_bad_settings_are_named(values, word):
    with pytest.raises(InputError, match=word):
        Config.from_dict(values)
