"""New normal images without training: what changes, what stays, and whether they look like the old ones."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from hvqlib import cli
from hvqlib.config import Config
from hvqlib.data.dataset import load_dataset
from hvqlib.detector.detector import Detector
from hvqlib.detector.level import held_out
from hvqlib.detector.prediction import Prediction
from hvqlib.detector.reading import Reading
from hvqlib.detector.run_folder import read_checkpoint
from hvqlib.errors import InputError
from hvqlib.training.recalibrate import SURPRISE, TrainedOn, add_images, alike
from hvqlib.training.train import train

CONFIG = Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=1, codes=16, batch_size=8, steps=60,
                holdout=0.4, rank=4)  # fmt: skip


def draw(folder: Path, number: int, seed: int, brightness: float = 130.0) -> list[Path]:
    """Stripes with noise."""
    random, paths = np.random.default_rng(seed), []
    folder.mkdir(parents=True, exist_ok=True)
    x = np.arange(64)
    for i in range(number):
        picture = brightness + 40 * np.sin(x / 5)[None, :, None] + random.normal(0, 12, (64, 64, 3))
        paths.append(folder / f"{seed}_{i:03d}.png")
        Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(paths[-1])
    return paths


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("recalibrate")
    draw(root / "data/cloth/train/good", 40, 0)
    run = train(CONFIG, load_dataset(root / "data"), root / "run", progress=False)
    return root, run


def test_more_of_the_same_promises_more_and_is_called_alike(made, tmp_path):
    root, run = made
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    fresh = draw(tmp_path / "more", 40, 1)
    found = add_images(run, fresh, None, tmp_path / "new")
    assert (found["class"], found["images"], found["new"]) == ("cloth", 40, 40)
    assert found["alike"] and found["p_value"] > 0.01 and found["flagged"] <= 10
    # 16 of each 40 are held out, of which a quarter sets the level
    assert (found["before"]["promising"], found["after"]["promising"]) == (12, 24)
    assert found["after"]["least"] < found["before"]["least"]
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before
    old, new = read_checkpoint(run)[0], read_checkpoint(tmp_path / "new")[0]
    same = {name for name in old if name in new and torch.equal(old[name], new[name])}
    assert {name for name in old if name.startswith(("model.", "standardize."))} <= same
    assert "reading.place.mean" not in same and "calibration.scores" not in same
    known = TrainedOn.read(tmp_path / "new")
    assert known.paths[40:] == [str(path) for path in fresh] and known.held[:40] == TrainedOn.read(run).held
    assert known.held[40:] == held_out(torch.zeros(40, dtype=torch.long), 0.4, 0).tolist()
    judged = Detector.load(tmp_path / "new").judge([root / "data/cloth/train/good/0_000.png"])
    assert judged[0].false_alarm == pytest.approx(1 - 0.2 ** (1 / 24))
    again = add_images(tmp_path / "new", draw(tmp_path / "third", 5, 2), "cloth", tmp_path / "newer")
    assert again["images"] == 80


def test_too_few_old_images_cannot_tell(tmp_path, capsys):
    draw(tmp_path / "data/cloth/train/good", 5, 0)
    train(CONFIG, load_dataset(tmp_path / "data"), tmp_path / "run", progress=False)
    draw(tmp_path / "dark", 3, 3, brightness=20)
    options = ["--run", str(tmp_path / "run"), "--add", str(tmp_path / "dark"), "--out", str(tmp_path / "new")]
    assert cli.main(["recalibrate", *options]) == 0
    assert "2 old held-out images are too few to tell whether they look like those." in capsys.readouterr().out


def test_another_camera_is_noticed(made, tmp_path):
    found = add_images(made[1], draw(tmp_path / "dark", 20, 3, brightness=80), None, tmp_path / "new")
    assert not found["alike"] and found["p_value"] < 0.01 and found["flagged"] > 10


def test_images_that_are_alike_are_called_different_as_rarely_as_said():
    """Both sets drawn alike, 1,000 times; scores and strangeness hang together, as they do of real images."""
    random, called = np.random.default_rng(0), 0
    for _ in range(1000):
        common = random.normal(size=30)
        drawn = [Prediction(None, "cloth", float(x), 1.0, 0.05, 0.5, 0.0, 0.0, float(x + random.normal()),
                            np.zeros((1, 1)), 1.0) for x in common]  # fmt: skip
        called += alike(drawn[:20], drawn[20:]) < SURPRISE
    assert 0 < called <= 20  # 10 or fewer are expected; above 20 the chance is under 1 in 500


def test_what_is_wrong_is_a_sentence_and_leaves_nothing(made, tmp_path, monkeypatch):
    run = made[1]
    fresh = draw(tmp_path / "more", 3, 5)
    for images, name, told in (
        (fresh[:1], None, "1 images that the run does not know"),
        ([Path(path) for path in TrainedOn.read(run).paths[:5]], None, "0 images that the run does not know"),
        (fresh, "tile", "knows no class 'tile'"),
    ):
        with pytest.raises(InputError, match=told):
            add_images(run, images, name, tmp_path / "new")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/x").touch()
    with pytest.raises(InputError, match="not empty"):
        add_images(run, fresh, None, tmp_path / "full")
    gone = shutil.copytree(run, tmp_path / "gone")
    known = TrainedOn.read(run)
    replace(known, paths=["/not/there.png", *known.paths[1:]]).write(gone)
    with pytest.raises(InputError, match=r"1 of the 40 images .* not there"):
        add_images(gone, fresh, None, tmp_path / "new")
    (gone / "images.json").unlink()
    with pytest.raises(InputError, match="not an exported one"):
        add_images(gone, fresh, None, tmp_path / "new")
    monkeypatch.setattr("hvqlib.training.recalibrate.write_checkpoint", lambda *_: (_ for _ in ()).throw(OSError()))
    with pytest.raises(OSError):  # killed on the way
        add_images(run, fresh, None, tmp_path / "new")
    assert not (tmp_path / "new").exists() and not list(tmp_path.glob(".new*"))


def test_the_command_prints_what_changed(made, tmp_path, capsys):
    draw(tmp_path / "more", 10, 6)
    line = ["recalibrate", "--run", str(made[1]), "--add", str(tmp_path / "more"), "--out", str(tmp_path / "new")]
    assert cli.main([*line, "--cache", str(tmp_path / "cache")]) == 0
    printed = capsys.readouterr().out
    assert "class cloth: 40 images known, 10 new" in printed and "images that promise" in printed
    assert "They look like the old ones." in printed
    line[-1] = str(tmp_path / "json")
    assert cli.main([*line, "--json", "--cache", str(tmp_path / "cache")]) == 0
    assert json.loads(capsys.readouterr().out)["new"] == 10


@pytest.mark.parametrize("method", ["place", "kmeans", "knn"])
def test_images_that_came_later_are_not_taken_out_of_what_never_saw_them(method, tmp_path):
    first = draw(tmp_path / "data/cloth/train/good", 20, 0)
    dataset = load_dataset(tmp_path / "data")
    run = train(replace(CONFIG, method=method, codes=8, bank=200), dataset, tmp_path / "run", progress=False)
    later = draw(tmp_path / "more", 10, 1)
    add_images(run, later, None, tmp_path / "new")
    add_images(tmp_path / "new", latest := draw(tmp_path / "latest", 10, 2), None, tmp_path / "newest")
    known = TrainedOn.read(tmp_path / "newest")
    assert known.trained == 20 and known.paths == [str(path.resolve()) for path in (*first, *later, *latest)]
    detector = Detector.load(run)
    features = detector.features(known.paths)
    ids, held = torch.tensor(known.class_ids), torch.tensor(known.held)
    learned = ~held & (torch.arange(40) < 20)
    signals, _ = Reading(detector.config, features.shape[1], 1).fit(detector.model, features, ids, held, 8, learned)
    plain = torch.linalg.vector_norm(detector.model.measure(features, ids)[0], dim=1)  # as of images never seen
    same = (signals["residual"] - plain).abs().amax((1, 2)) < 1e-4
    assert same[~learned].all() and not same[learned].any()


def test_one_new_image_by_two_links_is_one(made, tmp_path):
    _, run = made
    fresh = draw(tmp_path / "more", 2, 1)
    (tmp_path / "again.png").symlink_to(fresh[0])
    assert add_images(run, [*fresh, tmp_path / "again.png"], None, tmp_path / "new")["new"] == 2
