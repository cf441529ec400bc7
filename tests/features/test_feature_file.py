"""A file of features: what is written is read, by several processes at once, and after damage."""

import multiprocessing
import subprocess
import sys
from hashlib import sha256

import numpy as np
import torch

from hvqlib.features.feature_file import FeatureFile, Features

SHAPE = (3, 2, 2)


def key(number: int) -> bytes:
    return sha256(str(number).encode()).digest()


def values(number: int) -> torch.Tensor:
    return torch.arange(12.0).view(SHAPE) + number


def test_what_is_written_is_found_and_read(tmp_path):
    file = FeatureFile(tmp_path / "deep" / "some.features", SHAPE)
    assert file.find(key(0)) is None
    rows = [file.write(key(n), values(n)) for n in (0, 1, 2)]
    assert rows == [0, 1, 2] and file.write(key(1), values(1)) == 1  # not twice
    again = FeatureFile(file.path, SHAPE)
    assert [again.find(key(n)) for n in (2, 0, 9)] == [2, 0, None]
    features = Features(again, [2, 0, 1])
    assert features.shape == (3, *SHAPE) and len(features) == 3
    assert torch.equal(features[0], values(2)) and torch.equal(features[1:], torch.stack([values(0), values(1)]))
    assert torch.equal(features[torch.tensor([2, 2])], torch.stack([values(1)] * 2))
    assert torch.equal(features[torch.tensor([True, False, False])][0], values(2))
    assert torch.equal(torch.stack(list(features)), features[:])
    features[:].zero_()  # what was read is a copy
    assert torch.equal(features[0], values(2))


def test_a_record_that_is_cut_or_spoilt_is_written_anew_in_its_place(tmp_path):
    file = FeatureFile(tmp_path / "some.features", SHAPE)
    for n in range(3):
        file.write(key(n), values(n))
    whole = file.path.read_bytes()
    spoilt = bytearray(whole[:-7])
    spoilt[70] ^= 1  # a value of record 0; record 2 is cut short
    file.path.write_bytes(spoilt)
    again = FeatureFile(file.path, SHAPE)
    assert [again.find(key(n)) for n in range(3)] == [None, 1, None]
    assert again.write(key(0), values(0)) == 0 and again.write(key(2), values(2)) == 2
    assert file.path.read_bytes() == whole
    again.write(key(3), torch.full(SHAPE, torch.nan))
    assert again.find(key(3)) is None  # never handed out


def add(path, numbers):
    file = FeatureFile(path, SHAPE)
    for n in numbers:
        file.write(key(n), values(n))


def test_processes_that_write_the_same_file_do_not_harm_each_other(tmp_path):
    path = tmp_path / "some.features"
    started = [
        multiprocessing.get_context("spawn").Process(target=add, args=(path, range(start, start + 40)))
        for start in (0, 20, 40)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join()
        assert process.exitcode == 0
    file = FeatureFile(path, SHAPE)
    rows = [file.find(key(n)) for n in range(80)]
    assert sorted(rows) == list(range(80))  # each once
    assert torch.equal(Features(file, rows)[:], torch.stack([values(n) for n in range(80)]))


READ = """
import sys, torch
from pathlib import Path
from hvqlib.features.feature_file import FeatureFile, Features
from benchmarks.measure import resident_memory
features = Features(FeatureFile(Path(sys.argv[1]), (64, 32, 32)), range(1200))
before, most = resident_memory(), 0
for n in range(0, 1200, 8):
    assert float(features[n : n + 8].sum()) == 0
    most = max(most, resident_memory() - before)
print(most)
"""


def test_reading_does_not_keep_the_file_in_memory(tmp_path):
    file = FeatureFile(tmp_path / "big.features", (64, 32, 32))  # a quarter of a MiB
    record = np.zeros(1, file.record)
    with file.path.open("wb") as out:
        for n in range(1200):  # 300 MiB
            record["key"] = np.frombuffer(key(n), np.uint8)
            out.write(record.tobytes())
    told = subprocess.run([sys.executable, "-c", READ, str(file.path)], capture_output=True, text=True, check=True)
    assert int(told.stdout) < 20 * 2**20
