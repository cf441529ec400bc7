"""The lines of docs/service.md judge over HTTP as the run does, and answer a damaged file with a sentence."""

import re
import runpy
import shutil
import tempfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from hvqlib.detector.detector import Detector

ROOT = Path(__file__).parents[1]
WANTED = {"verdict", "class", "score", "threshold", "p_value"}


@pytest.fixture(params=["export", "run"])
def client(request, exported, tmp_path, monkeypatch):
    """The page's service, with the detector that the page loads or the one that it says may take its place."""
    page = (ROOT / "docs" / "service.md").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    if request.param == "run":
        found = re.search(r"= (ExportedDetector\.load\(.*?\))  # or (hvqlib\.Detector\.load\(.*?\))", lines)
        lines = lines.replace(found[1], found[2])
    (tmp_path / "service.py").write_text(lines, encoding="utf-8")
    shutil.copytree(exported.folder, tmp_path / "inspector")
    shutil.copytree(exported.run, tmp_path / "runs" / "mine")
    monkeypatch.chdir(tmp_path)
    return TestClient(runpy.run_path("service.py")["app"])


def test_verdicts_are_those_of_the_run(client, exported):
    run = Detector.load(exported.run, "cpu")
    samples = exported.data.test[::12]
    for sample in samples:
        for name in (None, sample.class_name):
            with sample.path.open("rb") as photo:
                answer = client.post("/judge", files={"photo": photo}, params={"class_name": name} if name else {})
            assert answer.status_code == 200, answer.text
            (one,), told = run.judge([sample.path], name), answer.json()
            assert set(told) == WANTED
            assert (told["verdict"], told["class"]) == (one.verdict, one.class_name)
            assert told["score"] == pytest.approx(one.score, rel=1e-4) and told["p_value"] == one.p_value
            assert told["threshold"] == pytest.approx(one.threshold, rel=1e-6)
    assert {sample.label for sample in samples} == {0, 1}


def test_what_cannot_be_judged_is_a_sentence(client, exported):
    whole = exported.data.test[0].path.read_bytes()
    for name, content, told in (
        ("cut.png", whole[: len(whole) // 2], "The image 'cut.png' cannot be read: replace it ("),
        ("notes.txt", b"no image", "The image 'notes.txt' cannot be read: it is of no kind that is read"),
        ("empty.png", b"", "The image 'empty.png' cannot be read: it is"),
    ):
        answer = client.post("/judge", files={"photo": (name, content)})
        assert answer.status_code == 400
        assert answer.json()["detail"].startswith(told) and tempfile.gettempdir() not in answer.text
    unknown = client.post("/judge", files={"photo": ("a.png", whole)}, params={"class_name": "tile"})
    assert unknown.status_code == 400 and "knows no class 'tile'" in unknown.json()["detail"]
    assert client.post("/judge").status_code == 422  # no file at all
