"""Paint a defect on a picture with the mouse: strokes from the browser, pixels made here."""

from __future__ import annotations

import io
from typing import Any

import anywidget
import numpy as np
import traitlets
from PIL import Image, ImageDraw

from hvqlib.errors import InputError

TOOLS = ("scratch", "blob", "erase")
COLOURS = {"black": "#141414", "white": "#f5f5f5", "rust": "#7a3b12", "blue": "#1f4e79"}


# The page draws what the mouse does at once, on a layer above the picture, and sends the strokes when it is let go.
SCRIPT = """
function render({ model, el }) {
  const side = model.get("side"), scale = model.get("scale");
  el.innerHTML = `<div class="hvq-paint" style="display:flex; flex-wrap:wrap; gap:10px; align-items:flex-start">
    <canvas width="${side}" height="${side}" tabindex="0" role="img" aria-label="picture to paint a defect on"
      style="width:${side * scale}px; height:${side * scale}px; touch-action:none; cursor:crosshair;
      border:1px solid #767676; background-size:100% 100%"></canvas>
    <div style="display:flex; flex-direction:column; gap:6px">
      <label>tool <select class="tool">${model.get("tools").map(t => `<option>${t}</option>`).join("")}</select></label>
      <label>colour <select class="colour">${Object.keys(model.get("colours")).map(c =>
        `<option>${c}</option>`).join("")}</select></label>
      <label>width <input class="width" type="range" min="1" max="30" value="4"></label>
      <button class="undo">undo</button><button class="clear">clear</button>
    </div></div>`;
  const canvas = el.querySelector("canvas"), pen = canvas.getContext("2d"), pick = c => el.querySelector(c).value;
  const background = () => {
    const url = URL.createObjectURL(new Blob([model.get("picture").buffer], { type: "image/png" }));
    canvas.style.backgroundImage = `url(${url})`;
  };
  const draw = s => {
    pen.globalCompositeOperation = s.tool === "erase" ? "destination-out" : "source-over";
    pen.strokeStyle = pen.fillStyle = model.get("colours")[s.colour];
    pen.lineWidth = s.width; pen.lineCap = pen.lineJoin = "round";
    pen.beginPath(); s.points.forEach(([x, y]) => pen.lineTo(x, y));
    if (s.points.length === 1) pen.lineTo(s.points[0][0] + 0.01, s.points[0][1]);
    pen.stroke();
  };
  const all = () => { pen.clearRect(0, 0, side, side); model.get("strokes").forEach(draw); };
  const send = strokes => { model.set("strokes", strokes); model.save_changes(); };
  const place = e => { const r = canvas.getBoundingClientRect();
    return [(e.clientX - r.left) * side / r.width, (e.clientY - r.top) * side / r.height].map(v => Math.round(v)); };
  let stroke = null;
  canvas.onpointerdown = e => {
    const tool = pick(".tool"), width = Number(pick(".width")) * (tool === "scratch" ? 1 : 3);
    canvas.setPointerCapture(e.pointerId);
    stroke = { tool, width, colour: pick(".colour"), points: [place(e)] };
    draw(stroke);
  };
  canvas.onpointermove = e => { if (stroke) { stroke.points.push(place(e)); draw(stroke); } };
  canvas.onpointerup = () => { if (stroke) { send([...model.get("strokes"), stroke]); stroke = null; } };
  el.querySelector(".undo").onclick = () => send(model.get("strokes").slice(0, -1));
  el.querySelector(".clear").onclick = () => send([]);
  model.on("change:strokes", all); model.on("change:picture", background);
  background(); all();
}
export default { render };
"""


class Paint(anywidget.AnyWidget):
    """A picture to paint on. `strokes` changes when the mouse is let go; `painted` is the picture with them.

    Parameters
    ----------
    picture : (S, S, 3) uint8
    scale : size on the screen, in screen pixels a pixel.
    """

    _esm = SCRIPT
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
        """The picture (S, S, 3) uint8 with the strokes on it."""
        return paint(self.pixels, self.strokes)


def paint(picture: np.ndarray, strokes: list[dict[str, Any]]) -> np.ndarray:
    """Strokes on a picture (S, S, 3) uint8; a copy.

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
