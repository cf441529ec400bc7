"""Runs first in every kernel of `make test` (PYTHONSTARTUP): each check of a notebook must also refuse wrong answers.

An error in the reader's code, nonsense, another shape, and an answer that is off by a little each have to get one line.
Of an exercise the first such line ends in the first hint, the others in the second, and neither holds the answer.
Then it begins to try the experiments that the notebooks invite to (tests/experiments.py), and to hold what is not
compared to its range (tests/ranges.py).
"""


def _strict():
    import contextlib
    import io
    import re

    import numpy as np

    from hvqlib.course import checks

    plain = {name: getattr(checks, name) for name in ("check", "check_solution", "equal")}

    def spoilt(right, tolerance):
        if isinstance(right, str | bool):
            return "nonsense"
        if isinstance(right, tuple | list) and any(np.ndim(x) for x in right):
            return [spoilt(right[0], tolerance), *right[1:]]
        right = np.asarray(getattr(right, "detach", lambda: right)(), dtype=np.float64)
        finite = np.abs(right[np.isfinite(right)])
        return right + 10 * tolerance * max(1.0, finite.max(initial=0.0))

    def refused(name, what, right, tolerance, *hints):
        lines = []
        for wrong in (lambda: 1 / 0, lambda: "nonsense", lambda: np.zeros((7, 1, 7)), lambda: spoilt(right, tolerance)):
            with contextlib.redirect_stdout(io.StringIO()) as said:
                plain[name](what, wrong, lambda: right, *hints, tolerance=tolerance)
            lines.append(said.getvalue())
            assert lines[-1].startswith("✗") and lines[-1].count("\n") == 1, f"{name} of {what} said: {lines[-1]}"
        return lines

    def check(what, mine, truth, hints, tolerance=1e-5):
        right, before = truth(), checks._tries[what]
        checks._tries[what] = 0
        lines = refused("check", what, right, tolerance, hints)
        first, second = hints
        assert first != second and [line.strip().endswith(second) for line in lines] == [False, True, True, True], lines
        assert lines[0].strip().endswith(first)
        answer = {right} if isinstance(right, str) else set()
        if not isinstance(right, str | tuple | list) and np.ndim(right) == 0:
            answer = {f"{float(getattr(right, 'detach', lambda: right)()):.4g}"}  # with a gradient it would warn
        words = set(re.findall(r"[\w.]*\w", first + " " + second))
        assert not answer & words, f"a hint of {what} holds the answer {answer}"
        checks._tries[what] = before
        plain["check"](what, mine, lambda: right, hints, tolerance)

    def check_solution(what, mine, truth, tolerance=1e-5):
        right = truth()
        refused("check_solution", what, right, tolerance)
        plain["check_solution"](what, mine, lambda: right, tolerance)

    def equal(what, one, other, tolerance=1e-5):
        right = other()
        refused("equal", what, right, tolerance)
        plain["equal"](what, one, lambda: right, tolerance)

    checks.check, checks.check_solution, checks.equal = check, check_solution, equal


def _begin():
    import sys
    from pathlib import Path

    import hvqlib  # of this checkout

    sys.path.insert(0, str(Path(hvqlib.__file__).resolve().parents[1] / "tests"))
    import experiments
    import ranges

    for part in (experiments, ranges):
        part.begin(get_ipython())  # noqa: F821


_strict()
_begin()
del _strict, _begin
