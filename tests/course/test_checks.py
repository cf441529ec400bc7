"""The checks of the notebooks: whatever a reader gives, one sentence, no traceback."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hvqlib.course import checks
from hvqlib.course.checks import check, check_solution, equal


@pytest.fixture(autouse=True)
def fresh_kernel(monkeypatch):
    monkeypatch.setattr(checks, "_tries", checks.Counter())


def said(capsys, mine, truth, hints=("Look.", "Look again."), **options):
    check("it", mine, truth, hints, **options)
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
        (None, "○ it: nothing here yet.\n"),
        (..., "○ it: nothing here yet.\n"),
        (lambda: ..., "○ it: nothing here yet.\n"),
        (lambda: 1 / 0, "✗ it: the code stopped with ZeroDivisionError (division by zero). Look."),
        (lambda: RIGHT.T, "✗ it: it is 3 at (0, 1), too high. Look."),
        (lambda: RIGHT[0], "✗ it: its shape is (2,), and should be (2, 2). Look."),
        (lambda: RIGHT * float("nan"), "✗ it: there are values that are not numbers (nan). Look."),
        (lambda: RIGHT / 0, "✗ it: it is inf at (0, 0), too high. Look."),
        ("a word", "✗ it: the code stopped with ValueError"),
    ],
)
def test_every_kind_of_answer_gets_its_sentence(capsys, mine, words):
    assert said(capsys, mine, RIGHT).startswith(words)


def test_words_truths_and_several_results(capsys):
    assert said(capsys, "b", "b") == "✓ it\n" and said(capsys, "a", "b") == "✗ it: it is 'a'. Look.\n"
    assert said(capsys, True, True) == "✓ it\n" and said(capsys, False, True).startswith("✗")
    pair = (RIGHT, RIGHT[0])
    assert said(capsys, lambda: pair, lambda: pair) == "✓ it\n"
    assert "result 2: its shape" in said(capsys, (RIGHT, RIGHT), pair)
    assert "2 results" in said(capsys, RIGHT, pair)
    assert said(capsys, 0.1 + 0.2, 0.3) == "✓ it\n" and said(capsys, 3, 4).startswith("✗ it: it is 3, too low.")
    assert said(capsys, 4.1, 4).startswith("✗ it: it is 4.1, slightly too high.")
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
        check("it", odd, truth, ("Look.", "Look again."))


def test_hints_come_one_after_another_and_only_for_wrong_tries(capsys):
    tries = [None, 1 / RIGHT, None, RIGHT.T, "nonsense", RIGHT, 2 * RIGHT]
    lines = [said(capsys, one, RIGHT).strip() for one in tries]
    assert [line[0] for line in lines] == ["○", "✗", "○", "✗", "✗", "✓", "✗"]
    ends = ["yet.", "Look.", "yet.", "Look again.", "Look again.", "it", "Look again."]
    assert all(line.endswith(end) for line, end in zip(lines, ends, strict=True))
    check("another", 1, 2, ("Here.", "There."))
    assert capsys.readouterr().out == "✗ another: it is 1, too low. Here.\n"  # each exercise counts its own


def test_a_solution_is_silent_and_two_ways_are_equal_or_not(capsys):
    check_solution("it", lambda: RIGHT, RIGHT)
    assert capsys.readouterr().out == ""
    check_solution("it", lambda: RIGHT.T, RIGHT)
    assert capsys.readouterr().out == "✗ the solution of it: it is 3 at (0, 1), too high.\n"
    for one in (RIGHT, RIGHT + 1, None, lambda: 1 / 0):
        equal("ours and theirs", one, RIGHT)
    agree, differ, nothing, stopped = capsys.readouterr().out.splitlines()
    assert agree == "equal: ours and theirs" and differ.startswith("✗ not equal: ours and theirs: it is ")
    assert nothing.endswith("nothing here.") and "ZeroDivisionError" in stopped
