"""Resuming to the bit, the clock, a loss that explodes, and everything a run folder may hold already."""

import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.detector.run_folder import export, read_checkpoint, write_checkpoint
from hvqlib.errors import InputError, RunError
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.rivals.place_mean import PlaceMean
from hvqlib.training.recalibrate import TrainedOn
from hvqlib.training.train import train


def trained(config, data, out, **options):
    train(config, load_dataset(data), out, progress=False, **options)
    return read_checkpoint(out)


def test_training_lowers_the_loss_and_keeps_codes_in_use(small_data, small_config, tmp_path):
    config = replace(small_config, steps=120)
    tensors, state = trained(config, small_data, tmp_path / "run")
    loss = tensors["history"][:, 0]
    assert loss[-10:].mean() < 0.6 * loss[:5].mean()
    assert tensors["history"][-1, 3] > 0.4  # a collapsed codebook would be at 1 in 16
    assert state["step"] == 120 and state["done"]


def test_same_seed_same_weights_other_seed_others(small_data, small_config, tmp_path):
    first, _ = trained(small_config, small_data, tmp_path / "a")
    again, _ = trained(small_config, small_data, tmp_path / "b")
    other, _ = trained(replace(small_config, seed=1), small_data, tmp_path / "c")
    assert all(torch.equal(first[name], again[name]) for name in first if name != "history")
    assert not torch.equal(first["model.head_weight"], other["model.head_weight"])


@pytest.mark.parametrize("method", ["hvq", "continuous"])
def test_resume_after_any_exception_is_bit_identical(small_data, small_config, tmp_path, monkeypatch, method):
    config = replace(small_config, method=method, dropout=0.1)
    whole, _ = trained(config, small_data, tmp_path / "whole", checkpoint_every=100)
    loss, calls = HVQTrans.loss, []

    def stops_at_the_eighth(self, *args):
        calls.append(0)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return loss(self, *args)

    monkeypatch.setattr(HVQTrans, "loss", stops_at_the_eighth)
    with pytest.raises(KeyboardInterrupt):
        trained(config, small_data, tmp_path / "cut", checkpoint_every=3)
    assert read_checkpoint(tmp_path / "cut")[1]["step"] == 6
    resumed, _ = trained(config, small_data, tmp_path / "cut", resume=True, checkpoint_every=3)
    assert all(torch.equal(whole[name], resumed[name]) for name in whole if name != "history")
    assert torch.equal(whole["history"][:, :3], resumed["history"][:, :3])


def test_a_watcher_sees_every_step_and_may_stop_the_run(small_data, small_config, tmp_path):
    whole, _ = trained(small_config, small_data, tmp_path / "whole")
    seen = []

    def watch(model, history):
        model.eval()  # looking does not disturb the training
        seen.append(len(history))
        return len(history) == 5

    _, state = trained(small_config, small_data, tmp_path / "run", watch=watch)
    assert seen == [1, 2, 3, 4, 5] and state["step"] == 5 and not state["done"]
    resumed, state = trained(small_config, small_data, tmp_path / "run", resume=True)
    assert state["done"]
    assert all(torch.equal(whole[name], resumed[name]) for name in whole if name != "history")


def test_sigkill_at_a_random_moment_then_resume_is_bit_identical(small_data, tmp_path, monkeypatch):
    """Two kills of the real command, each somewhere in start-up, training or writing; then one run to the end."""
    command = [
        sys.executable, "-c",
        "import sys; from dataclasses import replace; from hvqlib import config, cli;"
        "config.PRESETS['tiny'] = replace(config.PRESETS['tiny'], image_size=64, grid=4, width=16, heads=2,"
        "feedforward=32, layers=2, codes=16, batch_size=4); sys.exit(cli.main(sys.argv[1:]))",
        "train", "--data", str(small_data), "--steps", "300", "--checkpoint-every", "7", "--resume",
        "--cache", str(tmp_path / "cache"), "--out",
    ]  # fmt: skip
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    began = time.monotonic()
    subprocess.run([*command, str(tmp_path / "whole")], check=True, capture_output=True)
    length = time.monotonic() - began
    for part in (0.65, 0.9):
        process = subprocess.Popen([*command, str(tmp_path / "cut")], stderr=subprocess.DEVNULL)
        time.sleep(length * part)
        process.kill()
        process.wait()
    subprocess.run([*command, str(tmp_path / "cut")], check=True, capture_output=True)
    whole, cut = (read_checkpoint(tmp_path / name) for name in ("whole", "cut"))
    assert cut[1]["step"] == 300
    assert all(torch.equal(whole[0][name], cut[0][name]) for name in whole[0] if name != "history")


def test_minutes_stop_in_time_with_an_annealed_run(small_data, small_config, tmp_path, monkeypatch):
    """By a clock that ticks a second each time it is read, so that no machine is too slow for the test."""
    seconds = iter(range(10**6))
    monkeypatch.setattr(time, "monotonic", lambda: float(next(seconds)))
    tensors, state = trained(replace(small_config, steps=10**6), small_data, tmp_path / "run", minutes=5)
    rates = tensors["history"][:, 2]
    assert state["done"] and 300 <= state["seconds"] < 310
    assert rates[-1] < 0.01 * rates.max() and rates.argmax() < 0.2 * len(rates)
    # Continued with a longer budget, it goes on from where it was.
    _, later = trained(small_config, small_data, tmp_path / "more", minutes=2)
    _, later = trained(small_config, small_data, tmp_path / "more", minutes=4, resume=True)
    assert later["step"] > state["step"] / 2 and 240 <= later["seconds"] < 250


def test_a_run_that_was_stopped_when_its_time_was_up_is_finished_by_resuming(small_data, small_config, tmp_path):
    trained(small_config, small_data, tmp_path / "run", watch=lambda model, history: len(history) == 3)
    tensors, state = read_checkpoint(tmp_path / "run")
    assert not state["done"] and state["step"] == 3
    first, done = trained(small_config, small_data, tmp_path / "run", minutes=1e-6, resume=True)
    assert done["done"] and done["step"] == 3 and "calibration.mean" in first
    before = (tmp_path / "run/checkpoint.safetensors").read_bytes()
    trained(small_config, small_data, tmp_path / "run", minutes=1e-6, resume=True)
    assert (tmp_path / "run/checkpoint.safetensors").read_bytes() == before  # finished: nothing is written anew


def test_a_run_goes_on_with_another_number_of_threads(small_data, small_config, tmp_path):
    trained(small_config, small_data, tmp_path / "run", watch=lambda model, history: len(history) == 3)
    tensors, state = read_checkpoint(tmp_path / "run")
    for name in [name for name in tensors if name.startswith(("standardize.", "guess."))]:
        if tensors[name].is_floating_point():  # as where sums are added up in another order
            tensors[name] = tensors[name] * (1 + 2e-6)
    write_checkpoint(tmp_path / "run", tensors, state)
    assert trained(small_config, small_data, tmp_path / "run", resume=True)[1]["done"]


def test_a_budget_too_small_for_the_features_still_leaves_a_run(small_data, small_config, tmp_path):
    tensors, state = trained(small_config, small_data, tmp_path / "run", minutes=1e-6)
    assert state == {**state, "step": 1, "done": True} and "calibration.mean" in tensors


def test_a_loss_that_is_not_finite_keeps_the_last_good_checkpoint(small_data, small_config, tmp_path, monkeypatch):
    loss, calls = HVQTrans.loss, []

    def explodes(self, *args):
        calls.append(0)
        value, output = loss(self, *args)
        return value * (float("nan") if len(calls) == 8 else 1), output

    monkeypatch.setattr(HVQTrans, "loss", explodes)
    with pytest.raises(RunError, match="step 7.*last good"):
        trained(small_config, small_data, tmp_path / "run", checkpoint_every=3)
    tensors, state = read_checkpoint(tmp_path / "run")
    assert state["step"] == 6 and all(t.isfinite().all() for n, t in tensors.items() if n != "history")


def test_a_folder_that_holds_a_run_is_not_overwritten(small_data, small_config, tmp_path):
    trained(small_config, small_data, tmp_path / "run")
    before = (tmp_path / "run/checkpoint.safetensors").read_bytes()
    with pytest.raises(InputError, match="--resume"):
        trained(small_config, small_data, tmp_path / "run")
    with pytest.raises(InputError, match="other settings .seed 0, now 9"):
        trained(replace(small_config, seed=9), small_data, tmp_path / "run", resume=True)
    trained(small_config, small_data, tmp_path / "run", resume=True)  # finished: nothing to do
    assert (tmp_path / "run/checkpoint.safetensors").read_bytes() == before


def test_changed_training_images_are_noticed_on_resume(small_data, small_config, tmp_path):
    shutil.copytree(small_data, tmp_path / "data")
    trained(small_config, tmp_path / "data", tmp_path / "run")
    (tmp_path / "data/cloth/train/good/000.png").unlink()
    with pytest.raises(InputError, match="images changed"):
        trained(small_config, tmp_path / "data", tmp_path / "run", resume=True)


def test_two_trainings_in_one_folder(small_data, small_config, tmp_path):
    def watch(model, history):
        with pytest.raises(InputError, match="Another training is writing"):
            trained(small_config, small_data, tmp_path / "run", resume=True)

    trained(replace(small_config, steps=2), small_data, tmp_path / "run", watch=watch)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="not a folder to write to"):
        trained(small_config, small_data, tmp_path / "file")


def test_features_on_disk_or_in_memory_give_the_same_weights(small_data, small_config, tmp_path):
    for method in ("hvq", "knn"):
        config = replace(small_config, method=method, bank=500)
        kept, _ = trained(config, small_data, tmp_path / f"{method}-kept", cache=tmp_path / "cache")
        held, _ = trained(config, small_data, tmp_path / f"{method}-held")
        assert all(torch.equal(kept[name], held[name]) for name in held if name != "history")
    (tmp_path / "file").touch()
    with pytest.warns(UserWarning, match="are held in memory"):
        warned, _ = trained(config, small_data, tmp_path / "warned", cache=tmp_path / "file")
    assert torch.equal(warned["model.bank"], held["model.bank"])


def test_knn_and_minutes_below_zero(small_data, small_config, tmp_path):
    tensors, state = trained(replace(small_config, method="knn", bank=50), small_data, tmp_path / "knn")
    assert tensors["model.bank"].shape[:2] == (2, 25) and state["done"]
    with pytest.raises(InputError, match="minutes"):
        trained(small_config, small_data, tmp_path / "x", minutes=-1)
    for minutes in (float("nan"), float("inf")):
        with pytest.raises(InputError, match="minutes"):
            trained(small_config, small_data, tmp_path / "x", minutes=minutes)


def test_predictions_read_12_bits_as_the_training_did(small_data, small_config, tmp_path):
    deep = tmp_path / "deep"
    for path in small_data.glob("cloth/t*/*/*.png"):
        grey = np.asarray(Image.open(path).convert("L"))
        other = deep / path.relative_to(small_data).with_suffix(".tif")
        plain = tmp_path / "plain" / path.relative_to(small_data)
        for picture, file in ((grey.astype(np.uint16) * 16, other), (np.rint(grey * (16 * 255 / 4095)), plain)):
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture if file == other else picture.astype(np.uint8)).save(file)
    config = replace(small_config, method="knn")
    detectors = {}
    for data in (deep, tmp_path / "plain"):
        trained(config, data, tmp_path / "run" / data.name, cache=tmp_path / "cache")
        detectors[data.name] = Detector.load(tmp_path / "run" / data.name, "cpu")
    assert detectors["deep"].white == 4095 and detectors["plain"].white is None
    files = [s.path for s in load_dataset(deep).test], [s.path for s in load_dataset(tmp_path / "plain").test]
    for cache in (None, tmp_path / "cache"):
        judged = [d.judge(some, cache=cache) for d, some in zip(detectors.values(), files, strict=True)]
        for one, other in zip(*judged, strict=True):
            assert one.score == other.score and np.array_equal(one.anomaly_map, other.anomaly_map)
    with pytest.raises(InputError, match="brightest pixels"):
        Image.fromarray(np.full((8, 8), 5000, np.uint16)).save(deep / "cloth/train/good/bright.tif")
        trained(config, deep, tmp_path / "run/deep", resume=True)


@pytest.mark.parametrize("method", ["hvq", "place"])
def test_images_added_before_the_first_checkpoint_are_listed(small_data, small_config, tmp_path, monkeypatch, method):
    shutil.copytree(small_data, tmp_path / "data")
    config, learn = replace(small_config, method=method), HVQTrans if method == "hvq" else PlaceMean
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(learn, "forward" if method == "hvq" else "fit", Mock(side_effect=KeyboardInterrupt))
        trained(config, tmp_path / "data", tmp_path / "run")
    shutil.copy(tmp_path / "data/cloth/train/good/000.png", tmp_path / "data/cloth/train/good/999.png")
    trained(config, tmp_path / "data", tmp_path / "run", resume=True)
    listed = [Path(path).name for path in TrainedOn.read(tmp_path / "run").paths]
    assert len(listed) == len(load_dataset(tmp_path / "data").train) and "999.png" in listed


def test_an_exported_rival_is_not_trained_over(small_data, small_config, tmp_path):
    config = replace(small_config, method="place")
    trained(config, small_data, tmp_path / "run")
    export(tmp_path / "run", tmp_path / "small")
    before = (tmp_path / "small/checkpoint.safetensors").read_bytes()
    with pytest.raises(InputError, match="exported run"):
        trained(config, small_data, tmp_path / "small", resume=True)
    assert (tmp_path / "small/checkpoint.safetensors").read_bytes() == before


def test_classes_of_too_few_images_are_named(small_data, small_config, tmp_path):
    shutil.copytree(small_data, tmp_path / "data")
    for path in sorted((tmp_path / "data/cloth/train/good").iterdir())[4:]:
        path.unlink()
    with pytest.raises(InputError, match=r"Too few normal training images: cloth \(4\); a class needs 5"):
        trained(small_config, tmp_path / "data", tmp_path / "run")
