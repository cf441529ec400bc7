"""The benchmark of the metrics runs, and its slow way agrees with the fast one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from benchmarks.metrics import aupro_by_passes, draw, main
from hvqlib.evaluation.metrics import aupro


def test_many_passes_come_close_to_the_exact_area() -> None:
    random = np.random.default_rng(0)
    masks, maps = (np.stack(kind) for kind in zip(*(draw(random, 32, i % 3 > 0) for i in range(6)), strict=True))
    assert aupro_by_passes(masks, maps, 400) == pytest.approx(aupro(masks, maps), abs=0.01)


def test_it_prints_seconds_memory_and_ratio(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    small = "--images 12 --classes 2 --size 32 --thresholds 5 --slow 3"
    monkeypatch.setattr(sys, "argv", ["metrics", *small.split()])
    main()
    told = capsys.readouterr().out
    assert "all seven, 12 maps of 32 x 32" in told and " GiB" in told and "ratio " in told
