"""Writing files so that they are never seen half written, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from hvqlib import processes
from hvqlib.errors import InputError, RunError


def write_atomic(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write a file beside its place and rename it there, so that it is never seen half written.

    `content` is what to write, or a function that writes it to the path it is given.
    """
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if callable(content):
            beside.touch()
            mode = beside.stat().st_mode
            content(beside)
            beside.chmod(mode)  # safetensors makes files that only their owner may read
        else:
            beside.write_bytes(content)
        with beside.open("rb+") as file:
            os.fsync(file.fileno())
        beside.replace(path)
    except (OSError, SafetensorError) as error:
        why = getattr(error, "strerror", None) or error
        raise RunError(
            f"{path} cannot be written ({why}): what was there is kept. Make room or choose another folder, and repeat "
            "the command (with --resume for a training)."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


@contextmanager
def sole_writer(out: Path) -> Iterator[None]:
    """Hold a run folder against other trainings; made if it is not there.

    What an interrupted write left beside its place is swept away. Raises InputError where another training holds it.
    """
    if processes.rank():
        yield
        return
    lock = FileLock(out / ".lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"Another training is writing to {out}: wait for its end, or choose another --out.") from None
    except OSError as error:
        raise InputError(f"{out} is no folder to write to ({error.strerror}): choose another --out.") from error
    try:
        if (out / "config.json").exists():  # a run's folder, and nobody else's
            for left in (*out.glob(".*.part"), *out.glob(".tmp??????")):  # ours, and those of safetensors
                left.unlink()
        yield
    finally:
        with suppress(OSError):  # some systems remove no file that is open
            (out / ".lock").unlink()  # nothing is written after this
        lock.release()
