"""Keep features of many images in one file, shared by any number of processes and never loaded whole.

The file is a row of records of one size: 32 bytes of key, 32 bytes of checksum, the values in float32. A record is
added under a lock; one cut short by a crash is written over by the next, one that fails its checksum is replaced.
Records are read, not mapped into memory: what a map touches, and what lies around it, counts as the process's own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor


class FeatureFile:
    """Keep arrays of one `shape` under keys of 32 bytes, in one file.

    The file is made, with its folder, when the first record is written. Raises OSError where it cannot be read or
    written.
    """

    def __init__(self, path: Path, shape: tuple[int, ...]) -> None:
        self.path, self.shape = path, shape
        self.record = np.dtype([("key", "u1", 32), ("check", "u1", 32), ("values", "<f4", shape)])
        self._rows: dict[bytes, int] = {}
        self._seen = 0  # records whose keys are in _rows

    def read(self, rows: Iterable[int]) -> np.ndarray:
        """Read the records in those rows, (R,) of `record`."""
        rows = list(rows)
        records = np.empty(len(rows), self.record)
        if rows:
            with self.path.open("rb", buffering=0) as file:
                for i, row in enumerate(rows):
                    file.seek(row * self.record.itemsize)
                    records[i : i + 1] = np.fromfile(file, self.record, 1)
        return records

    def find(self, key: bytes) -> int | None:
        """Find where the record of that key is, if there is one with a right checksum."""
        row = self._row(key)
        if row is None:
            return None
        (record,) = self.read([row])
        sound = record["check"].tobytes() == _checksum(record["values"]) and np.isfinite(record["values"]).all()
        return row if sound else None

    def write(self, key: bytes, values: Tensor) -> int:
        """Keep an array under a key, replacing what lies there; returns where it is."""
        record = np.zeros((), self.record)
        record["key"], record["values"] = np.frombuffer(key, np.uint8), values.numpy()
        record["check"] = np.frombuffer(_checksum(record["values"]), np.uint8)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{self.path}.lock"):
            row = self._row(key)  # another process may have added it meanwhile
            with self.path.open("r+b" if self.path.exists() else "w+b") as file:
                if row is None:
                    row = file.seek(0, 2) // self.record.itemsize
                file.seek(row * self.record.itemsize)
                file.write(record.tobytes())
        return row

    def _row(self, key: bytes) -> int | None:
        """Where the newest record of that key is, sound or not."""
        count = self.path.stat().st_size // self.record.itemsize if self.path.exists() else 0
        if count > self._seen:
            with self.path.open("rb", buffering=0) as file:
                for row in range(self._seen, count):
                    file.seek(row * self.record.itemsize)
                    self._rows[file.read(32)] = row
            self._seen = count
        return self._rows.get(key)


class Features(Sequence[Tensor]):
    """Give rows of a :class:`FeatureFile` as if they were a tensor (N, C, H, W): only what is indexed is read.

    With a `transform`, what is read goes through it.
    """

    def __init__(
        self, file: FeatureFile, rows: Sequence[int] | np.ndarray, transform: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.file, self.rows, self.transform = file, np.asarray(rows, np.int64), transform
        self.shape = (len(self.rows), *file.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int | slice | Tensor) -> Tensor:  # type: ignore[override]
        rows = self.rows[index.numpy() if isinstance(index, Tensor) else index]
        values = self.file.read(np.atleast_1d(rows))["values"].copy()
        read = torch.from_numpy(values if rows.ndim else values[0])
        return self.transform(read) if self.transform else read

    def __iter__(self) -> Iterator[Tensor]:
        return (self[i] for i in range(len(self)))

    def map(self, transform: Callable[[Tensor], Tensor]) -> Features:
        """Give the same rows, each read through a transform of (B, C, H, W) or (C, H, W)."""
        return Features(self.file, self.rows, transform)

    def take(self, index: Tensor) -> Features:
        """Pick some of the rows, still on disk."""
        return Features(self.file, self.rows[index.numpy()], self.transform)


def _checksum(values: np.ndarray) -> bytes:
    return hashlib.sha256(values.tobytes()).digest()
