"""What goes wrong outside of the code: each fault ends in one sentence, and what was good stays good.

FAULTS is the table of docs/faults.md, which a test compares with it. Each entry prepares a folder that holds a data
set (``data``), a finished run (``run``) and one that was interrupted (``half``), spoils something, and runs a command.
"""

from __future__ import annotations

import errno
import io
import json
import mmap
import os
import pickle
import random
import re
import shutil
import signal
import struct
import sys
import threading
import time
import traceback
import warnings
import zlib
from collections.abc import Callable
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tqdm.auto import tqdm

from hvqlib import cli, config
from hvqlib.config import Config
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.run_folder import read_checkpoint
from hvqlib.features.backbone import Backbone
from hvqlib.training.train import train as train_run

ROOT = Path(__file__).resolve().parents[1]
TRAIN = "train --data data --out new --steps 3"
RESUME = "train --data data --out half --steps 12 --resume"
EVALUATE = "evaluate --run run --data data"
PREDICT = "predict --run run --out found data/cloth/test/good/000.png"
GOOD = "data/cloth/train/good/000.png"
TEST = "data/cloth/test/spot/000.png"
MASK = "data/cloth/ground_truth/spot/000_mask.png"


def write(path: str, content: bytes | str = b"") -> Callable[[], None]:
    def spoil() -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        Path(path).write_bytes(content if isinstance(content, bytes) else content.encode())

    return spoil


def cut(path: str, left: float) -> Callable[[], None]:
    def spoil() -> None:
        content = Path(path).read_bytes()
        Path(path).write_bytes(content[: int(len(content) * left)])

    return spoil


def flip(path: str) -> Callable[[], None]:
    """One bit of the last value: nothing but a checksum notices."""

    def spoil() -> None:
        content = bytearray(Path(path).read_bytes())
        content[-2] ^= 4
        Path(path).write_bytes(content)

    return spoil


def remove(path: str) -> Callable[[], None]:
    return lambda: shutil.rmtree(path) if Path(path).is_dir() else Path(path).unlink()


def about(run: str, **changes: object) -> Callable[[], None]:
    """Change a run's config.json."""

    def spoil() -> None:
        path = Path(run) / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    return spoil


def bomb(path: str) -> Callable[[], None]:
    """A PNG of a few bytes that says it has 400 million pixels."""

    def spoil() -> None:
        kept = io.BytesIO()
        Image.new("L", (1, 1)).save(kept, "PNG")
        content = bytearray(kept.getvalue())
        content[16:24] = struct.pack(">II", 20_000, 20_000)
        content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
        Path(path).write_bytes(content)

    return spoil


def wide_pixels() -> None:
    Image.fromarray(np.full((64, 64), 70_000, np.int32)).save("data/cloth/train/good/000.tif")


def other_weights() -> None:
    tensors, kept = read_checkpoint(Path("run"))
    del tensors["model.head_bias"]
    save_file(tensors, "run/checkpoint.safetensors", {"state": json.dumps(kept)})


def pickled() -> None:
    """A pickle that would run a command when it is loaded."""

    class Trap:
        def __reduce__(self) -> tuple:
            return os.system, ("touch sprung",)

    Path("run/checkpoint.safetensors").write_bytes(pickle.dumps(Trap()))


def no_room() -> None:
    """Every fsync from now on finds the disk full."""
    os.fsync = lambda _: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left on device"))


def another_class() -> None:
    shutil.copytree("data/cloth", "data/tile")


def four_images() -> None:
    for path in sorted(Path(GOOD).parent.iterdir())[4:]:
        path.unlink()


def no_tests() -> None:
    for folder in ("cloth/test", "cloth/ground_truth", "stone/test"):
        shutil.rmtree(f"data/{folder}")


def image_folder() -> None:
    Path(GOOD).unlink()
    Path(GOOD).mkdir()


def no_cache() -> None:
    shutil.rmtree("data/cache")
    Path("data/cache").touch()


def small_mask() -> None:
    Image.new("L", (10, 10), 255).save(MASK)


FAULTS: tuple[tuple[str, Callable[[], None], str, int, str], ...] = (
    # name, what spoils, the command, its exit status, a part of the sentence
    ("no data folder", remove("data"), TRAIN, 2, "'data' is not a folder"),
    ("a data folder without classes", lambda: (remove("data")(), Path("data").mkdir()), TRAIN, 2, "No class found"),
    ("a class without training images", remove("data/cloth/train/good"), TRAIN, 2, "no images in"),
    ("a class of four training images", four_images, TRAIN, 2, "a class needs 5"),
    ("a training image that is no image", write(GOOD, "text"), TRAIN, 2, "000.png' cannot be read"),
    ("an empty training image", write(GOOD), TRAIN, 2, "000.png' cannot be read"),
    ("a training image cut short", cut(GOOD, 0.6), TRAIN, 2, "000.png' cannot be read"),
    ("a decompression bomb", bomb(GOOD), TRAIN, 2, "unsafely large"),
    ("pixels of over 16 bits", wide_pixels, TRAIN, 2, "over 16 bits"),
    (
        "a folder named like an image",
        lambda: (remove(GOOD)(), Path(GOOD).mkdir()),
        "data check data --json",
        0,
        '"train": 7',
    ),
    ("a defective image without its mask", remove(MASK), EVALUATE, 2, "has no mask"),
    ("a mask without its image", remove(TEST), EVALUATE, 2, "has no image of that name"),
    ("a mask of another size", small_mask, EVALUATE, 2, "make them the same size"),
    ("a mask that is no image", write(MASK, "text"), EVALUATE, 2, "000_mask.png' cannot be read"),
    ("a test image that is no image", write(TEST, "text"), EVALUATE, 2, "000.png' cannot be read"),
    ("no test images", no_tests, EVALUATE, 2, "no test"),
    (
        "a class the run does not know",
        lambda: shutil.copytree("data/cloth", "data/tile"),
        EVALUATE,
        2,
        "not trained on",
    ),
    (
        "a photograph that is no image",
        write("x.png", "text"),
        "predict --run run --out f x.png",
        1,
        "could not be judged: 'x.png'",
    ),
    (
        "a photograph that is not there",
        lambda: None,
        "predict --run run --out f gone.png",
        1,
        "could not be judged: 'gone.png'",
    ),
    ("a class that predict does not know", lambda: None, f"{PREDICT} --class tile", 2, "knows no class 'tile'"),
    ("a false-alarm rate nobody can promise", lambda: None, f"{PREDICT} --false-alarm 1e-9", 2, "cannot be promised"),
    ("no run folder", remove("run"), EVALUATE, 2, "no run"),
    ("a run that was not finished", lambda: None, "evaluate --run half --data data", 2, "not finished"),
    ("a run without its checkpoint", remove("run/checkpoint.safetensors"), EVALUATE, 2, "no checkpoint yet"),
    ("a checkpoint cut short", cut("run/checkpoint.safetensors", 0.7), EVALUATE, 2, "is damaged"),
    ("an empty checkpoint", write("run/checkpoint.safetensors"), EVALUATE, 2, "is damaged"),
    ("a checkpoint with one wrong bit", flip("run/checkpoint.safetensors"), EVALUATE, 2, "its checksum is wrong"),
    ("a checkpoint that is a pickle", pickled, EVALUATE, 2, "is damaged"),
    ("a checkpoint that lacks a tensor", other_weights, EVALUATE, 2, "does not fit its config.json"),
    ("a configuration that is no JSON", write("run/config.json", "{"), EVALUATE, 2, "not a run's configuration"),
    ("a configuration of another version", about("run", format=99), EVALUATE, 2, "format 99"),
    ("a configuration with unknown settings", about("run", config={"wings": 2}), EVALUATE, 2, "Unknown settings"),
    ("a run of other backbone weights", about("run", backbone_fingerprint="0"), EVALUATE, 2, "other weights"),
    ("a checkpoint of another shape", about("run", classes=["cloth", "stone", "x"]), EVALUATE, 2, "does not fit"),
    ("a folder that holds a run", lambda: None, "train --data data --out run", 2, "already holds a run"),
    ("a file instead of the run folder", write("new", "text"), TRAIN, 2, "not a folder to write to"),
    ("resuming with another seed", lambda: None, f"{RESUME} --seed 9", 2, "seed 0, now 9"),
    ("resuming with fewer images", remove(GOOD), RESUME, 2, "images changed"),
    ("resuming with another image", lambda: shutil.copy(TEST, GOOD), RESUME, 2, "images changed"),
    ("resuming with another class", another_class, RESUME, 2, "other classes"),
    ("resuming a spoilt checkpoint", flip("half/checkpoint.safetensors"), RESUME, 2, "delete it and train again"),
    ("a full disk while training", no_room, TRAIN, 1, "No space left on device"),
    ("a full disk while resuming", no_room, RESUME, 1, "what was there is kept"),
    ("a full disk while predicting", no_room, PREDICT, 1, "No space left on device"),
    ("a read-only place", lambda: None, "train --data data --out /proc/new --steps 3", 2, "not a folder to write to"),
    ("an export into a folder in use", lambda: None, "export --run run --out half", 2, "is not empty"),
    ("an export of an unfinished run", lambda: None, "export --run half --out new", 2, "not finished"),
    ("an export to ONNX without a data set", lambda: None, "export --run run --onnx new", 2, "needs --data"),
    (
        "an export to ONNX into a folder in use",
        lambda: None,
        "export --run run --onnx half --data data",
        2,
        "is not empty",
    ),
    (
        "a model without its description",
        write("m/model.onnx"),
        f"predict --model m/model.onnx {TEST}",
        2,
        "detector.json'",
    ),
    (
        "another model than the description's",
        write("m/detector.json", '{"format": 1, "model_sha256": ""}'),
        f"predict --model m/detector.json {TEST}",
        2,
        "is not the model that",
    ),
    ("a spoilt record among the cached features", flip("cache.features"), TRAIN, 0, ""),
    ("cached features cut short", cut("cache.features", 0.5), TRAIN, 0, ""),
    (
        "a file instead of the cache",
        lambda: (remove("data/cache")(), write("data/cache")()),
        TRAIN,
        0,
        "cannot be kept",
    ),
)


@pytest.fixture(scope="module")
def prepared(small_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ``data``, a finished ``run``, an interrupted ``half``, and cached features."""
    root = tmp_path_factory.mktemp("prepared")
    shutil.copytree(small_data, root / "data")
    dataset = load_dataset(root / "data")
    for name, stop in (("run", 99), ("half", 5)):
        train_run(replace(SMALL, steps=12), dataset, root / name, cache=root / "data/cache", progress=False,
                           watch=lambda _, history, stop=stop: len(history) == stop)  # fmt: skip
    return root


SMALL = Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=2, codes=16, batch_size=4, steps=12)


without_proc = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no /proc, and lets anybody make one")


@pytest.mark.parametrize(
    ("name", "spoil", "command", "status", "words"),
    [pytest.param(*f, id=f[0], marks=[without_proc] if "/proc/" in f[2] else []) for f in FAULTS],
)
def test_a_fault_is_one_sentence(name, spoil, command, status, words, prepared, tmp_path, monkeypatch, capsys):
    shutil.copytree(prepared, tmp_path / "here")
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setitem(config.PRESETS, "tiny", SMALL)
    monkeypatch.setattr(os, "fsync", os.fsync)  # put back what a fault replaces
    if command.startswith("train"):
        command += " --cache data/cache"
    (features,) = Path("data/cache").glob("*.features")
    Path("cache.features").hardlink_to(features)  # another name; Windows gives no symbolic link to everybody
    kept = features.read_bytes()
    spoil()
    before = {path: path.read_bytes() for run in ("run", "half") for path in sorted(Path(run).glob("*"))}
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        found = cli.main(command.split())
    printed = capsys.readouterr()
    told = [line for line in printed.err.splitlines() if line.startswith("hvq: ")]
    assert found == status, printed.err
    if status:
        assert len(told) == 1 and words in told[0] and told[0].endswith("."), printed.err
        assert printed.out == "" and "Traceback" not in printed.err
    else:
        assert any(words in told for told in (printed.out, *(str(w.message) for w in warned)))
        if command.startswith("train"):
            assert read_checkpoint(Path("new"))[1]["done"]
        if Path("data/cache").is_dir():
            assert features.read_bytes() == kept  # what was spoilt is mended
    after = {path: path.read_bytes() for run in ("run", "half") for path in sorted(Path(run).glob("*"))}
    assert after == before  # what was good stays good, nothing is left half written
    assert not list(Path().rglob("*.part")) and not Path("sprung").exists()


def test_the_table_of_the_page_names_every_fault():
    text = (ROOT / "docs/faults.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (.+?) \| `(.+?)` \| (\d) \| (.*?) \|$", text, re.M)
    assert [(name, int(status)) for name, _, status, _ in rows] == [(f[0], f[3]) for f in FAULTS]
    assert len(FAULTS) >= 40


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot copy a process while it runs: it has no fork")
def test_two_hundred_kills_lose_no_more_than_the_steps_since_the_last_checkpoint(small_data, tmp_path, monkeypatch):
    # In a process of its own: one that has only one thread may be copied while it runs.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    process = get_context("spawn").Process(target=kill_often, args=(small_data, tmp_path))
    process.start()
    process.join()
    assert process.exitcode == 0


def kill_often(small_data: Path, tmp_path: Path) -> None:
    """A copy of this process trains, and is killed at a random moment, 200 times."""
    tqdm.monitor_interval = 0  # no second thread
    tqdm.set_lock(threading.RLock())  # its own lock is shared by all copies, and one killed while it holds it stops all
    every, steps, kills = 5, 100_000, 200
    settings = replace(SMALL, steps=steps)
    dataset = load_dataset(small_data)
    backbone = Backbone(image_size=64, grid=4)
    sys.modules["hvqlib.training.train"].Backbone = lambda *_: backbone  # so that the time goes into training
    train_run(replace(settings, steps=1), dataset, tmp_path / "warm", cache=tmp_path / "cache", progress=False)
    assert threading.active_count() == 1
    reached = mmap.mmap(-1, 8)  # what the copied process tells: the step that it is at

    def watch(_: object, history: list) -> None:
        reached[:] = struct.pack("q", len(history))

    def train() -> None:
        train_run(settings, dataset, tmp_path / "run", resume=True, cache=tmp_path / "cache",
                           checkpoint_every=every, progress=False, watch=watch)  # fmt: skip

    moments, kept, written = random.Random(0), 0, 0
    for kill in range(kills):
        reached[:] = bytes(8)
        child = os.fork()
        if not child:
            try:
                train()
            except BaseException:
                traceback.print_exc()
            os._exit(3)
        # Every other time wait for some steps first, so that no machine is too slow for its kills to fall into them.
        goal, patience = kept + moments.randint(1, 20) if kill % 2 else 0, time.monotonic() + 120
        while struct.unpack("q", reached[:])[0] < goal:
            assert os.waitpid(child, os.WNOHANG) == (0, 0) and time.monotonic() < patience  # it is alive, and moves
            time.sleep(0.001)
        time.sleep(moments.uniform(0, 0.15 if goal == 0 else 0.02))
        os.kill(child, signal.SIGKILL)
        assert os.waitpid(child, 0)[1] == signal.SIGKILL  # it did not stop by itself
        if (tmp_path / "run/checkpoint.safetensors").exists():
            tensors, state = read_checkpoint(tmp_path / "run")  # whole, checksum and all
            at = struct.unpack("q", reached[:])[0]
            assert state["step"] >= kept and state["step"] >= at - every and len(tensors["history"]) == state["step"]
            written += state["step"] > kept
            kept = state["step"]
    assert written > kills / 4  # the kills did fall into the training
    # An uninterrupted training that is stopped there has the same weights, to the bit.
    train_run(settings, dataset, tmp_path / "whole", cache=tmp_path / "cache", checkpoint_every=10**6, progress=False,
              watch=lambda _, history: len(history) == kept)  # fmt: skip
    uncut, _ = read_checkpoint(tmp_path / "whole")
    assert len(uncut["history"]) == kept
    assert all(torch.equal(uncut[name], tensors[name]) for name in uncut if name != "history")
    (tmp_path / "run/.checkpoint.safetensors.1.part").touch()  # what a kill may leave beside is swept away
    train_run(settings, dataset, tmp_path / "run", resume=True, cache=tmp_path / "cache", progress=False,
              watch=lambda *_: True)  # fmt: skip
    assert not list((tmp_path / "run").glob(".*"))
