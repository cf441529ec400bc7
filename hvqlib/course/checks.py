"""Check a reader's answer, and say in a sentence how it went."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor


def check(what: str, mine: Any, truth: Any, hint: str = "", tolerance: float = 1e-5) -> None:
    """Compare the reader's answer with the right one and say in one line how it went; never raises for a wrong answer.

    `what` is checked. `mine`, the reader's answer, is numbers, an array, a tensor, a string, or a function without
    arguments that makes it, so that what goes wrong in the reader's code is caught here too; `truth`, the right one,
    likewise. `hint` is a sentence for whoever is not there yet. `tolerance` is the greatest difference allowed,
    relative to the largest value of `truth` (at least 1).
    """
    right = truth() if callable(truth) else truth
    try:
        answer = mine() if callable(mine) else mine
        wrong = _difference(answer, right, tolerance)
    except Exception as error:  # whatever the reader wrote
        wrong = f"the code stopped with {type(error).__name__} ({error})"
        answer = error
    if answer is None or answer is Ellipsis:
        print(f"○ {what}: nothing here yet. {hint}".rstrip())
    elif wrong:
        print(f"✗ {what}: {wrong}. {hint}".rstrip())
    else:
        print(f"✓ {what}")


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
    return f"it is {x[index]:.4g}{where}, and should be {y[index]:.4g}"
