"""Pick the device, and share a training among processes that `torchrun --nproc-per-node N -m hvqlib train` starts.

In a process alone every function here gives back what it was given. Whatever else sets torchrun's variables (RANK,
WORLD_SIZE, LOCAL_RANK, MASTER_ADDR, MASTER_PORT) will do: PyTorch's builds for Windows have no working torchrun.
"""

from __future__ import annotations

import atexit
import os
import sys
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from hvqlib.errors import InputError

PATIENCE = timedelta(days=1)  # while one process extracts features, the others wait


def pick_device(name: str | None) -> torch.device:
    """Return the device of that name ("cpu", "cuda", "cuda:1", ...); without one the first GPU, or the CPU.

    Raises InputError where it cannot be used; other kinds of device lack float64, which calibration needs, or were
    never tried.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(
            f"The device '{name or 'cuda'}' cannot be used here ({first}): choose cpu, or leave it out."
        ) from None
    if device.type not in ("cpu", "cuda"):
        raise InputError(f"The device '{name}' is not supported: choose cpu or cuda.")
    return device


def join(cpu: bool) -> torch.device | None:
    """Meet the other processes, if this one was started with others; returns its own device, None if it is alone.

    Each process has a GPU to itself, where the machine has any and `cpu` is not asked for. Raises InputError where more
    processes than GPUs were started.
    """
    if int(os.environ.get("WORLD_SIZE", 1)) < 2:
        return None
    device = torch.device("cpu")
    if not cpu and torch.cuda.is_available():
        number, there = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
        if number >= there:
            raise InputError(
                f"Process {number + 1} of this machine has no GPU ({there} in all): start as many processes as there "
                "are GPUs, or add --device cpu."
            )
        device = torch.device("cuda", number)
        torch.cuda.set_device(device)
    if not dist.is_initialized():
        if sys.platform == "win32":
            os.environ.setdefault("USE_LIBUV", "0")  # the builds for Windows are without it
        if device.type == "cuda" and dist.is_nccl_available():
            dist.init_process_group("nccl", device_id=device, timeout=PATIENCE)
        else:
            dist.init_process_group("gloo", timeout=PATIENCE)
    return device


def leave_at_exit() -> None:
    """Close the process group when this process ends; after an error the others may wait for it, so not then."""
    atexit.register(lambda: dist.destroy_process_group() if dist.is_initialized() else None)


def size() -> int:
    """Count the processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Return which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """Return which of those on this machine this is, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0)) if size() > 1 else 0


def wait() -> None:
    """Wait until all are here."""
    if size() > 1:
        dist.barrier()


def sum_over(tensor: Tensor) -> Tensor:
    """Add up the processes' tensors of one shape, in place; each gets the same bits."""
    if size() > 1:
        dist.all_reduce(tensor)
    return tensor


def from_first(tensor: Tensor) -> Tensor:
    """Give each process the tensor of process 0, in place."""
    if size() > 1:
        dist.broadcast(tensor, 0)
    return tensor


def tell_all(thing: Any) -> Any:
    """Give each process what process 0 has: anything that can be pickled."""
    if size() > 1:
        box = [thing]
        dist.broadcast_object_list(box, 0)
        return box[0]
    return thing


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Collect the rows of all processes, in their order, and where this one's begin. They may differ in number."""
    if size() == 1:
        return rows, 0
    lengths = torch.zeros(size(), dtype=torch.long, device=rows.device)
    lengths[rank()] = len(rows)
    sum_over(lengths)
    start = int(lengths[: rank()].sum())
    whole = rows.new_zeros(int(lengths.sum()), *rows.shape[1:])
    whole[start : start + len(rows)] = rows
    return sum_over(whole), start
