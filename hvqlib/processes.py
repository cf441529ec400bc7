"""Several processes, one training: sums over all of them. They are started by `accelerate launch -m hvqlib train ...`.

In a process alone every function here gives back what it was given.
"""

from __future__ import annotations

import os
from typing import Any

import torch
from torch import Tensor
from torch import distributed as dist

from hvqlib.errors import InputError


def pick_device(name: str | None) -> torch.device:
    """The device of that name ("cpu", "cuda", "cuda:1", ...), or the first GPU if there is one, else the CPU."""
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        first = str(error).splitlines()[0]
        raise InputError(f"The device '{name}' cannot be used here ({first}): choose cpu, or leave it out.") from None
    return device


def join(cpu: bool) -> torch.device | None:
    """Meet the other processes, if this one was started with others; the device that is this one's (None if alone)."""
    if int(os.environ.get("WORLD_SIZE", 1)) < 2:
        return None
    from accelerate import PartialState

    return PartialState(cpu=cpu).device


def size() -> int:
    """How many processes there are."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """Which of them this is, from 0."""
    return dist.get_rank() if dist.is_initialized() else 0


def local_rank() -> int:
    """Which of those on this machine this is, from 0."""
    return int(os.environ.get("LOCAL_RANK", 0)) if size() > 1 else 0


def wait() -> None:
    """Go on when all are here."""
    if size() > 1:
        dist.barrier()


def sum_over(tensor: Tensor) -> Tensor:
    """The sum of the processes' tensors of one shape, the same bits in each of them; in place."""
    if size() > 1:
        dist.all_reduce(tensor)
    return tensor


def from_first(tensor: Tensor) -> Tensor:
    """The tensor of process 0, in each of them; in place."""
    if size() > 1:
        dist.broadcast(tensor, 0)
    return tensor


def tell_all(thing: Any) -> Any:
    """What process 0 has, in each of them: anything that can be pickled."""
    if size() > 1:
        box = [thing]
        dist.broadcast_object_list(box, 0)
        return box[0]
    return thing


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """The rows of all processes, in their order, and where this one's begin. They may differ in number."""
    if size() == 1:
        return rows, 0
    lengths = torch.zeros(size(), dtype=torch.long, device=rows.device)
    lengths[rank()] = len(rows)
    sum_over(lengths)
    start = int(lengths[: rank()].sum())
    whole = rows.new_zeros(int(lengths.sum()), *rows.shape[1:])
    whole[start : start + len(rows)] = rows
    return sum_over(whole), start
