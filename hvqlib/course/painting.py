"""Paint a defect on a picture with the mouse: strokes from the browser (painting.js), pixels and answers made here."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

import anywidget
import numpy as np
import traitlets
from matplotlib import colormaps
from PIL import Image, ImageDraw

from hvqlib.errors import InputError
from hvqlib.evaluation.figures import HEAT

TOOLS = ("scratch", "blob", "erase")
HEAT_TABLE = (255 * colormaps[HEAT](np.arange(256))[:, :3]).round().astype(int).ravel().tolist()  # for painting.js
COLOURS = {"black": "#141414", "white": "#f5f5f5", "rust": "#7a3b12", "blue": "#1f4e79"}


class Answer(NamedTuple):
    """Hold what a detector makes of a painted picture."""

    flipped: list[int]  # places (0 to 195) whose code is no longer that of the clean picture
    anomaly_map: np.ndarray  # (S, S)
    score: float
    threshold: float

    @property
    def text(self) -> str:
        """Put it in a sentence."""
        verdict = "defective" if self.score > self.threshold else "normal"
        codes = f"{len(self.flipped)} of 196 top codes flipped"
        return f"{codes}; score {self.score:.2f}, threshold {self.threshold:.2f}: {verdict}"


class Paint(anywidget.AnyWidget):
    """Show a picture (S, S, 3) uint8 to paint on, at `scale` screen pixels per pixel.

    `strokes` changes when the mouse is let go; `painted` is the picture with them. What :meth:`tell` is given stands
    beside it: the places whose code flipped, and the anomaly map, from black to white at three thresholds.
    """

    _esm = Path(__file__).with_name("painting.js")
    side = traitlets.Int(224).tag(sync=True)
    scale = traitlets.Float(1.5).tag(sync=True)
    tools = traitlets.List(list(TOOLS)).tag(sync=True)
    colours = traitlets.Dict(COLOURS).tag(sync=True)
    picture = traitlets.Bytes(b"").tag(sync=True)
    strokes: traitlets.List = traitlets.List([]).tag(sync=True)
    answer: traitlets.Dict = traitlets.Dict({}).tag(sync=True)

    def __init__(self, picture: np.ndarray, scale: float = 1.5) -> None:
        super().__init__(side=len(picture), scale=scale)
        self.load(picture)

    def load(self, picture: np.ndarray) -> None:
        """Begin again on another picture of the same size."""
        self.pixels = picture
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "PNG")
        self.strokes, self.picture = [], buffer.getvalue()

    def tell(self, answer: Answer) -> None:
        """Show an answer beside the picture."""
        small = np.asarray(Image.fromarray(answer.anomaly_map.astype(np.float32)).reduce(4))
        heat = {"map": small.ravel().round(2).tolist(), "high": 3 * answer.threshold, "table": HEAT_TABLE}
        self.answer = {"flipped": answer.flipped, "text": answer.text, **heat}

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
