"""Figures of the notebooks: pictures laid out, and shown under a cell."""

import ast
import io
import re
from pathlib import Path

import nbformat
import numpy as np
import pytest
from PIL import Image

from hvqlib.course import figures
from hvqlib.course.figures import canvas, contact_sheet, draw_promise, show, tiles
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


def test_a_contact_sheet_holds_any_number_of_photographs(tmp_path):
    paths = [tmp_path / f"{i}.png" for i in range(3)]
    for path in paths:
        Image.new("RGB", (40, 20)).save(path)
    heights = [
        Image.open(io.BytesIO(contact_sheet(some, ["$a_1$"] * len(some)))).height for some in (paths[:1], paths * 3)
    ]
    assert heights[1] == pytest.approx(2 * heights[0], abs=2)


@pytest.mark.parametrize(
    ("n", "asked", "told"),  # 0.05 takes 32 images, 0.1 takes 16; the second highest of 72 is the bound of 2 of 72
    [(31, 0.05, "cannot be promised: refused"), (32, 0.05, "held-out score number 1"), (72, 0.05, "score number 2")],
)
def test_the_promise_drawn_is_the_calibrations(monkeypatch, n, asked, told):
    drawn = []
    monkeypatch.setattr(figures, "png", lambda figure: drawn.append(figure) or b"")
    draw_promise(n, asked)
    left, right = drawn[0].axes
    assert left.get_title() == f"{n} held out: {1 - 0.2 ** (1 / n):.1%} or more" and told in right.get_title()


def test_every_figure_is_drawn_by_a_notebook():
    """Which is how it is tested: `make test` runs them all."""
    root = Path(__file__).resolve().parents[2]
    cells = [cell for path in (root / "notebooks").rglob("*.ipynb") for cell in nbformat.read(path, 4).cells]
    said = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    for path in (root / "hvqlib" / "course" / "figures").glob("[a-z]*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef) and node.name[0] != "_"]
        within = path.read_text(encoding="utf-8")
        for name in functions:
            own = len(re.findall(rf"\b{name}\b", within)) > 1
            assert own or re.search(rf"\b{name}\b", said), f"no notebook draws {path.stem}.{name}"
