"""The checks of the notebooks: whatever a reader gives, one sentence, no traceback."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hvqlib.course.checks import check


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
