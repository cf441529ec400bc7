"""Figures of the notebooks: pictures laid out, and shown under a cell."""

import numpy as np

from hvqlib.course.figures import canvas, show, tiles
from hvqlib.evaluation.figures import png


def test_tiles_lay_pictures_and_maps_out():
    small = np.zeros((16, 16, 3), np.uint8)
    _, axes = canvas(1, 2, width=4, height=2)
    tiles(axes, [small, small[..., 0] / 51], ["image", "map"], 0, 5)
    assert [a.get_title() for a in axes] == ["image", "map"] and axes[1].images[0].get_clim() == (0, 5)


def test_show_displays_figures_and_bytes(monkeypatch):
    import IPython.display

    shown = []
    monkeypatch.setattr(IPython.display, "display", shown.append)
    figure, _ = canvas(width=1, height=1)
    show(figure)
    show(png(figure))
    assert shown[0].data == shown[1].data == png(figure)
