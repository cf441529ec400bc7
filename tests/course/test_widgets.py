import threading

import numpy as np
from PIL import Image

from hvqlib.course import widgets
from hvqlib.course.figures import canvas
from hvqlib.course.painting import Answer, Paint
from hvqlib.evaluation.figures import png


def test_a_panel_draws_again_when_a_control_moves():
    calls = []

    def draw(k, kind, on, frame):
        calls.append((k, kind, on, frame))
        return png(canvas(width=1 + k, height=1)[0])

    panel = widgets.panel(
        draw,
        k=widgets.slider("codes K", 2, 1, 5),
        kind=widgets.choice("kind", ["a", "b"]),
        on=widgets.checkbox("on"),
        frame=widgets.player("step", 9),
    )
    controls, picture = panel.children
    assert calls == [(2, "a", False, 0)] and picture.value[:4] == b"\x89PNG"
    before = picture.value
    k, kind, on, play, frame = controls.children
    k.value, kind.value, on.value, frame.value = 3, "b", True, 4
    assert calls[1:] == [(3, "a", False, 0), (3, "b", False, 0), (3, "b", True, 0), (3, "b", True, 4)]
    assert picture.value != before
    assert all(control.description for control in controls.children)
    assert play.max == frame.max == 9


def test_sliders_keep_to_their_kind_of_number():
    assert type(widgets.slider("a", 1, 0, 5).value) is int
    assert type(widgets.slider("a", 1, 0, 5.0).value) is float
    slider = widgets.log_slider("eps", 0.1, 1e-3, 10)
    assert np.isclose([10**slider.min, 10**slider.max, slider.value], [1e-3, 10, 0.1]).all()


def test_pictures_have_the_size_that_was_asked(tmp_path):
    (tmp_path / "a.png").write_bytes(png(canvas(2, 3, width=4, height=2)[0], dpi=50))
    assert Image.open(tmp_path / "a.png").size == (200, 100)


def test_a_live_training_is_drawn_paused_and_stopped():
    live = widgets.LiveTraining(lambda model, history: b"%d" % len(history), every=2)
    assert live.picture.value == b"0"
    assert not live.watch(None, [0]) and live.picture.value == b"0"
    assert not live.watch(None, [0, 0]) and live.picture.value == b"2"
    live.pause.click()
    answers = []
    held = threading.Thread(target=lambda: answers.append(live.watch(None, [0] * 3)))
    held.start()
    held.join(0.3)
    assert held.is_alive() and not answers  # it waits
    live.pause.click()
    held.join(5)
    assert answers == [False]
    live.pause.click()
    live.stop.click()
    assert live.watch(None, [0] * 4)  # stop also ends a pause


def test_an_easel_answers_after_every_stroke():
    calls = []

    def answer(strokes):
        calls.append(len(strokes))
        return Answer(list(range(len(strokes))), np.full((8, 8), 2.0 * len(strokes)), 3.0, 2.0)

    easel = Paint(np.zeros((32, 32, 3), np.uint8))
    assert widgets.paint_panel(answer, easel) is easel
    assert easel.answer["flipped"] == [] and easel.answer["high"] == 6 and easel.answer["map"] == [0] * 4
    easel.strokes = [{"tool": "blob", "colour": "rust", "width": 3, "points": [[1, 1]]}]
    assert calls == [0, 1] and easel.answer["flipped"] == [0] and easel.answer["map"] == [2] * 4
    assert "1 of 196" in easel.answer["text"] and "defective" in easel.answer["text"]
    easel.load(np.ones((32, 32, 3), np.uint8))
    assert calls == [0, 1, 0] and easel.answer["flipped"] == []
