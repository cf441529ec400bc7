"""Run somebody else's code with no more than a temporary folder to write to, and no TCP (Linux, by Landlock).

What Landlock does not forbid: to read, to change permissions and times of files, to send datagrams (UDP).
"""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from collections.abc import Sequence
from pathlib import Path

from hvqlib.errors import InputError

# Of <linux/landlock.h>: numbers of the system calls, the same on every architecture, and what can be forbidden.
CREATE, ADD, RESTRICT = 444, 445, 446
DEATH_SIGNAL, NO_NEW_PRIVILEGES = 1, 38  # of prctl
WRITES = sum(1 << bit for bit in (1, *range(4, 15)))  # write, remove, make (of any kind), move, cut
ON_FILES = 1 << 1 | 1 << 14  # of these, what can be said of a file that is no folder
NETWORK, SCOPE = 0b11, 0b11  # bind and connect TCP; reach abstract sockets and signal processes outside
LEAST = 6  # version of Landlock that knows TCP and signals
LARGEST = 2 * 2**30  # bytes of a file
UNABLE = "This system cannot confine what students wrote (Linux can, from 6.12 on): mark them there."


def version() -> int:
    """Return which version of Landlock this system has, 0 for none."""
    if os.name != "posix" or os.uname().sysname != "Linux":
        return 0
    return max(0, ctypes.CDLL(None).syscall(CREATE, None, 0, 1))


def end_with_parent() -> None:
    """Have this process killed when the one that started it ends, however that ends."""
    ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL)


def confine(folders: Sequence[Path]) -> None:
    """Forbid this process, and all it starts, to write outside of these folders, use TCP and signal others; for good.

    Shared memory (/dev/shm) and /dev/null stay open. Raises InputError where the system cannot do it (Linux before
    6.12, or another).
    """
    if version() < LEAST:
        raise InputError(UNABLE)
    import resource  # not on Windows

    libc = ctypes.CDLL(None, use_errno=True)

    def call(*arguments: object) -> int:
        if (answer := libc.syscall(*arguments)) < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return int(answer)

    wanted = struct.pack("QQQ", WRITES, NETWORK, SCOPE)
    rules = call(CREATE, wanted, len(wanted), 0)
    for folder in (*folders, Path("/dev/null"), Path("/dev/shm")):
        if folder.exists():
            opened = os.open(folder, os.O_PATH)
            allowed = WRITES if folder.is_dir() else ON_FILES
            call(ADD, rules, 1, struct.pack("=Qi", allowed, opened), 0)
            os.close(opened)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    call(RESTRICT, rules, 0)
    os.close(rules)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST, LARGEST))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
