"""An experiment that fails is seen, and leaves the reader's names alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell

from tests import ranges
from tests.experiments import Experiments, variants


@pytest.fixture
def shell():
    made = InteractiveShell()
    experiments = Experiments(made)
    made.events.register("post_run_cell", experiments.after)
    return made


def test_settings_are_read_from_the_comment():
    assert [line for line, _ in variants("size = (3, 4)  # try (1, 2), [5, 6], 7\nother = 1")] == [
        "size = (1, 2)",
        "size = [5, 6]",
        "size = 7",
    ]
    assert variants("size = 3  # as large as a token") == []
    assert variants("a = 1  # try 2\nb = a")[0][1] == "a = 2\nb = a"
    assert [line for line, _ in variants("x, t = 1, 2  # try (f([1, 2]), 3), (0, 1)")][0] == "x, t = (f([1, 2]), 3)"


def test_a_setting_that_fails_is_printed_and_others_are_not(shell, capsys):
    shell.run_cell("k = 2  # try 1, 0, 4\nhalf = 8 / k\nprint(half)")
    printed = capsys.readouterr().out
    assert printed.startswith("4.0\n") and "✗ the experiment k = 0 fails" in printed and "ZeroDivisionError" in printed
    assert "k = 1" not in printed and "k = 4" not in printed
    assert (shell.user_ns["k"], shell.user_ns["half"]) == (2, 4.0)


def test_the_next_cells_follow(shell, capsys):
    shell.run_cell("def rest():\n    return 8 - half")
    shell.run_cell("k = 2  # try 1\nhalf = 8 / k")
    shell.run_cell("unrelated = 3")
    shell.run_cell("left = 1 / (half and rest())")
    assert "✗ the experiment k = 1 fails" in capsys.readouterr().out
    assert shell.user_ns["left"] == 1 / 4


def test_random_numbers_go_on_as_if_nothing_had_been_tried(shell):
    shell.run_cell("import numpy as np, torch\nrng = np.random.default_rng(0)\ntorch.manual_seed(0)")
    shell.run_cell("k = 2  # try 1, 5\nfirst = rng.normal(size=k), torch.rand(k)")
    shell.run_cell("second = rng.normal(), torch.rand(1)")
    numbers, generator = np.random.default_rng(0).normal(size=3), torch.Generator().manual_seed(0)
    torch.rand(2, generator=generator)
    assert shell.user_ns["second"] == (numbers[2], torch.rand(1, generator=generator))


def test_a_range_that_is_left_stops_the_cell(monkeypatch):
    monkeypatch.setattr(ranges, "RANGES", {"found = ": "found < 3"})
    made = InteractiveShell()
    ranges.begin(made)
    assert made.run_cell("found = 2\nfound").success and made.run_cell("other = 4").success
    assert isinstance(made.run_cell("found = 4\nfound").error_in_exec, AssertionError)
