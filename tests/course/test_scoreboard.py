"""Predictions and measurements of a reader are kept and shown."""

import json
import subprocess
import sys

import numpy as np
import pytest

from hvqlib.course import scoreboard as board
from hvqlib.course.material import results_folder
from hvqlib.course.results import read_rows
from hvqlib.errors import RunError


@pytest.fixture(autouse=True)
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("HVQ_SCOREBOARD", str(tmp_path / "kept.json"))
    return tmp_path / "kept.json"


def commit(panel, value):
    panel.children[1].value = value
    panel.children[2].children[0].click()


def test_a_prediction_is_kept_and_shown_against_the_measurement(capsys, own):
    panel = board.predict("copied", "How much of the defect is copied?")
    board.reveal("copied", 0.713)
    commit(panel, 0.4)
    board.reveal("copied", 0.713)
    assert capsys.readouterr().out.splitlines() == [
        "Your prediction: none. Measured: 0.71",
        "Your prediction: 0.40. Measured: 0.71",
    ]
    assert json.loads(own.read_text())["predictions"]["copied"] == {"said": 0.4, "measured": "0.71"}
    assert "0.4" in panel.children[2].children[1].value


def test_nothing_is_kept_before_a_choice(own):
    panel = board.predict("one", "What does it do?", ["rises", "falls"])
    commit(panel, None)
    assert not own.exists() and panel.children[2].children[1].value == "Choose one first."


def test_a_choice_is_right_or_not(capsys):
    for name, said in (("one", "rises"), ("two", "falls")):
        commit(board.predict(name, "What does it do?", ["rises", "falls"]), said)
        board.reveal(name, "falls")
    first, second = capsys.readouterr().out.splitlines()
    assert "right" not in first and "right" in second
    assert "Predictions kept: 2; of 2 choices 1 right." in board.scoreboard("02").data


def test_the_table_holds_the_means_of_the_csv_and_the_readers_row():
    board.record("nearest neighbour", "02", image_auroc=0.91234)
    text = board.scoreboard("02").data
    rows = [r for r in read_rows(results_folder() / "methods.csv") if r["variant"] == "nearest neighbour"]
    mean = 100 * np.mean([float(r["aupro"]) for r in rows if r["data"] == "real5"])
    assert f"<td>{mean:.1f}</td>" in text
    assert "<td>yours: nearest neighbour (notebook 02)</td><td>91.2</td><td>–</td>" in text
    assert "HVQ-Trans" not in text and "HVQ-Trans" in board.scoreboard("08").data
    with pytest.raises(ValueError, match="accuracy"):
        board.record("mine", "02", accuracy=1.0)


def test_nothing_is_written_where_the_variable_is_empty(monkeypatch, tmp_path):
    monkeypatch.setenv("HVQ_SCOREBOARD", "")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(board, "_kept", {})
    board.record("mine", "02", aupro=0.5)
    assert "yours: mine" in board.scoreboard("02").data and not list(tmp_path.iterdir())


def test_a_damaged_file_is_said_and_begun_anew(capsys, own):
    own.write_text("{")
    assert "yours" not in board.scoreboard("02").data and str(own) in capsys.readouterr().out


def test_where_the_file_cannot_be_written_it_is_said_once_and_kept_for_the_kernel(capsys, monkeypatch, own):
    """As where the data folder is shared, and belongs to somebody else."""

    def refuse(path, content):
        raise RunError(f"{path} cannot be written (Permission denied)")

    monkeypatch.setattr(board, "write_atomic", refuse)
    monkeypatch.setattr(board, "_kept", {})
    commit(board.predict("copied", "How much of the defect is copied?"), 0.4)
    board.reveal("copied", 0.713)
    board.record("mine", "02", aupro=0.5)
    said = capsys.readouterr().out.splitlines()
    assert said[-1] == "Your prediction: 0.40. Measured: 0.71"
    assert len([line for line in said if "cannot be written" in line and "Set HVQ_SCOREBOARD" in line]) == 1
    assert "yours: mine" in board.scoreboard("02").data and "Predictions kept: 1" in board.scoreboard("02").data


def test_two_notebooks_lose_nothing_of_each_other(own):
    code = """if True:
        import sys
        from hvqlib.course import scoreboard
        for i in range(40):
            scoreboard._change("predictions", sys.argv[1] + str(i), {})"""
    others = [subprocess.Popen([sys.executable, "-c", code, name]) for name in "ab"]
    assert [other.wait(120) for other in others] == [0, 0]
    assert len(json.loads(own.read_text())["predictions"]) == 80
