"""Without anomalib: the sentence, the options, and rows of a peer that stands in for it."""

import json
import shlex
import sys
from types import SimpleNamespace

import pytest
import torch
from sklearn.metrics import roc_auc_score

from benchmarks import peers
from benchmarks.peers import METHODS, main, parser
from hvqlib.course.results import read_rows
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image, read_mask
from hvqlib.features.backbone import Backbone


class Brightness(torch.nn.Module):
    """Take what is redder than in any normal image for a defect."""

    def __init__(self, backbone, pictures):
        super().__init__()
        self.pictures = list(pictures)
        self.normal = max(pixels[0, 0].max() for pixels in self.pictures)

    def forward(self, pixels):
        anomaly_map = pixels[:, :1] - self.normal
        return SimpleNamespace(pred_score=anomaly_map.amax((2, 3)), anomaly_map=anomaly_map)


@pytest.fixture
def stand_in(monkeypatch):
    """anomalib as if installed, and a method that needs none of it; gives the models that were fitted."""
    fitted = []

    def fit(*given):
        fitted.append(Brightness(*given))
        return fitted[-1]

    monkeypatch.setattr(peers, "_installed", lambda: "0")
    monkeypatch.setitem(METHODS, "bright", ("a stand-in", fit))
    return fitted


def test_without_anomalib_a_sentence_says_how_to_get_it(small_data, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "anomalib", None)
    assert main(["--data", str(small_data), "--out", str(tmp_path / "a.csv")]) == 2
    told = capsys.readouterr()
    assert told.err.startswith("benchmarks.peers: anomalib is not installed") and told.err.count("\n") == 1
    assert "pip install anomalib==" in told.err and told.out == "" and not (tmp_path / "a.csv").exists()


def test_bad_options_get_a_sentence(small_data, tmp_path, capsys):
    command = ["--data", str(small_data), "--out", str(tmp_path / "a.csv")]
    for wrong in (["--methods", "magic"], ["--seeds", "x"], ["--fly"]):
        assert main([*command, *wrong]) == 2
    assert main(["--data", "nowhere"]) == 2 and main([]) == 2
    told = capsys.readouterr().err.splitlines()
    assert len(told) == 5 and all(line.startswith("benchmarks.peers: ") for line in told)
    assert "No method magic: choose from padim, patchcore." in told[0]


def test_every_option_is_explained():
    options = parser()._actions
    assert len(options) == 5 and all(action.help for action in options)
    given = parser().parse_args(["--data", "d", "--methods", "padim"])
    assert (given.methods, given.seeds, given.out) == ("padim", "0", None)


def test_a_row_says_how_well_each_class_is_judged_by_a_model_of_its_own(small_data, tmp_path, stand_in):
    out, dataset = tmp_path / "a.csv", load_dataset(small_data)
    command = ["--data", str(small_data), "--methods", "bright", "--out", str(out)]
    assert main(command) == 0
    (row,) = read_rows(out)
    assert (row["variant"], row["seed"], row["steps"], row["usage"]) == ("a stand-in", "0", "1", "")
    words = shlex.split(row["command"], comments=True)
    assert words[:3] == ["python", "-m", "benchmarks.peers"]
    assert parser().parse_args(words[3:]).methods == "bright" and row["command"].endswith("# anomalib 0")
    assert [len(model.pictures) for model in stand_in] == [8, 8]
    classes, backbone = json.loads(row["classes"]), Backbone()
    for model, name in zip(stand_in, dataset.classes, strict=True):
        samples = [sample for sample in dataset.test if sample.class_name == name]
        pixels = torch.stack([backbone.preprocess(read_image(sample.path)) for sample in samples])
        maps = model(pixels).anomaly_map[:, 0]
        auroc = roc_auc_score([sample.label for sample in samples], maps.amax((1, 2)))
        assert classes[name]["image_auroc"] == pytest.approx(auroc, abs=1e-4)
        if not dataset.has_masks(name):
            assert classes[name]["pixel_auroc"] is None
        else:
            masks = torch.stack([torch.from_numpy(read_mask(sample, 224)) for sample in samples])
            pixel_auroc = roc_auc_score(masks.flatten(), maps.flatten())
            assert classes[name]["pixel_auroc"] == pytest.approx(pixel_auroc, abs=1e-4)
    # What is there is not computed again; another seed is added below.
    before = out.read_bytes()
    assert main(command) == 0 and out.read_bytes() == before
    assert main([*command, "--seeds", "0,1"]) == 0
    assert out.read_bytes().startswith(before) and [row["seed"] for row in read_rows(out)] == ["0", "1"]
