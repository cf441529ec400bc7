"""What a live computation shows and, when it is interrupted, goes on with."""

import ast
import asyncio
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from benchmarks.record_live import RESULTS
from hvqlib.course import live
from hvqlib.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "notebooks"
KEPT = json.loads((ROOT / "data" / "results" / live.FILE).read_text(encoding="utf-8"))


def interrupted():
    raise KeyboardInterrupt


@pytest.fixture
def results(tmp_path, monkeypatch):
    """A folder of results, with one that is recorded."""
    made = {"losses": np.array([0.123456, 2e-7]), 9: 0.5, "frames": {20: np.ones((2, 3), np.float32)}, "stops": []}
    one = {"date": "2026-11-30", "machine": "a chip", "result": live.as_json(made)}
    (tmp_path / live.FILE).write_text(json.dumps({"one": one}), encoding="utf-8")
    monkeypatch.setattr(live, "results_folder", lambda: tmp_path)
    return made


def test_a_computation_that_ends_is_what_counts(results, capsys):
    found = {"losses": [1.0]}
    assert live.live_or_recorded("one", lambda: found) is found
    assert capsys.readouterr().out == ""


def test_interrupted_the_recorded_result_takes_its_place_and_is_named(results, capsys):
    found = live.live_or_recorded("one", interrupted)
    assert capsys.readouterr().out == (
        "Interrupted: what follows uses the run recorded on 2026-11-30 (a chip), not yours.\n"
    )
    assert list(found) == ["losses", 9, "frames", "stops"] and list(found["frames"]) == [20]
    assert found["losses"].tolist() == [0.1235, 2e-7] and found[9] == 0.5
    assert found["frames"][20].tolist() == np.ones((2, 3)).tolist() and len(found["stops"]) == 0


def test_what_is_not_recorded_is_said(results):
    with pytest.raises(InputError, match="no result 'two'"):
        live.live_or_recorded("two", interrupted)


def test_an_error_is_no_interruption(results):
    with pytest.raises(ZeroDivisionError):
        live.live_or_recorded("one", lambda: 1 / 0)


def test_an_interrupted_wait_stops_the_training(results, capsys):
    """As a cell with `await` is interrupted: its task is cancelled while a thread works."""
    box, go = SimpleNamespace(stopped=False), Event()

    async def cell():
        with ThreadPoolExecutor(1) as pool:
            waiting = asyncio.wrap_future(pool.submit(go.wait))
            task = asyncio.ensure_future(live.wait_or_recorded("one", waiting, box))
            await asyncio.sleep(0.05)
            task.cancel()
            found = await task
            go.set()
            return found

    assert asyncio.run(cell())[9] == 0.5
    assert box.stopped and capsys.readouterr().out.startswith("Interrupted: ")


def test_a_wait_that_ends_gives_what_it_waited_for(results):
    async def found():
        return {"losses": 3}

    box = SimpleNamespace(stopped=False)
    assert asyncio.run(live.wait_or_recorded("one", found(), box)) == {"losses": 3} and not box.stopped


def named(path):
    """Names of results that a notebook's cells ask for."""
    for cell in nbformat.read(path, as_version=4).cells:
        for node in ast.walk(ast.parse(cell.source)) if cell.cell_type == "code" else ():
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") in ("live_or_recorded", "wait_or_recorded"):
                yield node.args[0].value


def test_what_the_notebooks_ask_for_is_what_is_recorded():
    asked = {path.relative_to(FOLDER).as_posix(): [*named(path)] for path in FOLDER.rglob("*.ipynb")}
    assert {name: found for name, found in asked.items() if found} == {
        name: list(results) for name, results in RESULTS.items()
    }
    assert list(KEPT) == [name for results in RESULTS.values() for name in results]
    assert (ROOT / "data" / "results" / live.FILE).stat().st_size < 1_500_000


def test_recorded_results_have_the_shapes_of_live_ones(capsys):
    """Worked out by hand from the cells of notebooks 03 and 08."""
    found = {name: live.recorded(name) for name in KEPT}
    of_mlp = {"step", "normal", "defect", "worst", "auroc", "survival", "noise", "maps"}  # `measure`, at 11 looks
    assert list(found["03 two MLPs"]) == ["wide", "narrow"]
    for one in (*found["03 two MLPs"].values(), found["03 spoilt MLP"]):
        assert set(one) == of_mlp and one["maps"].shape == (11, 2, 6, 196)  # what comes back and what is left
        assert all(one[name].shape == (11,) for name in of_mlp - {"maps"}) and one["step"][[0, -1]].tolist() == [0, 800]
    run = found["08 run"]
    assert run["history"].shape == (126, 5) and len(run["stops"]) == 0
    assert list(run["auroc"]) == [1, *range(9, 127, 9)] and list(run["codes"]) == [*range(20, 126, 21)]
    assert all(of_epoch.shape == (5, 2) for of_epoch in run["codes"].values())
    assert list(found["08 settings"]) == [*range(14)]
    assert all(history.shape == (120, 4) for history in found["08 settings"].values())
