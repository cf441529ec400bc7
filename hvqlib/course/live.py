"""Show how far a live computation is, and go on with the recorded result of one that is interrupted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, TypeVar

import numpy as np

from hvqlib.course.material import results_folder
from hvqlib.course.widgets import LiveTraining
from hvqlib.errors import InputError
from hvqlib.progress import Progress

FILE = "live.json"  # in the folder of results
T = TypeVar("T")


def progress(items: Iterable[T], words: str) -> Iterable[T]:
    """Go through items under a bar: `words` says what is being done. It comes after a second and goes at the end."""
    return Progress(items, desc=words)


def live_or_recorded(name: str, compute: Callable[[], dict]) -> dict:
    """Compute a result, or where the reader interrupts, take the recorded one and say so.

    Parameters
    ----------
    name : of the result in `data/results/live.json`, which `python -m benchmarks.record_live` writes.
    compute : gives a dict, of dicts if need be, with words or whole numbers as keys, and in the end numbers and arrays.
        KeyboardInterrupt, which the notebook's Interrupt button (■) raises, ends it.

    Returns
    -------
    What `compute` returned; or the recorded result, with the same keys, and for each array or list an array of the same
    shape. Raises InputError where nothing is recorded under that name.
    """
    try:
        return compute()
    except KeyboardInterrupt:
        return recorded(name)


async def wait_or_recorded(name: str, waiting: Awaitable[dict], live: LiveTraining) -> dict:
    """Wait for the result of a live training; an interruption stops that. Otherwise as :func:`live_or_recorded`."""
    task = asyncio.ensure_future(waiting)
    try:
        while not task.done():  # the kernel notices Interrupt when its loop wakes, and a training does not wake it
            await asyncio.wait([task], timeout=0.1)
        return task.result()
    except asyncio.CancelledError:  # what Interrupt raises in a cell that awaits
        live.stopped = True
        task.cancel()
        return recorded(name)


def recorded(name: str) -> dict:
    """Read a recorded result, and print one sentence that says when and where it was recorded.

    Raises InputError where there is none of that name.
    """
    path = results_folder() / FILE
    kept = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    if name not in kept:
        raise InputError(f"'{path}' has no result '{name}': do not interrupt, or run python -m benchmarks.record_live.")
    one = kept[name]
    print(f"Interrupted: what follows uses the run recorded on {one['date']} ({one['machine']}), not yours.")
    return _read(one["result"])  # type: ignore[no-any-return]


def as_json(value: Any) -> Any:
    """Turn a result of dicts, numbers and arrays into what JSON can hold, each number with four digits."""
    if isinstance(value, Mapping):
        return {str(key): as_json(part) for key, part in value.items()}
    values = np.asarray(value)
    if values.dtype.kind == "f":
        values = np.vectorize(lambda number: float(f"{number:.4g}"), [float])(values)
    return values.tolist()


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {int(key) if key.isdecimal() else key: _read(part) for key, part in value.items()}
    return np.array(value) if isinstance(value, list) else value
