"""A trained run judged by scikit-learn on the side; guessed classes; what is not available is null."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_mask
from hvqlib.detector.detector import Detector, predict
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
    for class_id, name in enumerate(dataset.classes):
        samples = [s for s in dataset.test if s.class_name == name]
        maps, scores, _ = detector.maps([s.path for s in samples], [class_id] * len(samples))
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


def test_predict_guesses_the_class_and_scores_like_evaluate(run, small_data):
    dataset, detector = load_dataset(small_data), Detector.load(run)
    found = predict(detector, [s.path for s in dataset.test])
    assert [p.class_name for p in found] == [s.class_name for s in dataset.test]
    _, scores, _ = detector.maps([s.path for s in dataset.test], [s.class_id for s in dataset.test])
    np.testing.assert_allclose([p.score for p in found], scores, rtol=1e-5)
    given = predict(detector, [dataset.test[0].path], "stone")[0]
    assert given.class_name == "stone" and given.score != found[0].score
    assert predict(detector, []) == []


def test_verdicts_follow_the_rate(run, small_data):
    dataset, detector = load_dataset(small_data), Detector.load(run)
    paths = [s.path for s in dataset.test]
    found = predict(detector, paths)
    assert all(p.false_alarm == pytest.approx(1 - 0.2 ** (1 / 4)) for p in found)  # 4 images held out promise no less
    assert [p.defective for p in found] == [p.p_value <= detector.calibration.least for p in found]
    assert all(p.defective for p, s in zip(found, dataset.test, strict=True) if s.label)
    loose = predict(detector, paths, false_alarm=0.6)
    assert sum(p.defective for p in loose) >= sum(p.defective for p in found)
    assert all(b.threshold <= a.threshold for a, b in zip(found, loose, strict=True))
    with pytest.raises(InputError, match="4 held-out"):
        predict(detector, paths, false_alarm=0.05)


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


def test_scores_with_and_without_places_and_transport_differ(run, small_data):
    dataset, detector = load_dataset(small_data), Detector.load(run)
    paths, ids = [s.path for s in dataset.test], [s.class_id for s in dataset.test]
    kinds = [("combined", True), ("combined", False), ("residual", True), ("residual", False), ("released", None)]
    maps = [detector.maps(paths, ids, score=score, normalize=normalize)[0] for score, normalize in kinds]
    assert all(not np.allclose(maps[i], maps[j]) for i in range(5) for j in range(i))
    np.testing.assert_array_equal(detector.maps(paths, ids)[0], maps[0])  # the run's own


def test_refusals(run, small_data, tmp_path):
    detector = Detector.load(run)
    with pytest.raises(InputError, match="knows no class 'gold'"):
        predict(detector, [], "gold")
    with pytest.raises(InputError, match="not trained on cloth"):
        evaluate(replace(detector, classes=("stone", "other")), load_dataset(small_data))
    with pytest.raises(InputError, match="no run"):
        Detector.load(tmp_path)
