"""Paint a defect on a picture with the mouse: strokes from the browser (painting.js), pixels made here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image, ImageDraw

from hvqlib.errors import InputError

TOOLS = ("scratch", "blob", "erase")
COLOURS = {"black": "#141414", "white": "#f5f5f5", "rust": "#7a3b12", "blue": "#1f4e79"}


class Paint(anywidget.AnyWidget):
    """Show a picture (S, S, 3) uint8 to paint on, at `scale` screen pixels per pixel.

    `strokes` changes when the mouse is let go; `painted` is the picture with them.
    """

    _esm = Path(__file__).with_name("painting.js")
    side = traitlets.Int(224).tag(sync=True)
    scale = traitlets.Float(1.5).tag(sync=True)
    tools = traitlets.List(list(TOOLS)).tag(sync=True)
    colours = traitlets.Dict(COLOURS).tag(sync=True)
    picture = traitlets.Bytes(b"").tag(sync=True)
    strokes: traitlets.List = traitlets.List([]).tag(sync=True)

    def __init__(self, picture: np.ndarray, scale: float = 1.5) -> None:
        super().__init__(side=len(picture), scale=scale)
        self.load(picture)

    def load(self, picture: np.ndarray) -> None:
        """Begin again on another picture of the same size."""
        self.pixels = picture
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        self.strokes, self.picture = [], buffer.getvalue()

    def __repr__(self) -> str:
        return f"Paint({self.side} px)"  # the same in every run: notebooks keep it

    @property
    def painted(self) -> np.ndarray:
        """Picture (S, S, 3) uint8 with the strokes on it."""
        return paint(self.pixels, self.strokes)


def paint(picture: np.ndarray, strokes: list[dict[str, Any]]) -> np.ndarray:
    """Paint strokes on a copy of a picture (S, S, 3) uint8.

    A stroke is a dictionary: "tool", one of TOOLS ("scratch" and "blob" paint, "erase" takes paint away); "colour", a
    name of COLOURS; "width" in pixels, above 0; "points", a list of (x, y) in pixels. Raises InputError otherwise.
    """
    layer = Image.new("RGBA", (picture.shape[1] * 2, picture.shape[0] * 2))  # twice as fine: smooth edges
    pen = ImageDraw.Draw(layer)
    for stroke in strokes:
        try:
            tool, colour = TOOLS.index(stroke["tool"]), COLOURS[stroke["colour"]]
            width, points = 2 * float(stroke["width"]), [(2 * float(x), 2 * float(y)) for x, y in stroke["points"]]
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(f"A stroke needs a tool, colour, width and points, not {stroke!r}.") from error
        fill = (0, 0, 0, 0) if TOOLS[tool] == "erase" else colour
        if len(points) > 1:
            pen.line(points, fill, max(1, round(width)), "curve")
        for x, y in points[:1] + points[-1:]:  # round ends
            pen.ellipse((x - width / 2, y - width / 2, x + width / 2, y + width / 2), fill)
    small = np.asarray(layer.resize(picture.shape[1::-1], Image.Resampling.BOX), np.float32)
    alpha = small[..., 3:] / 255
    return (picture * (1 - alpha) + small[..., :3] * alpha).round().astype(np.uint8)
