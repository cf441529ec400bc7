"""Check a reader's answer, and say in a sentence how it went; or that two ways to compute something agree."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
from torch import Tensor

_tries: Counter[str] = Counter()  # wrong ones, of each exercise, since the kernel was started


def check(what: str, mine: Any, truth: Any, hints: tuple[str, str], tolerance: float = 1e-5) -> None:
    """Compare the reader's answer with the right one and say in one line how it went; never raises for a wrong answer.

    `what` is checked. `mine`, the reader's answer, is numbers, an array, a tensor, a string, or a function without
    arguments that makes it, so that what goes wrong in the reader's code is caught here too; `truth`, the right one,
    likewise. The first of the `hints` comes after a wrong try, the second after another. `tolerance` is the greatest
    difference allowed, relative to the largest value of `truth` (at least 1).
    """
    wrong = _compare(mine, truth, tolerance)
    if wrong is None:
        print(f"○ {what}: nothing here yet.")
    elif wrong:
        _tries[what] += 1
        print(f"✗ {what}: {wrong}. {hints[min(_tries[what], 2) - 1]}")
    else:
        print(f"✓ {what}")


def check_solution(what: str, mine: Any, truth: Any, tolerance: float = 1e-5) -> None:
    """Compare a solution with the right answer: silent if it is right. Parameters as for :func:`check`."""
    if wrong := _compare(mine, truth, tolerance):
        print(f"✗ the solution of {what}: {wrong}.")


def equal(what: str, one: Any, other: Any, tolerance: float = 1e-5) -> None:
    """Say in a line whether two ways to compute something agree. Parameters as for :func:`check`."""
    wrong = _compare(one, other, tolerance)
    print(f"equal: {what}" if wrong == "" else f"✗ not equal: {what}: {wrong or 'nothing here'}.")


def _compare(mine: Any, truth: Any, tolerance: float) -> str | None:
    """What is wrong with an answer, as part of a sentence; empty if nothing is, None where there is no answer yet."""
    right = truth() if callable(truth) else truth
    try:
        answer = mine() if callable(mine) else mine
        return None if answer is None or answer is Ellipsis else _difference(answer, right, tolerance)
    except Exception as error:  # whatever the reader wrote
        return f"the code stopped with {type(error).__name__} ({error})"


def _difference(answer: Any, right: Any, tolerance: float) -> str:
    """What is wrong with an answer, as part of a sentence; empty if nothing is."""
    if answer is None or answer is Ellipsis:
        return "nothing"
    if isinstance(right, str | bool):
        return "" if answer == right else f"it is {answer!r}"
    if isinstance(right, tuple | list) and any(isinstance(x, Tensor | np.ndarray) for x in right):
        if not isinstance(answer, tuple | list) or len(answer) != len(right):
            return f"it should be {len(right)} results, separated by commas"
        parts = (_difference(a, r, tolerance) for a, r in zip(answer, right, strict=True))
        return next((f"result {i}: {p}" for i, p in enumerate(parts, 1) if p), "")
    x, y = (np.asarray(v.detach().cpu() if isinstance(v, Tensor) else v, dtype=np.float64) for v in (answer, right))
    if x.shape != y.shape:
        return f"its shape is {x.shape}, and should be {y.shape}"
    if not x.size:
        return ""
    if np.isnan(x).any() and not np.isnan(y).any():
        return "there are values that are not numbers (nan)"
    with np.errstate(invalid="ignore"):
        off = np.where((x == y) | (np.isnan(x) & np.isnan(y)), 0.0, np.abs(x - y))
    finite = np.abs(y[np.isfinite(y)])
    if off.max() <= tolerance * max(1.0, float(finite.max(initial=0.0))):
        return ""
    index = np.unravel_index(off.argmax(), off.shape)
    where = f" at {tuple(int(i) for i in index)}" if index else ""
    slightly = "slightly " if off[index] <= 0.05 * abs(y[index]) else ""
    return f"it is {x[index]:.4g}{where}, {slightly}too {'high' if x[index] > y[index] else 'low'}"
