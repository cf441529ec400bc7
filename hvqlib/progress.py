"""Show how far something is: a bar on the terminal, or in a notebook one that goes away when it is done."""

from __future__ import annotations

import html
import sys
import threading
from typing import Any

from tqdm.std import tqdm


class Progress(tqdm):
    """Show a bar of tqdm, with its parameters; `desc` says what is being done, and `unit` what is counted.

    In a notebook it is a line of HTML, without widgets, that comes after a second and is gone at the end. What a saved
    notebook keeps of it is an output without content, which nothing shows and no comparison of outputs sees.

    Examples
    --------
    >>> for step in Progress(range(800), desc="training the network", unit="step"):
    ...     pass
    """

    monitor_interval = 0  # no thread beside the others
    _lock = threading.RLock()  # of this process; tqdm's own is shared with all that it starts

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.line: Any = None  # in the notebook, once it is there
        self.notebook = kwargs.get("disable") is not True and in_notebook()
        if self.notebook:
            # With gui tqdm writes nothing itself; with disable None it would do so on a terminal only.
            kwargs |= {"gui": True, "disable": False, "delay": 1.0, "mininterval": 0.25}
        super().__init__(*args, **kwargs)

    def display(self, *args: Any, **kwargs: Any) -> Any:
        """Show the bar as it is now."""
        if not self.notebook:
            return super().display(*args, **kwargs)
        if self.line is None:
            if any(getattr(bar, "line", None) for bar in self._instances):
                return None  # one line at a time: that of the bar around this one
            # Loaded in every notebook; the library alone does without.
            self.line = sys.modules["IPython.display"].display({}, raw=True, display_id=True)
        return self.line.update({"text/html": self.markup()}, raw=True)

    def markup(self) -> str:
        """Write what a notebook shows: what is done, a bar, how many of how many, and about how long it still takes."""
        rate, unit = self.format_dict["rate"], "" if self.unit == "it" else f" {self.unit}s"
        ends, said = "", f"{self.n}{unit}"
        if self.total:
            ends, said = f' value="{self.n}" max="{self.total}"', f"{self.n} of {self.total}{unit}"
            left = (self.total - self.n) / rate if rate else 0
            said += f", about {tqdm.format_interval(left)} left" if left >= 1 else ""
        said += f" ({self.postfix})" if self.postfix else ""
        return f'{html.escape(self.desc)} <progress{ends} style="width: 20em"></progress> {html.escape(said)}'

    def close(self) -> None:
        """End the bar; in a notebook, take it away."""
        super().close()
        if self.line is not None:
            self.line.update({}, raw=True)
            self.line = None


def in_notebook() -> bool:
    """Say whether this runs in a notebook's kernel."""
    started = sys.modules.get("IPython")
    return started is not None and hasattr(started.get_ipython(), "kernel")
