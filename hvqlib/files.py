"""Find the data folder, and write files whole or not at all, by one process at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from errno import EDQUOT, ENOSPC
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from hvqlib.errors import InputError, RunError


def data_folder(make: bool = False) -> Path:
    """Find the folder that holds data sets, cached features, results and the shipped detector.

    It is ``$HVQ_DATA``; else ``data`` in the working folder, or in the nearest folder above that has one; else ``data``
    in the checkout that an editable install points to. Where there is none, or ``$HVQ_DATA`` is no folder, it raises
    InputError, or with `make` answers for those who write: ``data`` in the working folder, which is to be made.
    """
    if named := os.environ.get("HVQ_DATA"):
        if not (make or Path(named).is_dir()):
            raise InputError(
                f"HVQ_DATA is '{named}', which is not a folder: set it to the folder that holds your data."
            )
        return Path(named)
    here, checkout = Path.cwd(), Path(__file__).resolve().parents[1]
    for folder in (here, *here.parents):
        if (folder / "data").is_dir():
            return folder / "data"
    if (checkout / "pyproject.toml").is_file() and (checkout / "data").is_dir():  # never inside of site-packages
        return checkout / "data"
    if make:
        return here / "data"
    raise InputError(
        f"No data folder: HVQ_DATA is not set, neither '{here}' nor a folder above it has a folder 'data', and hvqlib "
        f"('{checkout / 'hvqlib'}') is not in a checkout of the project. Set HVQ_DATA, or work in a checkout."
    )


def write_atomic(path: Path, content: bytes | Callable[[Path], object]) -> None:
    """Write a file under another name beside its own and rename it, so that it is never seen half written.

    `content` is what to write, or a function that writes it to the path it is given. A link stays one, and what is no
    file, such as a pipe, is written to directly. Raises RunError where the system refuses.
    """
    path = path.resolve()
    beside = path.with_name(f".{sha256(os.fsencode(path.name)).hexdigest()[:16]}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not callable(content) and path.exists() and not path.is_file() and not path.is_dir():
            path.write_bytes(content)
            return
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
        mend = "Choose another folder or a shorter name"
        if getattr(error, "errno", ENOSPC) in (ENOSPC, EDQUOT):
            mend = "Free some space or choose another folder"
        elif os.name == "nt" and isinstance(error, PermissionError):
            mend = "Close what has it open or choose another folder"
        raise RunError(
            f"{path} cannot be written ({why}): what was there is kept. {mend}, and repeat the command (with --resume "
            "for a training)."
        ) from error
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)


def refuse_filled(out: Path, instead: str = "choose another --out") -> None:
    """Raise InputError where `out`, a folder that is to be made, is a file or holds something; it says what to do."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"'{out}' is not empty: {instead}.")


@contextmanager
def whole_folder(out: Path) -> Iterator[Path]:
    """Make a folder whole or not at all: what is put at the path given becomes `out`, unless there is an error."""
    out = out.resolve()
    out.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}.", dir=out.parent) as beside:
        made = Path(beside, "content")
        yield made
        if out.exists():
            out.rmdir()  # empty
        made.rename(out)


@contextmanager
def sole_writer(out: Path, other: str = "Another training") -> Iterator[None]:
    """Hold a folder, made if it is not there, against other writers of its kind.

    What an interrupted write left in a run folder is swept away. Raises InputError where another writer holds it.
    """
    lock = FileLock(out / ".lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{other} is writing to {out}: wait for its end, or choose another --out.") from None
    except OSError as error:
        raise InputError(f"{out} is not a folder to write to ({error.strerror}): choose another --out.") from error
    try:
        if (out / "config.json").exists():  # a run's folder, and nobody else's
            for left in (*out.glob(".*.part"), *out.glob(".tmp??????")):  # ours, and those of safetensors
                left.unlink()
        yield
    finally:
        with suppress(OSError):  # some systems remove no file that is open
            (out / ".lock").unlink()  # nothing is written after this
        lock.release()
