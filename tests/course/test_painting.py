import io

import numpy as np
import pytest
from PIL import Image

from hvqlib.course.painting import COLOURS, Paint, paint
from hvqlib.errors import InputError

GREY = np.full((64, 64, 3), 128, np.uint8)


def stroke(tool, *points, width=6, colour="rust"):
    return {"tool": tool, "colour": colour, "width": width, "points": list(points)}


def test_a_scratch_covers_what_it_should_and_erasing_brings_the_picture_back():
    line = stroke("scratch", (10, 32), (50, 32))
    drawn = paint(GREY, [line])
    rows, columns = (drawn != GREY).any(2).nonzero()
    assert (rows.min(), rows.max()) == (29, 35) or (rows.min(), rows.max()) == (29, 34)
    assert 6 <= columns.min() <= 8 and 52 <= columns.max() <= 54  # round ends, half the width
    rust = [int(COLOURS["rust"][i : i + 2], 16) for i in (1, 3, 5)]
    assert (drawn[32, 30] == rust).all()
    assert (GREY == 128).all()  # a copy
    assert (paint(GREY, [line, stroke("erase", (0, 32), (63, 32), width=20)]) == GREY).all()
    assert (paint(GREY, []) == GREY).all()


def test_a_click_makes_a_disc_of_the_width():
    area = (paint(GREY, [stroke("blob", (32, 32), width=20)]) != GREY).any(2).sum()
    assert abs(area - np.pi * 100) < 40


def test_the_widget_holds_picture_and_strokes():
    widget = Paint(GREY)
    assert (np.asarray(Image.open(io.BytesIO(widget.picture))) == GREY).all()
    widget.strokes = [stroke("blob", (32, 32))]
    assert (widget.painted != GREY).any()
    widget.load(GREY // 2)
    assert widget.strokes == [] and (widget.painted == 64).all()


@pytest.mark.parametrize("bad", [{}, {**stroke("blob", (1, 1)), "tool": "axe"}, {**stroke("blob"), "points": [1]}])
def test_a_bad_stroke_gets_a_sentence(bad):
    with pytest.raises(InputError, match="A stroke needs"):
        paint(GREY, [bad])
