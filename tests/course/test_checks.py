"""The checks of the notebooks: whatever a reader gives, one sentence, no traceback."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from hvqlib.course import checks as course
from hvqlib.course.checks import check
from hvqlib.course.foundry import PRODUCTS
from hvqlib.course.foundry.dataset import draw_picture
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image
from hvqlib.detector.detector import predict


def said(capsys, *args, **options):
    check("it", *args, **options)
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    return out


RIGHT = torch.tensor([[1.0, 2.0], [3.0, -4.0]])


@pytest.mark.parametrize(
    ("mine", "words"),
    [
        (lambda: RIGHT.numpy().tolist(), "✓ it"),
        (lambda: RIGHT + 1e-6, "✓ it"),
        (lambda: RIGHT.double().requires_grad_(), "✓ it"),
        (None, "○ it: nothing here yet. Look."),
        (..., "○ it: nothing here yet. Look."),
        (lambda: ..., "○ it: nothing here yet. Look."),
        (lambda: 1 / 0, "✗ it: the code stopped with ZeroDivisionError (division by zero). Look."),
        (lambda: RIGHT.T, "✗ it: it is 3 at (0, 1), and should be 2. Look."),
        (lambda: RIGHT[0], "✗ it: its shape is (2,), and should be (2, 2). Look."),
        (lambda: RIGHT * float("nan"), "✗ it: there are values that are not numbers (nan). Look."),
        (lambda: RIGHT / 0, "✗ it: it is inf at (0, 0), and should be 1. Look."),
        ("a word", "✗ it: the code stopped with ValueError"),
    ],
)
def test_every_kind_of_answer_gets_its_sentence(capsys, mine, words):
    assert said(capsys, mine, RIGHT, hint="Look.").startswith(words)


def test_words_truths_and_several_results(capsys):
    assert said(capsys, "b", "b") == "✓ it\n" and said(capsys, "a", "b") == "✗ it: it is 'a'.\n"
    assert said(capsys, True, True) == "✓ it\n" and said(capsys, False, True).startswith("✗")
    pair = (RIGHT, RIGHT[0])
    assert said(capsys, lambda: pair, lambda: pair) == "✓ it\n"
    assert "result 2: its shape" in said(capsys, (RIGHT, RIGHT), pair)
    assert "2 results" in said(capsys, RIGHT, pair)
    assert said(capsys, 0.1 + 0.2, 0.3) == "✓ it\n" and said(capsys, 3, 4).startswith("✗ it: it is 3, and should be 4")
    assert said(capsys, 1000.5, 1000, tolerance=1e-3) == "✓ it\n"
    assert said(capsys, [np.inf, np.nan], [np.inf, np.nan]) == "✓ it\n"


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.text(),
    st.binary(),
    st.floats(),
    st.lists(st.floats()),
    st.just(object()),
    st.just(int),
)


@given(ODD)
def test_no_answer_whatever_brings_a_traceback(odd):
    for truth in (RIGHT, 2.0, "word", (RIGHT, RIGHT)):
        check("it", odd, truth)


def test_the_data_set_is_drawn_where_the_project_keeps_its_data(monkeypatch, tmp_path, small_data):
    drawn = []
    monkeypatch.setattr(course, "DATA", tmp_path)
    monkeypatch.setattr(course, "draw_foundry", drawn.append)
    monkeypatch.setattr(course, "load_dataset", lambda root: root)
    assert course.foundry() == tmp_path / "foundry" == drawn[0]


def test_features_are_standardised_and_know_their_class(monkeypatch, tmp_path, small_data):
    monkeypatch.setattr(course, "CACHE", tmp_path)
    detector, samples = course.shipped(), load_dataset(small_data).test[:8]
    found, class_ids = course.features(detector, samples)
    pixels = torch.stack([detector.backbone.preprocess(read_image(s.path)) for s in samples])
    raw = detector.backbone(pixels)
    mean, std = (v.view(1, -1, 1, 1) for v in (detector.standardize.mean, detector.standardize.std))
    torch.testing.assert_close(found, (raw - mean) / std, atol=2e-2, rtol=1e-2)  # the cache keeps float16
    assert class_ids.tolist() == [s.class_id for s in samples]


def test_the_shipped_detector_loads_and_calls_a_drawn_defect(tmp_path):
    detector = course.shipped()
    files = [tmp_path / "good.png", tmp_path / "bad.png"]
    for path, split, defect in zip(files, ("good", "defective"), (None, PRODUCTS["cloth"][1][0]), strict=True):
        Image.fromarray(draw_picture("cloth", split, 0, defect=defect)[0]).save(path)
    good, bad = predict(detector, files)
    assert good.class_name == bad.class_name == "cloth" and bad.defective and bad.score > 2 * good.score
    assert sum(p.stat().st_size for p in (course.DATA / "checkpoints").rglob("*") if p.is_file()) < 10e6


def test_the_shipped_pictures_are_of_the_image_they_are_drawn_from(tmp_path):
    detector = course.shipped()
    for name in ("capsule", "board"):
        paths = []
        for number in (0, 1):
            image = draw_picture(name, "good", number, seed=9)[0]  # never trained on
            paths.append(tmp_path / f"{name}{number}.png")
            Image.fromarray(image).save(paths[-1])
        raw = course.extract_features(detector.backbone, paths, None, progress=False)
        drawn = course.pictures().draw(detector.standardize(raw)).astype(float)
        small = np.stack([np.asarray(Image.open(p).resize((112, 112), Image.Resampling.BOX), float) for p in paths])
        own, other = np.abs(drawn - small).mean((1, 2, 3)), np.abs(drawn - small[::-1]).mean((1, 2, 3))
        assert (own < 16).all() and (own < other).all(), (own, other)
