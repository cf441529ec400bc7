"""What codebooks of each class cost beside one shared set: rows as wide as the arms, sizes that can be counted."""

import sys

from benchmarks import switching
from benchmarks.questions import ARMS
from hvqlib.config import PRESETS
from hvqlib.course.figures.questions import CLASSES
from hvqlib.course.results import SWITCHING_COLUMNS, read_rows
from hvqlib.features.backbone import Backbone


def test_both_have_as_many_codes_and_the_rest_is_the_output_heads(tmp_path, monkeypatch):
    out = tmp_path / "s.csv"
    monkeypatch.setattr(sys, "argv", ["switching", "--threads", "1", "--rounds", "1", "--out", str(out)])
    switching.main()
    rows = {(int(row["classes"]), row["arm"]): row for row in read_rows(out, SWITCHING_COLUMNS)}
    assert len(rows) == 2 * len(CLASSES) and all(float(row["milliseconds"]) > 0 for row in rows.values())
    base = PRESETS["tiny"]
    channels = Backbone(base.backbone, base.image_size, base.grid, base.pooling, "random").channels
    for n in CLASSES:
        own, shared = rows[n, "64 nearest"], rows[n, f"one set for {n}"]
        assert ARMS["64 nearest"]["codes"] * n == ARMS[f"one set for {n}"]["codes"]
        # Each class has its own last layer, from a code beside a code or state (twice the width) to the features.
        heads = (n - 1) * (2 * base.width + 1) * channels * 4 / 2**20
        assert abs(float(own["megabytes"]) - float(shared["megabytes"]) - heads) < 0.15, n
