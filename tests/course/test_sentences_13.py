"""Sentences of notebook 13 that rest on a figure or a command, where it can be checked in seconds."""

import json
import re
from pathlib import Path

import numpy as np

from hvqlib import PRESETS
from hvqlib.cli_options import parser, settings

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks/13_reproduce_the_paper.ipynb"


def test_its_commands_are_understood_and_mean_the_preset_of_the_paper():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    lines = re.findall(r"^hvq .*$", "\n".join("".join(cell["source"]) for cell in cells), re.M)
    assert [line.split()[1] for line in lines] == ["train", "evaluate"]
    for line in lines:
        options = parser().parse_args(line.split()[1:])
        if options.command == "train":
            assert settings(options) == PRESETS["paper"] and options.resume and options.checkpoint_every == 2000


def test_the_best_of_many_looks_lies_above_the_truth_also_where_looks_remember():
    noise = np.random.default_rng(0).normal(size=(20_000, 100))
    assert 2.4 < noise.max(1).mean() < 2.6 and 1.4 < noise[:, :10].max(1).mean() < 1.6
    looks = [noise[:, 0]]
    for fresh in noise.T[1:]:
        looks.append(0.9 * looks[-1] + 0.19**0.5 * fresh)
    made = np.stack(looks, 1)
    assert abs(made.std() - 1) < 0.01 and abs(made.max(1).mean() - noise[:, :28].max(1).mean()) < 0.05
