import io
import re
import sys
from types import SimpleNamespace

import pytest

from hvqlib import progress
from hvqlib.progress import Progress


class Line:
    """A place in a notebook that keeps what was shown there."""

    def __init__(self, first):
        self.shown = [first]

    def update(self, data, raw):
        assert raw
        self.shown.append(data)


@pytest.fixture
def lines(monkeypatch):
    """Work as in a notebook, with no delay: the lines that were shown, in order."""
    made = []

    def display(data, raw, display_id):
        made.append(Line(data))
        return made[-1]

    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=1)))
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    clock = iter(range(10_000))
    monkeypatch.setattr("tqdm.std.time", lambda: next(clock))  # every look at the clock is a second later
    return made


def test_a_notebook_shows_a_line_of_html_that_goes_away(lines):
    assert list(Progress(range(5), desc="a < b", unit="step")) == [0, 1, 2, 3, 4]
    (line,) = lines
    assert line.shown[0] == line.shown[-1] == {}  # what is saved has no content
    said = [data["text/html"] for data in line.shown[1:-1]]
    assert all(text.startswith("a &lt; b <progress ") and 'max="5"' in text for text in said)
    counts = [int(re.search(r"(\d) of 5 steps", text)[1]) for text in said]
    assert counts == sorted(counts) and len(counts) >= 2
    assert [int(re.search(r'value="(\d)"', text)[1]) for text in said] == counts
    assert "about 00:0" in said[0]


def test_a_loop_that_breaks_leaves_no_line(lines):
    with pytest.raises(KeyboardInterrupt), Progress(total=9) as bar:
        for _ in range(4):
            bar.update()
        raise KeyboardInterrupt
    assert lines[0].shown[-1] == {}


def test_there_is_one_line_at_a_time(lines):
    for _ in Progress(range(4), desc="outer"):
        for _ in Progress(range(4), desc="inner"):
            pass
    names = [re.match(r"\w+", data["text/html"])[0] for line in lines for data in line.shown if data]
    assert "outer" in names
    assert names.index("outer") > 0 and "inner" not in names[names.index("outer") :]


def test_what_takes_no_second_shows_nothing(lines, monkeypatch):
    monkeypatch.setattr("tqdm.std.time", lambda: 7.0)
    assert list(Progress(range(3))) == [0, 1, 2]
    assert lines == []


def test_disabled_it_shows_nothing_and_none_means_a_notebook_or_a_terminal(lines):
    list(Progress(range(9), disable=True))
    assert lines == []
    list(Progress(range(9), disable=None))
    assert len(lines) == 1


def test_beside_a_notebook_it_is_the_bar_of_tqdm():
    assert not progress.in_notebook()
    said = io.StringIO()
    list(Progress(range(3), desc="features", file=said))
    assert "features: 100%" in said.getvalue() and "3/3" in said.getvalue()
