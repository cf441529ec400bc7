"""Remember what a reader predicted and measured, and show it beside what was measured for each method."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ipywidgets as ipw
import numpy as np
from filelock import FileLock

from hvqlib.course.material import results_folder
from hvqlib.course.results import read_rows
from hvqlib.course.widgets import WIDE
from hvqlib.errors import RunError
from hvqlib.files import data_folder, write_atomic

METHODS = {  # as benchmarks.ablate names them, and as the course does, with the notebook that builds them
    "nearest neighbour": ("nearest neighbour", "02"),
    "continuous": ("continuous network", "03"),
    "residual codebooks in 3 stages": ("residual codebooks", "05"),
    "no hierarchy": ("quantised, one level", "05"),
    "full": ("HVQ-Trans", "08"),
}
MEASURES = {"image_auroc": "image AUROC", "pixel_auroc": "pixel AUROC", "aupro": "AUPRO"}
PRODUCTS = {"foundry": "bundled", "real5": "photographs"}
_kept: dict[str, dict[str, Any]] = {}  # where nothing is to be written, or cannot be


def predict(name: str, question: str, options: Sequence[str] = (), low: float = 0, high: float = 1) -> ipw.VBox:
    """Make a control that keeps the reader's prediction: one of `options`, or a number from `low` to `high`.

    `name` is also what :func:`reveal` is given. Put the result last in a cell.
    """
    style = {"description_width": "0px"}
    if options:
        control: ipw.ValueWidget = ipw.RadioButtons(
            options=list(options), value=None, layout=ipw.Layout(width="max-content")
        )
    else:
        whole = isinstance(low, int) and isinstance(high, int) and high - low > 2
        kind, step = (ipw.IntSlider, 1) if whole else (ipw.FloatSlider, (high - low) / 50)
        middle = (low + high) // 2 if whole else (low + high) / 2
        control = kind(value=middle, min=low, max=high, step=step, style=style)
    button, told = ipw.Button(description="commit"), ipw.Label()

    def keep(_: Any) -> None:
        if control.value is None:
            told.value = "Choose one first."
            return
        _change("predictions", name, {"said": control.value})
        told.value = f"Kept: {control.value}. Now run the next cells."

    button.on_click(keep)
    return ipw.VBox([ipw.Label(question, style=WIDE), control, ipw.HBox([button, told])]).add_class("hvq-predict")


def reveal(name: str, measured: str | float, form: str = ".2f") -> None:
    """Print what was measured beside the reader's prediction of that name; numbers in the format `form`."""
    answer = measured if isinstance(measured, str) else format(measured, form)
    before = _read()["predictions"].get(name)
    if before is None:
        print(f"Your prediction: none. Measured: {answer}")
        return
    said = before["said"]
    _change("predictions", name, {"said": said, "measured": answer})
    if isinstance(said, str):
        print(f"Your prediction: {said}{', right' if said == answer else ''}. Measured: {answer}")
    else:
        print(f"Your prediction: {format(said, form)}. Measured: {answer}")


def record(method: str, notebook: str, **measured: float) -> None:
    """Keep what the reader measured for a method in a notebook: `image_auroc`, `pixel_auroc`, `aupro`, 0 to 1."""
    wrong = sorted(set(measured) - set(MEASURES))
    if wrong:
        raise ValueError(f"the scoreboard has no column {wrong[0]!r}: choose from {', '.join(MEASURES)}.")
    _change("measured", method, {"notebook": notebook, **{name: float(value) for name, value in measured.items()}})


def scoreboard(notebook: str) -> Any:
    """Make the table of the methods met up to a notebook ("05"), with the reader's rows and predictions under it.

    The figures of the methods are means over the trainings in `data/results/methods.csv`, in percent: on the bundled
    data set (six drawn products and a photographed one) and on five classes of photographs (*real5*).
    """
    from IPython.display import HTML

    rows = read_rows(results_folder() / "methods.csv")
    head = "".join(f"<th>{of}: {name}</th>" for of in PRODUCTS.values() for name in MEASURES.values())
    body = ""
    for variant, (name, since) in METHODS.items():
        if since <= notebook and any(row["variant"] == variant for row in rows):
            cells = [
                _mean([r[key] for r in rows if (r["variant"], r["data"]) == (variant, data)])
                for data in PRODUCTS
                for key in MEASURES
            ]
            body += _row([f"{name} (notebook {since})", *cells])
    kept = _read()
    for method, one in sorted(kept["measured"].items(), key=lambda item: item[1]["notebook"]):
        mine = [f"{100 * one[key]:.1f}" if key in one else "–" for key in MEASURES]
        body += _row([f"yours: {method} (notebook {one['notebook']})", *mine, "–", "–", "–"])
    said = kept["predictions"].values()
    seen = [one for one in said if "measured" in one]
    right = sum(str(one["said"]) == one["measured"] for one in seen if isinstance(one["said"], str))
    choices = sum(isinstance(one["said"], str) for one in seen)
    foot = f"Predictions kept: {len(said)}; of {choices} choices {right} right."
    return HTML(f"<table><tr><th>in %</th>{head}</tr>{body}</table><p>{foot}</p>")


def _row(cells: Sequence[str]) -> str:
    return "<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in cells) + "</tr>"


def _mean(values: Sequence[str]) -> str:
    return f"{100 * np.mean([float(value) for value in values]):.1f}" if values else "not measured"


def _path() -> Path | None:
    """Where the answers are kept: ``$HVQ_SCOREBOARD``, nowhere where that is empty; else in the data folder."""
    named = os.environ.get("HVQ_SCOREBOARD")
    if named is None:
        return data_folder(make=True) / "scoreboard.json"
    return Path(named) if named else None


def _read() -> dict[str, dict[str, Any]]:
    path = _path()
    empty: dict[str, dict[str, Any]] = {"predictions": {}, "measured": {}}
    if path is None:
        return empty | _kept
    try:
        return empty | json.loads(path.read_text(encoding="utf-8")) | _kept
    except FileNotFoundError:
        return empty | _kept
    except (OSError, ValueError, TypeError):
        print(f"The scoreboard '{path}' cannot be read; a new one is begun.")
        return empty | _kept


def _change(part: str, name: str, value: dict[str, Any]) -> None:
    path = _path()
    if path is not None and not _kept:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_name(f".{path.name}.lock"), timeout=10):  # two notebooks may be open
                kept = _changed(part, name, value)
                return write_atomic(path, json.dumps(kept, indent=1, ensure_ascii=False).encode())
        except (RunError, OSError):
            told = "what you predict and measure is kept until this kernel ends. Set HVQ_SCOREBOARD to a file of yours."
            print(f"The scoreboard '{path}' cannot be written: {told}")
    _kept.update(_changed(part, name, value))


def _changed(part: str, name: str, value: dict[str, Any]) -> dict[str, dict[str, Any]]:
    kept = _read()
    return kept | {part: {**kept[part], name: value}}
