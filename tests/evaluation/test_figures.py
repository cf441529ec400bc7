import io
import os
import warnings

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from hvqlib.course.figures import canvas, tiles
from hvqlib.data.dataset import load_dataset
from hvqlib.evaluation import figures
from hvqlib.evaluation.evaluate import Example


def test_outline_surrounds_the_mask_and_leaves_it_visible():
    picture, mask = np.zeros((20, 20, 3), np.uint8), np.zeros((20, 20), bool)
    mask[8:12, 8:12] = True
    drawn = figures.outline(picture, mask)
    assert (drawn[mask] == 0).all() and (drawn[6, 9] == (213, 94, 0)).all() and (drawn[3, 3] == 0).all()
    assert (picture == 0).all()


def test_a_thumbnail_is_what_the_network_sees(tmp_path):
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 40:] = 255
    Image.fromarray(picture).save(tmp_path / "a.png")
    small = figures.thumbnail(tmp_path / "a.png", 16)
    assert small.shape == (16, 16, 3) and (small[:, :6] == 0).all() and (small[:, 10:] == 255).all()


def test_a_light_png_keeps_the_palette_and_comes_near_the_rest():
    figure, axes = canvas(1, 2, width=6, height=3)
    ramp = np.random.RandomState(0).randint(0, 256, (8, 8, 3)).repeat(8, 0).repeat(8, 1).astype(np.uint8)
    tiles(axes[:1], [ramp])
    names = (figures.BLUE, figures.ORANGE, figures.GREEN, figures.PURPLE, figures.GREY, figures.DEFECT)
    axes[1].barh(range(6), np.ones(6), color=names)
    full, light = figures.png(figure), figures.png(figure, light=True)
    assert len(light) < len(full)
    a, b = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int) for data in (full, light))
    assert a.shape == b.shape == (270, 540, 3) and np.abs(a - b).mean() < 4
    for name in names:
        where = (a == [int(name[i : i + 2], 16) for i in (1, 3, 5)]).all(-1)
        assert where.sum() > 500 and np.abs(a - b)[where].max() <= 4


def test_heat_map_stands_beside_the_picture(tmp_path):
    picture = np.full((30, 40, 3), 200, np.uint8)
    heat = np.zeros((8, 8))
    heat[:4] = 5
    figures.heat_map(tmp_path / "a.png", picture, heat, low=0, high=5)
    both = np.asarray(Image.open(tmp_path / "a.png"))
    assert both.shape == (30, 80, 3) and (both[:, :40] == 200).all()
    assert both[2, 60].sum() > 500 > 50 > both[-3, 60].sum()


def test_curves_and_gallery_are_written_whole(tmp_path, small_data):
    for usage in (0.5, np.nan):
        figures.curves(np.column_stack([np.ones((60, 3)), np.full((60, 2), usage)]), tmp_path / "curves.png")
        assert Image.open(tmp_path / "curves.png").width > 600
    tests = [s for s in load_dataset(small_data).test if s.label]
    figures.gallery([Example(s, np.eye(64), 1.0, 0.0, 1.0) for s in tests[:2] + tests[-1:]], tmp_path / "gallery.png")
    assert Image.open(tmp_path / "gallery.png").height > 300
    assert sorted(p.name for p in tmp_path.iterdir()) == ["curves.png", "gallery.png"]


@pytest.mark.parametrize("name", ["布料", os.fsdecode(b"clo\xffth"), "a$b$c", "Straße"])
def test_any_name_is_shown_without_a_warning(name, tmp_path):
    figure = Figure()
    figure.text(0.5, 0.5, figures.legible(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures.save(figure, tmp_path / "figure.png")
    assert figures.legible("Straße") == "Straße" and figures.legible("布") == r"\u5e03"
