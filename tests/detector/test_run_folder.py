import json

import numpy as np
import pytest
import torch

from hvqlib.config import Config
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.detector.run_folder import (
    build_model,
    export,
    load_weights,
    read_checkpoint,
    read_run,
    write_checkpoint,
    write_run,
)
from hvqlib.errors import InputError, RunError
from hvqlib.files import write_atomic
from hvqlib.training.train import train


def test_run_round_trip(tmp_path):
    about = (Config(seed=3), ("a", "b"), 192, "f" * 64)
    write_run(tmp_path, *about)
    assert read_run(tmp_path) == (*about, None, None)  # as runs of 8-bit images always were
    assert "white" not in (tmp_path / "config.json").read_text()
    for white in (4095, 1.0):
        write_run(tmp_path, *about, white)
        read = read_run(tmp_path)
        assert read == (*about, white, None) and type(read[-2]) is type(white)  # whole or floating-point pixels
    write_run(tmp_path, *about, None, ((1, 3), (2, 2)))
    assert read_run(tmp_path) == (*about, None, ((1, 3), (2, 2)))  # of images that are cut into tiles


def test_checkpoint_round_trip_is_exact(tmp_path):
    tensors = {"a": torch.randn(3, 4), "b": torch.tensor([1, 2]), "c": torch.randn(2, dtype=torch.float64)}
    write_checkpoint(tmp_path, tensors, {"step": 5, "seconds": 1.5})
    back, state = read_checkpoint(tmp_path)
    assert state == {"step": 5, "seconds": 1.5}
    assert all(torch.equal(back[k], v) and back[k].dtype == v.dtype for k, v in tensors.items())
    (path,) = tmp_path.iterdir()
    (tmp_path / "plain").touch()
    assert path.name == "checkpoint.safetensors" and path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    write_atomic(tmp_path / "file", b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(RunError, match="disk full.*kept"):
        write_atomic(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_damage_is_a_sentence(tmp_path):
    with pytest.raises(InputError, match=r"no config\.json"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="no checkpoint yet"):
        read_checkpoint(tmp_path)
    write_checkpoint(tmp_path, {"a": torch.zeros(100)}, {})
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(InputError, match="damaged"):
        read_checkpoint(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InputError, match="not a run's configuration"):
        read_run(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(InputError, match="format 99"):
        read_run(tmp_path)


def test_weights_of_another_shape_are_refused(tmp_path):
    config = Config(width=8, heads=2, codes=4, feedforward=8)
    with pytest.raises(InputError, match="does not fit"):
        load_weights(build_model(config, 3, 2), {"model.head_bias": torch.zeros(9)}, tmp_path)
    with pytest.raises(InputError, match="does not fit"):
        load_weights(build_model(config, 3, 2), {}, tmp_path)


def test_an_exported_run_is_small_and_says_nearly_the_same(small_data, small_config, tmp_path):
    dataset = load_dataset(small_data)
    train(small_config, dataset, tmp_path / "run", progress=False)
    export(tmp_path / "run", tmp_path / "small")
    whole, small = (tmp_path / name / "checkpoint.safetensors" for name in ("run", "small"))

    def size(path, part):
        tensors = read_checkpoint(path.parent)[0].items()
        return sum(tensor.nbytes for name, tensor in tensors if name.startswith(part))

    assert size(small, "model.") < size(whole, "model.") / 2 and size(small, "") < size(whole, "")
    tensors, state = read_checkpoint(tmp_path / "run")
    tensors["model.quantizer.top.codebook"][0, 0] = 1e5  # beyond float16, as after a random start
    write_checkpoint(tmp_path / "wild", tensors, state)
    write_run(tmp_path / "wild", *read_run(tmp_path / "run"))
    export(tmp_path / "wild", tmp_path / "tame")
    kept = read_checkpoint(tmp_path / "tame")[0]
    assert torch.equal(kept["model.quantizer.top.codebook"], tensors["model.quantizer.top.codebook"])
    assert kept["model.head_weight"].dtype == torch.float16
    paths = [sample.path for sample in dataset.test]
    whole, small = (Detector.load(tmp_path / name).look(paths) for name in ("run", "small"))
    assert torch.equal(whole.class_ids, small.class_ids)
    assert np.corrcoef(whole.anomaly_map.flatten(), small.anomaly_map.flatten())[0, 1] > 0.99
    assert np.corrcoef(whole.score, small.score)[0, 1] > 0.99
    with pytest.raises(InputError, match="not empty"):
        export(tmp_path / "run", tmp_path / "small")
    with pytest.raises(InputError, match="trains no further"):
        train(small_config, dataset, tmp_path / "small", resume=True, progress=False)
    write_checkpoint(tmp_path / "run", tensors, state | {"done": False})
    with pytest.raises(InputError, match="not finished"):
        export(tmp_path / "run", tmp_path / "other")
