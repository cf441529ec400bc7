"""Try each experiment that a notebook invites to: a line `name = value  # try this, that, another`.

Runs in every kernel of `make test` (tests/wrong_answers.py begins it). After a cell with such a line it is run again
with each other value, and so are the next cells that use what it makes, beside the reader's names and random numbers,
which stay as they are. What goes wrong is printed, which makes nbval fail.
"""

from __future__ import annotations

import ast
import asyncio
import copy
import random
import re
import traceback
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

LINE = re.compile(r"^(\s*[\w, ]+ = )(.+?)(  # try )(.+)$", re.MULTILINE)
FOLLOWED = 5  # cells after one with an experiment
OWN = {"record", "check", "check_solution", "panel", "paint_panel"}  # not for experiments to touch


def variants(source: str) -> list[tuple[str, str]]:
    """Every other setting that a cell invites to, as (line, source)."""
    found = []
    for match in LINE.finditer(source):
        for value in map(ast.unparse, ast.parse(f"[{match[4]}]", mode="eval").body.elts):
            line = f"{match[1].strip()} {value}"
            found.append((line, source[: match.start()] + match[1] + value + source[match.end() :]))
    return found


def names(source: str) -> set[str]:
    """Names that a cell reads or calls."""
    return {node.id for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Name)}


def _fresh(value: Any) -> Any:
    """A random generator of the same state for one, so that the reader's goes on undisturbed; else the value itself."""
    if isinstance(value, torch.Generator):
        return value.clone_state()
    return copy.deepcopy(value) if isinstance(value, np.random.Generator | np.random.RandomState) else value


@contextmanager
def _random_numbers_kept() -> Iterator[None]:
    kept = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(kept[0])
        np.random.set_state(kept[1])
        torch.set_rng_state(kept[2])


class Experiments:
    """Follow what a kernel runs."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.open: list[tuple[str, dict[str, Any], list[int]]] = []  # line, names that differ, cells still to follow

    def after(self, result: Any) -> None:
        """Run a cell that was just run again in each open experiment, and with each setting it invites to."""
        source = result.info.raw_cell
        if not result.success:
            return
        try:
            called = names(source)
        except SyntaxError:
            return
        if not called & OWN:
            for line, own, left in self.open:
                if called & own.keys():
                    self.again(line, source, own)
                left[0] -= 1
        self.open = [one for one in self.open if one[2][0] > 0]
        for line, changed in variants(source):
            own: dict[str, Any] = {}
            self.again(line, changed, own)
            self.open.append((line, own, [FOLLOWED]))

    def again(self, line: str, source: str, own: dict[str, Any]) -> None:
        """Run a cell, with the names `own` of an experiment in place of the reader's, which are put back."""
        from IPython.utils.capture import capture_output

        space = self.shell.user_ns  # itself, for functions of earlier cells look there for names
        kept = dict(space)
        space.update({name: _fresh(value) for name, value in kept.items()} | own)
        before = dict(space)
        try:
            with capture_output() as said, _random_numbers_kept():
                done = eval(compile(source, "<experiment>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT), space)
                if isinstance(done, types.CoroutineType):
                    asyncio.new_event_loop().run_until_complete(done)
            assert "✗" not in said.stdout, said.stdout
        except BaseException:
            print(f"✗ the experiment {line} fails:\n{traceback.format_exc()}")
        own.update({name: value for name, value in space.items() if before.get(name, own) is not value})
        space.clear()
        space.update(kept)


def begin(shell: Any) -> None:
    """Follow a kernel from now on."""
    shell.events.register("post_run_cell", Experiments(shell).after)
