"""Draw the figures of the notebooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from hvqlib.evaluation.figures import BLUE, GREEN, GREY, HEAT, ORANGE, PURPLE, png


def canvas(rows: int = 1, columns: int = 1, width: float = 9.0, height: float = 3.0) -> tuple[Figure, Any]:
    """Make a figure of `width` x `height` inches (at most 9 wide reads well), and its axes as subplots() gives them."""
    figure = Figure(figsize=(width, height), layout="constrained")
    axes = figure.subplots(rows, columns)
    for one in np.ravel(axes):
        one.spines[["top", "right"]].set_visible(False)
        one.set_prop_cycle(color=[BLUE, ORANGE, GREEN, PURPLE, GREY])
    return figure, axes


def show(picture: Figure | bytes) -> None:
    """Show a figure, or the bytes of a PNG, under the cell."""
    from IPython.display import Image as Shown
    from IPython.display import display

    display(Shown(data=png(picture) if isinstance(picture, Figure) else picture))


def tiles(
    axes: Any,
    pictures: Sequence[np.ndarray],
    titles: Sequence[str] = (),
    low: float | None = None,
    high: float | None = None,
) -> None:
    """Lay pictures into axes, without ticks: (H, W, 3) as they are, (H, W) as anomaly maps from `low` to `high`."""
    for one in np.ravel(axes):
        one.set(xticks=[], yticks=[])
        one.spines[:].set_visible(False)
    for i, (one, picture) in enumerate(zip(np.ravel(axes), pictures, strict=False)):
        one.imshow(picture, cmap=HEAT, vmin=low, vmax=high)
        if i < len(titles):
            one.set_title(titles[i], fontsize=10)
