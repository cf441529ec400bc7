"""The new images are new, a row for each state of the cache; the command stands in."""

import csv
import json

from benchmarks import recalibrate_time
from benchmarks.recalibrate_time import FIELDS, main
from hvqlib.course.foundry.dataset import draw_picture
from hvqlib.data.images import read_image
from hvqlib.data.listing import images


def test_other_images_each_time_and_a_row_each(tmp_path, monkeypatch):
    ran = []

    def cost(command, threads):
        given = dict(zip(command[4::2], command[5::2], strict=True))
        ran.append((given, [read_image(path).tobytes() for path in images(tmp_path / given["--add"])]))
        return 900.0, 12.34

    monkeypatch.setattr(recalibrate_time, "cost", cost)
    (tmp_path / "images.json").write_text(json.dumps({"paths": ["a", "b", "c"]}), encoding="utf-8")
    out = tmp_path / "recalibrate.csv"
    main(["--run", str(tmp_path), "--class", "wood", "--images", "2", "--csv", str(out)])
    (first, one), (second, other) = ran
    assert first["--cache"] == second["--cache"] and first["--out"] != second["--out"]
    assert first["--class"] == "wood" and first["--run"] == str(tmp_path)
    known = [draw_picture("wood", "good", number)[0].tobytes() for number in range(4)]
    assert len(one) == len(other) == 2 and len({*one, *other, *known}) == 8
    with out.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == FIELDS
    assert [(row["cached"], row["known"], row["new"], row["seconds"]) for row in rows] == [
        ("nothing", "3", "2", "12.3"),
        ("the old images", "3", "2", "12.3"),
    ]
