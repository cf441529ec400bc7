"""An exported detector judges as the run does, in onnxruntime and without torch."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.detector.detector import Detector
from hvqlib.detector.exported import ExportedDetector
from hvqlib.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def pair(exported):
    return Detector.load(exported.run, "cpu"), ExportedDetector.load(exported.folder / "model.onnx")


def agree(one, other):
    assert [p.class_name for p in one] == [p.class_name for p in other]
    assert [p.verdict for p in one] == [p.verdict for p in other]
    assert [p.path for p in one] == [p.path for p in other]
    for a, b in zip(one, other, strict=True):
        assert b.score == pytest.approx(a.score, rel=1e-4)
        assert (b.threshold, b.false_alarm) == pytest.approx((a.threshold, a.false_alarm), rel=1e-6)
        assert (b.spot, b.picture) == pytest.approx((a.spot, a.picture), rel=1e-3, abs=1e-3)
        assert (b.strangeness, b.pixel_threshold) == pytest.approx((a.strangeness, a.pixel_threshold), rel=1e-3)
        np.testing.assert_allclose(b.anomaly_map, a.anomaly_map, rtol=1e-3, atol=1e-3)


def test_every_class_given_and_inferred(exported, pair):
    run, model = pair
    samples = [s for i, s in enumerate(exported.data.test) if s.class_name != "ballscrew" or i % 4 == 0]
    assert {s.class_name for s in samples} == set(model.classes) and len(model.classes) == 7
    paths, names = [s.path for s in samples], [s.class_name for s in samples]
    judged = run.judge(paths)
    assert {p.defective for p in judged} == {True, False}
    for asked in (None, names, "gear"):
        agree(run.judge(paths, asked), model.judge(paths, asked))
    assert [p.p_value for p in model.judge(paths)] == [p.p_value for p in judged]


def test_pictures_of_any_size_in_memory(pair):
    run, model = pair
    random = np.random.RandomState(0)
    pictures = [
        random.randint(0, 256, (*size, 3), dtype=np.uint8) for size in ((1, 1), (300, 40), (40, 300), (500, 97))
    ]
    agree(run.judge(pictures, "wood"), model.judge(pictures, "wood"))
    assert model.judge([]) == []


def test_rates_and_refusals_are_those_of_the_run(exported, pair):
    run, model = pair
    path = [exported.data.test[0].path]
    for rate in (0.15, 0.3, 0.9):
        agree(run.judge(path, false_alarm=rate), model.judge(path, false_alarm=rate))
    for wrong in ({"false_alarm": 1e-6}, {"false_alarm": 1.0}, {"class_names": "tile"}, {"class_names": ["gear"] * 2}):
        with pytest.raises(InputError) as run_says:
            run.judge(path, **wrong)
        with pytest.raises(InputError) as model_says:
            model.judge(path, **wrong)
        assert str(model_says.value).startswith(str(run_says.value))  # it adds what is said of strangers


WITHOUT_TORCH = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "torchvision", "timm"):
            raise ModuleNotFoundError(name)

sys.meta_path.insert(0, Refuse())
from hvqlib.cli import main
status = main(sys.argv[1:])
assert "torch" not in sys.modules
sys.exit(status)
"""


def test_predict_needs_no_torch(exported, pair, tmp_path):
    images = [str(s.path) for s in exported.data.test[::9]]
    line = ["predict", "--model", str(exported.folder / "model.onnx"), "--out", str(tmp_path / "found"), "--json"]
    command = [sys.executable, "-c", WITHOUT_TORCH, *line, *images]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    rows, judged = json.loads(done.stdout), pair[0].judge(images)
    assert [row["image"] for row in rows] == images
    for row, one in zip(rows, judged, strict=True):
        assert Path(row.pop("heat_map")).is_file()
        assert {k: v for k, v in row.items() if isinstance(v, str)} == {
            k: v for k, v in one.row().items() if isinstance(v, str)
        }
        assert row["score"] == pytest.approx(one.score, rel=1e-4) and row["p_value"] == one.p_value


def test_the_python_lines_of_the_page_judge_alike(exported, pair, tmp_path):
    page = (ROOT / "docs" / "export.md").read_text(encoding="utf-8")
    lines = re.search(r"```python\n(.*?)```", page, re.DOTALL)[1]
    assert "hvqlib" not in lines and len(lines.splitlines()) <= 24
    (tmp_path / "judge.py").write_text(lines, encoding="utf-8")
    paths = [sample.path for sample in exported.data.test[::17]]
    with Image.open(paths[0]) as image:
        clear, deep = image.convert("RGBA"), np.asarray(image.convert("L")).astype(np.uint16) * 257
    clear.putalpha(Image.fromarray(np.uint8(255 * (np.indices(clear.size[::-1]).sum(0) > 90))))
    clear.save(tmp_path / "clear.png")
    Image.fromarray(deep).save(tmp_path / "deep.png")
    for path in (*paths, tmp_path / "clear.png", tmp_path / "deep.png"):
        command = [sys.executable, "judge.py", str(exported.folder), str(path)]
        said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split()
        (one,) = pair[0].judge([path])
        assert said[:2] == [one.verdict, one.class_name]
        assert float(said[2]) == pytest.approx(one.score, rel=1e-4)
        assert float(said[3]) == pytest.approx(one.threshold, rel=1e-4)


def test_damage_is_a_sentence(exported, tmp_path):
    with pytest.raises(InputError, match=r"nowhere/model\.onnx' cannot be read"):
        ExportedDetector.load("nowhere/model.onnx")
    folder = Path(shutil.copytree(exported.folder, tmp_path / "copy"))
    says = json.loads((folder / "detector.json").read_text(encoding="utf-8"))
    for wrong, told in (
        ("{", "describes no exported detector"),
        ("[]", "describes no exported detector"),
        (json.dumps(says | {"format": 99}), "has format 99"),
        (json.dumps({k: v for k, v in says.items() if k != "p_values"}), "'p_values'"),
        (json.dumps(says | {"model_sha256": "0"}), "is not the model that"),
    ):
        (folder / "detector.json").write_text(wrong, encoding="utf-8")
        with pytest.raises(InputError, match=told):
            ExportedDetector.load(folder / "model.onnx")
    (folder / "detector.json").unlink()
    with pytest.raises(InputError, match=r"detector\.json' cannot be read"):
        ExportedDetector.load(folder / "model.onnx")
