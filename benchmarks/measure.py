"""Measure what a benchmark writes beside its figures: peak memory, the processor, the commit of the library."""

from __future__ import annotations

import csv
import io
import os
import platform
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import hvqlib
from hvqlib.course.results import read_rows
from hvqlib.files import write_atomic


class PeakMemory:
    """Watch the resident memory of this process while a block runs, and keep the highest.

    A thread looks at it a hundred times a second. Linux and Windows also count a peak of their own, but each another
    one (since the process began, with what it inherited from the one that started it, in other units), and macOS tells
    other processes' peaks only. Looking is one rule for all of them, and it starts anew with each block. What comes and
    goes within a hundredth of a second may be missed: the figure is a lower bound, close wherever work takes seconds.

    Examples
    --------
    >>> with PeakMemory() as memory:
    ...     block = bytes(2**20)
    >>> memory.megabytes > 1
    True
    """

    def __init__(self, interval: float = 0.01) -> None:
        self._interval = interval
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._highest = 0

    def __enter__(self) -> PeakMemory:
        self._look()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._look()
        self._stopped.set()
        self._thread.join()

    @property
    def megabytes(self) -> float:
        """Return the highest so far, in MB of 2**20 bytes; after the block, the highest in it."""
        if not self._stopped.is_set():
            self._look()
        return self._highest / 2**20

    def _watch(self) -> None:
        while not self._stopped.wait(self._interval):
            self._look()

    def _look(self) -> None:
        with self._lock:
            self._highest = max(self._highest, resident_memory())


def resident_memory() -> int:
    """Return how many bytes of memory this process holds now.

    Linux tells it in a file; psutil would read the same, but does not even import there without `resource`.
    """
    if sys.platform == "linux":
        return int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import psutil

    return psutil.Process().memory_info().rss


def cost(command: Sequence[str], threads: int) -> tuple[float, float]:
    """Run a command to its end on so many threads; returns its peak resident memory in MB of 2**20 bytes, its seconds.

    The system counts it, and begins with what the process that starts another has in memory: so a small one does. Where
    the command starts others, it is the highest of any one of them. Not on Windows. Raises RuntimeError, with what the
    command said, where it fails.
    """
    start = [sys.executable, "-c", _START_AND_COUNT, *command]
    environment = os.environ | {"OMP_NUM_THREADS": f"{threads}"}
    began = time.perf_counter()
    done = subprocess.run(start, capture_output=True, encoding="utf-8", errors="replace", env=environment)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr}")
    return int(done.stdout) * (1 if sys.platform == "darwin" else 1024) / 2**20, seconds


_START_AND_COUNT = """
import resource, subprocess, sys
status = subprocess.call(sys.argv[1:], stdout=sys.stderr)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(status)
"""


def processor_name() -> str:
    """Return the name of the processor, as far as the system tells it."""
    name = None
    if sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string")
    elif sys.platform == "linux":
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        name = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), None)
    return name or platform.processor() or platform.machine()


def commit() -> str:
    """Return the commit of hvqlib's own checkout, with "-dirty" where the library differs from it.

    "unknown" without git, and where hvqlib is not the folder of that name at the root of a repository that tracks it:
    an installed copy may lie inside the repository of something else.
    """
    library = str(Path(hvqlib.__file__).parent)
    if _output("git", "-C", library, "rev-parse", "--show-prefix") != "hvqlib/":
        return "unknown"
    name = _output("git", "-C", library, "rev-parse", "--short", "HEAD")
    changes = _output("git", "-C", library, "status", "--porcelain", "--", ".")
    if not name or changes is None or not _output("git", "-C", library, "ls-files", "--", "__init__.py"):
        return "unknown"
    return f"{name}-dirty" if changes else name


def _output(*command: str) -> str | None:
    """Run a command; return what it printed, or None where it is missing or fails."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}  # they name a repository
    try:
        done = subprocess.run(command, capture_output=True, encoding="utf-8", errors="replace", env=env)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Write a csv file, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, text.getvalue().encode())


def append_rows(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object]]) -> None:
    """Add rows to a csv file, which is complete at any moment. Raises InputError where it has other columns."""
    write_rows(path, columns, [*read_rows(path, columns), *rows])
