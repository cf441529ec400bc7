"""What options mean, and help that a newcomer can follow."""

import argparse
from dataclasses import replace
from typing import get_args, get_type_hints

import pytest

from hvqlib import config
from hvqlib.cli_options import parser, settings
from hvqlib.errors import InputError


def test_options_change_the_preset():
    options = parser().parse_args(
        ["train", "--data", "d", "--out", "r", "--preset", "paper", "--steps", "5", "--seed", "2", "--codes", "9"]
    )
    assert settings(options) == replace(config.PRESETS["paper"], steps=5, epochs=0, seed=2, codes=9)
    knn = parser().parse_args(["train", "--data", "d", "--out", "r", "--preset", "paper", "--method", "continuous"])
    assert settings(knn).score == "residual"


def test_options_say_how_images_become_squares():
    def asked(*given: str) -> tuple[str, int, float]:
        one = settings(parser().parse_args(["train", "--data", "d", "--out", "r", *given]))
        return one.fit, one.tile, one.overlap

    assert asked() == ("squeeze", 0, 0.25) and asked("--fit", "letterbox") == ("letterbox", 0, 0.25)
    assert asked("--tiles") == ("tiles", 0, 0.25) and asked("--tiles", "300", "--overlap", ".5") == ("tiles", 300, 0.5)
    for wrong, said in (
        (["--fit", "letterbox", "--tiles"], "not allowed with"),
        (["--overlap", ".5"], "--overlap goes with --tiles"),
        (["--tiles", "-3"], "tile is -3; it must be from 0 on"),
        (["--tiles", "--overlap", "1"], "overlap is 1.0; it must be from 0 to 0.9"),
    ):
        with pytest.raises(InputError, match=said):
            asked(*wrong)


def test_help_shows_the_way_from_photographs_to_verdicts(capsys):
    with pytest.raises(SystemExit) as left:
        parser().parse_args(["--help"])
    assert left.value.code == 0
    told = capsys.readouterr().out
    steps = [told.index(f"hvq {step} ") for step in ("data check", "train --data", "evaluate --run", "predict --run")]
    assert steps == sorted(steps) and "torchrun --nproc-per-node 4 -m hvqlib train" in told


def actions(one: argparse.ArgumentParser) -> list[argparse.Action]:
    """Every argument of a parser and of the commands in it."""
    found = []
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            found += [inner for command in action.choices.values() for inner in actions(command)]
        else:
            found.append(action)
    return found


def test_choices_are_those_of_the_configuration():
    hints = get_type_hints(config.Config)
    offered = {action.dest: set(action.choices) for action in actions(parser()) if action.choices}
    assert offered["preset"] == set(config.PRESETS)  # written out, so that --help need not load them
    assert all(offered[name] == set(get_args(hints[name])) for name in ("method", "precision", "score"))


def test_every_argument_is_explained():
    there = actions(parser())
    assert len(there) > 40
    assert [action.dest for action in there if not action.help] == []
