"""A kill at any moment of predict, recalibrate and export leaves what was there whole, and the command can be repeated.

Each command runs in a copy of a process that has imported everything already, so that the kills fall into its work.
Python tells the copy when it is about to change a file, be it in the middle of writing it, and there it kills itself
with SIGKILL, which nothing can catch: before one change or another, first to last. Others are killed from outside, some
time after they began.
"""

from __future__ import annotations

import csv
import io
import json
import mmap
import os
import random
import shutil
import signal
import struct
import sys
import threading
import time
import traceback
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from types import FrameType

import pytest
from PIL import Image
from tqdm.auto import tqdm

from hvqlib import cli
from hvqlib.data.dataset import load_dataset
from hvqlib.detector import detector, onnx_export
from hvqlib.detector.detector import Detector
from hvqlib.evaluation.predictions import photographs
from hvqlib.training.train import train

PHOTOS = "data/cloth/train/good"  # to judge; to add; to try an export on


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot copy a process while it runs: it has no fork")
def test_a_kill_leaves_what_was_there(exported, small_data, small_config, tmp_path, monkeypatch):
    dataset = load_dataset(small_data)
    train(small_config, dataset, tmp_path / "small", progress=False)
    for command in KILLS:
        run, samples = (exported.run, exported.data.test) if command == "export" else (tmp_path / "small", dataset.test)
        shutil.copytree(run, tmp_path / command / "run")
        (tmp_path / command / PHOTOS).mkdir(parents=True)
        for i, sample in enumerate(samples[:: len(samples) // 3]):
            shutil.copy(sample.path, tmp_path / command / PHOTOS / f"{i}.png")
    shutil.copytree(exported.folder, tmp_path / "export" / "exported")
    # In a process of its own: one that has only one thread may be copied while it runs.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("OPENBLAS_NUM_THREADS", "1")
    process = get_context("spawn").Process(target=kill_often, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 0


def kill_often(root: Path) -> None:
    tqdm.monitor_interval = 0  # no second thread
    tqdm.set_lock(threading.RLock())  # its own lock is shared by all copies, and one killed while it holds it stops all
    # What is slow, and no part of the work, is done once: to import, and to read the backbone's weights.
    import scipy.stats  # noqa: F401

    detector.Backbone = cache(detector.Backbone)
    for command, kill in KILLS.items():
        os.chdir(root / command)
        before, photos = files("run"), files(PHOTOS)
        Detector.load("run", "cpu").judge(list(photos))
        assert threading.active_count() == 1
        kill()
        assert files("run") == before and files(PHOTOS) == photos
        assert photographs(["."])[0] == sorted(photos)  # what kills left behind is never taken for a photograph


def files(folder: str) -> dict[Path, bytes]:
    """Read all files of a folder."""
    return {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


# --- killing -------------------------------------------------------------------------------------


def run(command: str, change: int | None = None, seconds: float | None = None) -> tuple[int, int]:
    """Run hvq in a copy of this process, killed before a change to a file or after some time.

    Returns its exit status, -9 if it was killed, and how many changes it made.
    """
    made = mmap.mmap(-1, 8)
    child = os.fork()
    if not child:
        status = 3
        try:
            os.dup2(os.open("said.txt", os.O_CREAT | os.O_WRONLY | os.O_TRUNC), 1)
            os.dup2(1, 2)
            count_changes(made, change)
            status = cli.main(command.split())
        except BaseException:
            traceback.print_exc()
        os._exit(status)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, -signal.SIGKILL), Path("said.txt").read_text(encoding="utf-8")
    return status, struct.unpack("q", made[:])[0]


def count_changes(made: mmap.mmap, last: int | None) -> None:
    """Count what this process opens to write, writes, makes, renames and removes in its folder; die before the `last`.

    The audit hook is told of all but the writing: of that, the profiler is.
    """
    here, said, count = os.getcwd(), (sys.stdout, sys.stderr), 0

    def change() -> None:
        nonlocal count
        if count == last:
            os.kill(os.getpid(), signal.SIGKILL)
        count += 1
        made[:] = struct.pack("q", count)

    def is_here(path: object) -> bool:
        return isinstance(path, str | bytes | os.PathLike) and os.path.abspath(os.fsdecode(path)).startswith(here)

    def hook(event: str, about: tuple) -> None:
        to_write = event == "open" and about[2] & (os.O_WRONLY | os.O_RDWR) and is_here(about[0])
        if to_write or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            change()

    def profile(frame: FrameType, event: str, function: object) -> None:
        if event == "c_call" and getattr(function, "__name__", "") == "write":
            file = getattr(function, "__self__", None)
            if isinstance(file, io.IOBase) and file not in said and is_here(getattr(file, "name", 0)):
                change()

    sys.addaudithook(hook)
    sys.setprofile(profile)


def moments(command: str, number: int) -> list[dict[str, float]]:
    """Run a command to its end, and list moments to kill it: before a `number` of its changes, and two by time."""
    began = time.monotonic()
    status, changes = run(command)
    took = time.monotonic() - began
    assert status == 0 and changes > 0
    at = sorted({round(i * (changes - 1) / (number - 1)) for i in range(number)})
    times = random.Random(0)
    return [{"change": k} for k in at] + [{"seconds": times.uniform(0, took)} for _ in range(2)]


# --- what a kill may leave -----------------------------------------------------------------------


def kill_predict() -> None:
    photos, command = sorted(files(PHOTOS)), "predict --run run --out found --masks"
    assert run(f"{command} {photos[-1]}")[0] == 0
    shutil.copytree("found", "earlier")
    earlier, command = scores(Path("found")), f"{command} {PHOTOS}"
    assert len(earlier) == 1
    for i, moment in enumerate(moments(command, 20)):
        shutil.rmtree("found")
        shutil.copytree("earlier", "found")
        run(command, **moment)
        now = scores(Path("found"))
        assert {image: now.get(image) for image in earlier} == earlier
        if i % 5 == 4:
            assert run(command)[0] == 0 and scores(Path("found")).keys() == {os.path.abspath(path) for path in photos}


def scores(out: Path) -> dict[str, tuple]:
    """Read class and verdict of each image that both files hold; they, and the pictures they name, have to be whole."""
    rows = {row["image"]: row for row in json.loads((out / "scores.json").read_text(encoding="utf-8"))}
    for row in rows.values():
        for name in ("heat_map", "mask"):
            with Image.open(row[name]) as picture:
                picture.load()
    with (out / "scores.csv").open(newline="", encoding="utf-8-sig") as file:
        table = {row["image"]: row for row in csv.DictReader(file)}
    told = {image: (row["class"], row["verdict"]) for image, row in rows.items()}
    assert all(told[image] == (row["class"], row["verdict"]) for image, row in table.items())  # written after it
    return {image: told[image] for image in table}


def kill_recalibrate() -> None:
    command = f"recalibrate --run run --add {PHOTOS} --class cloth --cache cache --out"
    for change in (2, 9, 20):  # while features are written into the cache, of which the next finds some
        assert run(f"{command} new", change)[0] != 0 and not Path("new").exists()
    assert run(f"{command} first")[0] == 0
    kill_folder(command, "predict --run {} --out check")


def kill_export() -> None:
    command = "export --run run --data data --onnx"
    for seconds in (1, 3):  # while torch makes the file, which takes long; from here on it is made already
        assert run(f"{command} new", seconds=seconds)[0] != 0 and not Path("new").exists()
    onnx_export.write_model = lambda detector, path: path.write_bytes(Path("exported/model.onnx").read_bytes())
    kill_folder(command, "predict --model {}/model.onnx --out check")


def kill_folder(command: str, check: str) -> None:
    """Kill a command that makes a folder: it is not there, or whole."""
    photo = next(iter(files(PHOTOS)))
    for moment in moments(f"{command} before", 8):
        status, _ = run(f"{command} new", **moment)
        if Path("new").exists() and any(Path("new").iterdir()):
            assert {path.name for path in files("new")} == {path.name for path in files("before")}
            assert run(f"{check.format('new')} {photo}")[0] == 0
            shutil.rmtree("new")
        else:
            assert status != 0
    assert run(f"{command} new")[0] == 0 and run(f"{check.format('new')} {photo}")[0] == 0


KILLS = {"predict": kill_predict, "recalibrate": kill_recalibrate, "export": kill_export}
