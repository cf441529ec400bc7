"""Make interactive figures: controls over a picture that a plain function draws."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from math import log10
from typing import TYPE_CHECKING, Any

import ipywidgets as ipw

if TYPE_CHECKING:
    from hvqlib.course.painting import Answer, Paint


def panel(draw: Callable[..., bytes], **controls: Any) -> ipw.VBox:
    """Put controls over the picture they decide.

    Parameters
    ----------
    draw : from the controls' values, by name, to the bytes of a PNG; called again whenever one of them changes.
        The pictures should all be of one size, so that nothing jumps.
    controls : from :func:`slider`, :func:`choice`, :func:`checkbox`, :func:`player`, or any widget with a value.

    Returns
    -------
    A VBox to put last in a cell. A saved notebook cannot show it: put `show(draw(...))` under it.
    """
    holders = {name: control[-1] if isinstance(control, tuple) else control for name, control in controls.items()}
    shown = [part for control in controls.values() for part in (control if isinstance(control, tuple) else (control,))]
    above = ipw.HBox(shown, layout=ipw.Layout(flex_flow="row wrap"))

    def drawn() -> bytes:
        return draw(**{name: holder.value for name, holder in holders.items()})

    picture = _picture(drawn())
    for holder in holders.values():
        holder.observe(lambda _: setattr(picture, "value", drawn()), "value")
    return ipw.VBox([above, picture])


def paint_panel(answer: Callable[[list], Answer], paint: Paint) -> Paint:
    """Let a picture to paint on show, after every stroke, what `answer` makes of its strokes; put it last in a cell."""
    paint.observe(lambda _: paint.tell(answer(paint.strokes)), "strokes")
    paint.tell(answer(paint.strokes))
    return paint


def _picture(content: bytes) -> ipw.Image:
    return ipw.Image(value=content, format="png", layout=ipw.Layout(max_width="100%", align_self="flex-start"))


WIDE = {"description_width": "initial"}  # labels are never cut off


def slider(label: str, value: float, low: float, high: float, step: float | None = None) -> ipw.ValueWidget:
    """Make a slider; over whole numbers where value, ends and step are."""
    whole = all(isinstance(x, int) for x in (value, low, high, 1 if step is None else step))
    kind, step = (ipw.IntSlider, step or 1) if whole else (ipw.FloatSlider, step or (high - low) / 100)
    return kind(value=value, min=low, max=high, step=step, description=label, style=WIDE)


def log_slider(label: str, value: float, low: float, high: float) -> ipw.FloatLogSlider:
    """Make a slider over powers of ten, from `low` to `high`, both above 0."""
    ends = {"min": log10(low), "max": log10(high)}
    return ipw.FloatLogSlider(value=value, **ends, step=0.05, description=label, style=WIDE, readout_format=".2g")


def choice(label: str, options: Sequence[Any]) -> ipw.Dropdown:
    """Make a menu; the first option is chosen. Options are values, or (label, value) pairs."""
    return ipw.Dropdown(options=options, description=label, style=WIDE)


def checkbox(label: str, value: bool = False) -> ipw.Checkbox:
    """Make a box to tick."""
    return ipw.Checkbox(value=value, description=label, indent=False)


def player(label: str, last: int, milliseconds: int = 400) -> tuple[ipw.Play, ipw.IntSlider]:
    """Play frames 0 to `last`: a play button and a slider, tied to each other in the browser."""
    play = ipw.Play(value=0, min=0, max=last, interval=milliseconds, description=f"play {label}")
    steps = ipw.IntSlider(value=0, min=0, max=last, description=label, style=WIDE)
    ipw.jslink((play, "value"), (steps, "value"))
    return play, steps


class LiveTraining:
    """Watch a training while it runs: a picture, redrawn now and then, over a pause and a stop button.

    Show `box`, then run :func:`hvqlib.train` with this `watch` in a thread of its own, and wait for it with
    `await asyncio.wrap_future(...)`: while a cell computes or joins a thread, the kernel does not hear the buttons
    (tried in JupyterLab 4.6 with ipykernel 7). `draw`, from the model and the history so far (a row a step) to the
    bytes of a PNG, all of one size, is called every `every` steps.
    """

    def __init__(self, draw: Callable[[Any, list], bytes], every: int = 10) -> None:
        self.draw, self.every, self.paused, self.stopped = draw, every, False, False
        # A toggle button would be heard once: its second change waits for an answer that a waiting cell holds back.
        self.pause = ipw.Button(description="pause", tooltip="hold the training; press again to go on")
        self.pause.on_click(self._pause)
        self.stop = ipw.Button(description="stop", tooltip="write a checkpoint and end the training")
        self.stop.on_click(lambda _: setattr(self, "stopped", True))
        self.picture = _picture(draw(None, []))
        self.box = ipw.VBox([ipw.HBox([self.pause, self.stop]), self.picture])

    def _pause(self, _: Any) -> None:
        self.paused = not self.paused
        self.pause.description = "go on" if self.paused else "pause"

    def watch(self, model: Any, history: list) -> bool:
        """Draw after every step, wait while paused, say whether to stop."""
        if len(history) % self.every == 0:
            self.picture.value = self.draw(model, history)
        while self.paused and not self.stopped:
            time.sleep(0.05)
        return self.stopped
