"""A trained run judged by scikit-learn on the side; guessed classes; what is not available is null."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_mask
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.evaluation.evaluate import evaluate, metrics_table
from hvqlib.evaluation.metrics import METRICS
from hvqlib.training.train import train


@pytest.fixture(scope="module")
def run(small_data, tmp_path_factory):
    from hvqlib.config import Config

    config = Config(
        image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=2, codes=16, batch_size=4, steps=40
    )
    return train(config, load_dataset(small_data), tmp_path_factory.mktemp("run") / "run", progress=False)


def test_metrics_equal_scikit_learns(run, small_data):
    dataset, detector = load_dataset(small_data), Detector.load(run)
    metrics = evaluate(detector, dataset).metrics
    for name in dataset.classes:
        samples = [s for s in dataset.test if s.class_name == name]
        judged = detector.judge([s.path for s in samples], name, 0.6)
        maps, scores = np.stack([one.anomaly_map for one in judged]), [one.score for one in judged]
        labels = [s.label for s in samples]
        row = metrics["classes"][name]
        assert set(row) == set(METRICS)
        assert row["image_auroc"] == pytest.approx(roc_auc_score(labels, scores), abs=1e-9)
        assert row["image_ap"] == pytest.approx(average_precision_score(labels, scores), abs=1e-9)
        if name == "cloth":
            masks = np.stack([read_mask(s, 64) for s in samples])
            assert row["pixel_auroc"] == pytest.approx(roc_auc_score(masks.ravel(), maps.ravel()), abs=1e-9)
    assert metrics["mean"]["pixel_auroc"] == metrics["classes"]["cloth"]["pixel_auroc"]
    assert metrics["n"] == {name: {"good": 3, "defective": 3} for name in ("cloth", "stone")}


def test_a_class_without_masks_has_null_pixel_metrics(run, small_data):
    metrics = evaluate(Detector.load(run), load_dataset(small_data)).metrics
    stone = metrics["classes"]["stone"]
    assert all(stone[m] is None for m in METRICS if not m.startswith("image"))
    assert "n/a" in metrics_table(metrics)


def test_a_bright_square_is_found(run, small_data):
    metrics = evaluate(Detector.load(run), load_dataset(small_data)).metrics
    assert metrics["mean"]["image_auroc"] > 0.9 and metrics["mean"]["pixel_auroc"] > 0.8


def test_order_of_classes_in_the_data_does_not_matter(run, small_data):
    detector = Detector.load(run)
    there = evaluate(detector, load_dataset(small_data)).metrics["classes"]
    back = evaluate(detector, load_dataset(small_data, ["stone", "cloth"])).metrics["classes"]
    one = evaluate(detector, load_dataset(small_data, ["stone"])).metrics["classes"]
    assert there == back and one["stone"] == there["stone"]


def test_inferred_labels_give_the_same_metrics_where_every_class_is_right(run, small_data):
    dataset, detector = load_dataset(small_data), Detector.load(run)
    given, inferred = (evaluate(detector, dataset, labels=labels).metrics for labels in ("given", "inferred"))
    assert given["classes"] == inferred["classes"]
    assert (given["labels"], inferred["labels"]) == ("given", "inferred")
    assert given["class_accuracy"] == {"good": None, "defective": None}
    assert inferred["class_accuracy"] == {"good": 1.0, "defective": 1.0}
    swapped = replace(detector, classes=detector.classes[::-1])  # now every inferred class is the wrong one
    assert evaluate(swapped, dataset, labels="inferred").metrics["class_accuracy"] == {"good": 0.0, "defective": 0.0}
    with pytest.raises(InputError, match="labels"):
        evaluate(detector, dataset, labels="guessed")


def test_refusals(run, small_data):
    with pytest.raises(InputError, match="not trained on cloth"):
        evaluate(replace(Detector.load(run), classes=("stone", "other")), load_dataset(small_data))
