"""Check exercises in a copy of the course that shows no solutions: what they are is read from a file beside it.

The file is compressed and not encrypted: it keeps answers out of sight, and not from somebody who wants to see them.
"""

from __future__ import annotations

import ast
import base64
import json
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hvqlib.course.checks import check
from hvqlib.errors import InputError

FILE = ".sealed"  # in the folder of the notebooks


def seal(cells: Mapping[str, Mapping[str, str]]) -> bytes:
    """Write, for :func:`unseal` to read, the cells "check" and "solution" of each exercise."""
    return base64.b64encode(zlib.compress(json.dumps(cells).encode(), 9))


def unseal(exercise: str) -> dict[str, str]:
    """Read the cells of an exercise, such as "10.1", in the folder of the running notebook or the one above it."""
    here = Path.cwd()
    for folder in (here, here.parent):
        if (folder / FILE).is_file():
            content = zlib.decompress(base64.b64decode((folder / FILE).read_bytes()))
            cells: dict[str, dict[str, str]] = json.loads(content)
            return cells[exercise]
    raise InputError(f"'{here / FILE}' is missing: it came with this copy; hvq course copy makes another.")


def check_sealed(exercise: str, mine: Any) -> None:
    """Compare the reader's answer with the sealed one, as :func:`hvqlib.course.checks.check` does."""
    names = sys._getframe(1).f_globals  # of the notebook
    statement = ast.parse(unseal(exercise)["check"]).body[-1]
    assert isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)

    def value(part: ast.expr) -> Any:
        return eval(compile(ast.Expression(part), exercise, "eval"), names)

    what, _, *others = map(value, statement.value.args)
    check(what, mine, *others, **{str(named.arg): value(named.value) for named in statement.value.keywords})


def run_sealed(exercise: str) -> None:
    """Run the course's own answer to an exercise, which cells below it use; what it prints is not shown."""
    import contextlib
    import io

    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(unseal(exercise)["solution"], exercise, "exec"), sys._getframe(1).f_globals)
