"""Runs first in every kernel of `make test` (PYTHONSTARTUP): each check of a notebook must also refuse wrong answers.

An error in the reader's code, nonsense, and an answer that is off by a little each have to get one line with the hint.
"""


def _strict():
    import contextlib
    import io

    import numpy as np

    from hvqlib.course import checks

    plain = checks.check

    def spoilt(right, tolerance):
        if isinstance(right, str | bool):
            return "nonsense"
        if isinstance(right, tuple | list) and any(np.ndim(x) for x in right):
            return [spoilt(right[0], tolerance), *right[1:]]
        right = np.asarray(getattr(right, "detach", lambda: right)(), dtype=np.float64)
        finite = np.abs(right[np.isfinite(right)])
        return right + 10 * tolerance * max(1.0, finite.max(initial=0.0))

    def check(what, mine, truth, hint="", tolerance=1e-5):
        right = truth()
        for wrong in (lambda: 1 / 0, lambda: "nonsense", lambda: np.zeros((7, 1, 7)), lambda: spoilt(right, tolerance)):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                plain(what, wrong, lambda: right, hint, tolerance)
            line = said.getvalue()
            assert line.startswith("✗") and line.count("\n") == 1 and hint in line, f"check of {what} said: {line}"
        plain(what, mine, lambda: right, hint, tolerance)

    checks.check = check


_strict()
del _strict
