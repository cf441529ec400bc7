"""Every method can be exported and scores as in torch; an export that does not, or is killed, leaves nothing behind."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from hvqlib.cli import main
from hvqlib.config import Config
from hvqlib.data.dataset import load_dataset
from hvqlib.detector import onnx_export
from hvqlib.detector.detector import Detector
from hvqlib.detector.exported import ExportedDetector
from hvqlib.detector.onnx_export import CUT_INPUTS, INPUTS, OUTPUTS, OneImage, compare, export_onnx
from hvqlib.detector.tiling import Tiling
from hvqlib.errors import InputError, RunError
from hvqlib.training.train import train

ROOT = Path(__file__).parents[2]
CONFIG = Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=1, codes=16, batch_size=4, steps=20,
                bank=80, components=3, rank=3)  # fmt: skip
KINDS = {
    "combined": {"score": "combined"},
    "released, as released": {"score": "released", "normalize": False, "pooling": "bilinear"},
    "unified, without hierarchy": {"unified": True, "hierarchy": False, "reading": "norm", "picture": False},
    "continuous": {"method": "continuous"},
    "place": {"method": "place"},
    "pca": {"method": "pca"},
    "knn": {"method": "knn"},
    "kmeans": {"method": "kmeans"},
}


class FromFeatures(nn.Module):
    """All but the resize and the backbone, which are those of every export."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.one = OneImage(detector)

    def forward(self, features: torch.Tensor, given_class: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.one.judge(features, given_class)


@pytest.mark.parametrize("kind", KINDS)
def test_every_method_scores_as_in_torch(kind, small_data, tmp_path):
    dataset = load_dataset(small_data)
    detector = Detector.load(train(replace(CONFIG, **KINDS[kind]), dataset, tmp_path / "run", progress=False), "cpu")
    features = detector.features([sample.path for sample in dataset.test])
    example = (features[:1], torch.tensor([-1]))
    program = torch.onnx.export(
        FromFeatures(detector).eval(), example, dynamo=True, opset_version=18, input_names=["features", "given_class"],
        output_names=list(OUTPUTS), verbose=False,
    )  # fmt: skip
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for given in (None, "cloth"):
        for i, expected in enumerate(detector.stream([sample.path], given) for sample in dataset.test):
            (one,) = expected
            asked = -1 if given is None else dataset.classes.index(given)
            feed = {"features": features[i : i + 1].numpy(), "given_class": np.array([asked], np.int64)}
            anomaly_map, score, class_id, spot, picture, strangeness = session.run(None, feed)
            assert class_id.tolist() == one.class_ids.tolist()
            np.testing.assert_allclose(score, one.scores, rtol=1e-4)
            np.testing.assert_allclose(anomaly_map, one.maps[0], rtol=1e-3, atol=1e-3)
            more = [one.spots.numpy(), one.pictures.numpy(), one.strangeness.numpy()]
            np.testing.assert_allclose([spot, picture, strangeness], more, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize(
    "fit", [{"fit": "letterbox"}, {"fit": "tiles", "tile": 40, "method": "place"}, {"fit": "tiles", "tile": 40}]
)
def test_images_that_are_cut_or_padded_score_as_in_torch(fit, small_data, tmp_path):
    """From files; tall and wide ones in memory where the layout allows; another layout is refused in a sentence."""
    dataset = load_dataset(small_data)
    run = train(replace(CONFIG, **fit), dataset, tmp_path / "run", progress=False)
    found = export_onnx(run, tmp_path / "onnx", small_data)
    assert found["images"] == len(dataset.train) and found["score"] < 1e-4
    detector, model = Detector.load(run, "cpu"), ExportedDetector.load(tmp_path / "onnx" / "model.onnx")
    random = np.random.RandomState(0)
    others = [random.randint(0, 256, (*size, 3), dtype=np.uint8) for size in ((64, 64), (50, 70), (70, 41))]
    for one, other in zip(
        *(d.judge([*(s.path for s in dataset.test), *others]) for d in (detector, model)), strict=True
    ):
        assert (one.class_name, one.verdict) == (other.class_name, other.verdict)
        assert other.score == pytest.approx(one.score, rel=1e-4)
        np.testing.assert_allclose(other.anomaly_map, one.anomaly_map, rtol=1e-3, atol=1e-3)
    if fit["fit"] == "tiles":
        with pytest.raises(InputError, match=r"cut into 2 x 5 tiles, and the model is given 2 x 2"):
            model.judge([np.zeros((70, 160, 3), np.uint8)])
    image = str(next(s.path for s in dataset.test if s.label))
    for way, place in (("--run", run), ("--model", tmp_path / "onnx" / "model.onnx")):
        assert main(["predict", way, str(place), "--out", str(tmp_path / way), "--masks", image]) == 0
    (one,), (other,) = (json.loads((tmp_path / way / "scores.json").read_text()) for way in ("--run", "--model"))
    assert one["verdict"] == other["verdict"]
    assert [region["box"] for region in one["boxes"]] == [region["box"] for region in other["boxes"]]
    says = json.loads((tmp_path / "onnx" / "detector.json").read_text(encoding="utf-8"))
    inputs = [value.name for value in onnx.load(tmp_path / "onnx" / "model.onnx").graph.input]
    assert says["format"] == 2 and inputs == list(says["inputs"]) == list(CUT_INPUTS)


def test_classes_of_different_layouts_are_refused(small_data, tmp_path, monkeypatch):
    run = train(replace(CONFIG, fit="tiles", tile=40), load_dataset(small_data), tmp_path / "run", progress=False)
    load = Detector.load

    def uneven(*given):
        detector = load(*given)
        detector.tiling = Tiling(detector.config, [(2, 2), (1, 2)])
        return detector

    monkeypatch.setattr(Detector, "load", uneven)
    with pytest.raises(InputError, match="cuts its classes into 1 x 2, 2 x 2 tiles"):
        export_onnx(run, tmp_path / "onnx", small_data)
    assert not (tmp_path / "onnx").exists()


def test_the_files_say_what_they_are(exported):
    assert sorted(path.name for path in exported.folder.iterdir()) == ["detector.json", "model.onnx"]
    model = onnx.load(exported.folder / "model.onnx")
    onnx.checker.check_model(model, full_check=True)
    says = json.loads((exported.folder / "detector.json").read_text(encoding="utf-8"))
    assert [opset.version for opset in model.opset_import if opset.domain == ""] == [says["opset"]] == [18]
    assert [value.name for value in model.graph.input] == list(says["inputs"]) == list(INPUTS)
    assert [value.name for value in model.graph.output] == list(says["outputs"]) == list(OUTPUTS)
    assert says["classes"] == list(exported.data.classes) and len(says["thresholds"]) == 7
    assert says["config"]["image_size"] == says["image_size"] == 96 and "MIT" in says["licence"]
    detector = Detector.load(exported.run, "cpu")
    rate = says["false_alarm"]
    assert says["thresholds"] == [detector.judge([exported.data.test[0].path], name, rate)[0].threshold
                                  for name in says["classes"]]  # fmt: skip
    assert exported.found["images"] == min(200, len(exported.data.train))
    assert 0 < exported.found["score"] < 1e-4 and 0 < exported.found["map"] < 1e-3


def test_another_verdict_or_class_is_refused(exported):
    run, path = Detector.load(exported.run, "cpu"), [exported.data.test[0].path]
    model = ExportedDetector.load(exported.folder / "model.onnx")
    model.p_values = np.full_like(model.p_values, 1.0 if run.judge(path)[0].defective else model.p_values[0])
    with pytest.raises(RunError, match="The export judges"):
        compare(run, model, path)
    model.classes = model.classes[::-1]
    with pytest.raises(RunError, match="The export takes"):
        compare(run, model, path)


class Louder:
    """A session whose scores are higher by a factor."""

    def __init__(self, session: onnxruntime.InferenceSession, factor: float) -> None:
        self.session, self.factor = session, np.float32(factor)

    def run(self, names, feed):
        anomaly_map, score, *rest = self.session.run(names, feed)
        return [anomaly_map, score * self.factor, *rest]


def test_scores_may_differ_by_rounding_and_more_at_a_tie(exported):
    run, paths = Detector.load(exported.run, "cpu"), [sample.path for sample in exported.data.train[:3]]
    model = ExportedDetector.load(exported.folder / "model.onnx")
    session = model.session
    for factor, images, ties in ((1 + 5e-5, paths, 0), (1 + 5e-3, paths[:1], 1)):
        model.session = Louder(session, factor)
        found = compare(run, model, images)
        assert found["ties"] == ties and found["score"] == pytest.approx(factor - 1, rel=0.2)
    for factor, images in ((1 + 5e-3, paths), (1.05, paths[:1]), (np.nan, paths[:1])):
        model.session = Louder(session, factor)
        with pytest.raises(RunError, match="The export scores"):
            compare(run, model, images)


def test_what_is_refused_leaves_nothing(exported, tmp_path, monkeypatch, capsys):
    data = str(exported.data.root)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").touch()
    with pytest.raises(InputError, match="is not empty"):
        export_onnx(exported.run, tmp_path / "full", exported.data.root)

    def wrong(detector: Detector, path: Path) -> None:
        path.write_bytes((exported.folder / "model.onnx").read_bytes())
        detector.calibration.image_mean += 1e3
        detector.calibration.map_mean += 1e3

    monkeypatch.setattr(onnx_export, "write_model", wrong)
    line = ["export", "--run", str(exported.run), "--onnx", str(tmp_path / "new"), "--data", data]
    assert main(line) == 1 and "it is not kept" in capsys.readouterr().err
    assert main(line[:-2]) == 2 and "--onnx needs --data" in capsys.readouterr().err
    assert main(["export", "--run", str(exported.run)]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["full"]


def test_a_kill_half_way_leaves_nothing_at_its_place(exported, tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from hvqlib.detector import onnx_export\n"
        "def half(detector, path):\n    path.write_bytes(b'half'); os._exit(9)\n"
        "onnx_export.write_model = half; onnx_export.export_onnx(*map(Path, sys.argv[1:]))"
    )
    arguments = [str(exported.run), str(tmp_path / "new"), str(exported.data.root)]
    done = subprocess.run([sys.executable, "-c", code, *arguments], cwd=ROOT)
    assert done.returncode == 9 and not (tmp_path / "new").exists()
    assert [path.read_bytes() for path in tmp_path.rglob("model.onnx")] == [b"half"]


@pytest.mark.parametrize("wrong", [np.nan, 100.0])
def test_another_map_is_refused(exported, wrong):
    class OtherMap(Louder):
        def run(self, names, feed):
            anomaly_map, *rest = self.session.run(names, feed)
            return [np.where(np.arange(anomaly_map.size).reshape(anomaly_map.shape) == 7, wrong, anomaly_map), *rest]

    run, model = Detector.load(exported.run, "cpu"), ExportedDetector.load(exported.folder / "model.onnx")
    model.session = OtherMap(model.session, 1)
    with pytest.raises(RunError, match="The export's map of"):
        compare(run, model, [exported.data.train[0].path])
