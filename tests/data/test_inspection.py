"""Small trees with one thing amiss each, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib import cli
from hvqlib.data.inspection import NAMES, PUBLISHED, inspect_folder, report_table
from hvqlib.errors import InputError


def save(path: Path, seed: int, shape: tuple[int, ...] = (6, 8, 3)) -> Path:
    """A picture of noise; of the same seed, the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(1, 256, shape, dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def root(tmp_path) -> Path:
    """Two classes without anything amiss; every image differs."""
    root = tmp_path / "parts"
    for i in range(3):
        save(root / f"bolt/train/good/{i}.png", i)
        save(root / f"washer/train/good/{i}.png", 10 + i, (6 + i, 9, 3))
    for i, name in enumerate(("good/0", "good/1", "dent/0", "rust/0", "rust/1")):
        save(root / f"bolt/test/{name}.png", 20 + i)
        save(root / f"washer/test/{name}.png", 30 + i)
        if "good" not in name:
            save(root / f"bolt/ground_truth/{name}_mask.png", i, (6, 8))
    return root


def kinds(report: dict) -> list[tuple[str, bool, int]]:
    return [(f["kind"], f["problem"], len(f["files"])) for f in report["findings"]]


def test_counts_and_sizes(root):
    report = inspect_folder(root, progress=False)
    assert report["layout"] == "MVTec AD" and report["usable"]
    assert report["findings"] == [] and report["published"] is None
    counts = {"train": 3, "test_good": 2, "test_defective": {"dent": 1, "rust": 2}}
    assert report["classes"] == {
        "bolt": counts | {"masks": 3, "width": [8, 8], "height": [6, 6]},
        "washer": counts | {"masks": 0, "width": [8, 9], "height": [6, 8]},
    }
    text = report_table(report)
    assert "3: dent 1, rust 2" in text and "8 to 9 x 6 to 8" in text and text.endswith("It can be used.")


def test_images_that_cannot_be_read(root):
    for name in ("bolt/train/good/1", "washer/test/rust/0"):
        (root / f"{name}.png").write_bytes(b"no image")
    report = inspect_folder(root, progress=False)
    assert kinds(report) == [("image", True, 2)] and not report["usable"]
    assert report["classes"]["bolt"]["train"] == 3  # as listed
    assert "Problem: Images that cannot be read: 2;" in report_table(report) and "good/1.png" in report_table(report)


def test_masks(root):
    truth = root / "bolt/ground_truth"
    save(truth / "rust/0_mask.png", 0, (8, 6))
    (truth / "rust/1_mask.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(truth / "dent/0_mask.png")
    report = inspect_folder(root, progress=False)
    assert kinds(report) == [("mask", True, 2), ("black mask", False, 1)]
    (truth / "rust/1_mask.png").unlink()
    report = inspect_folder(root, progress=False)  # the class cannot be listed at all
    assert kinds(report) == [("class", True, 0)] and list(report["classes"]) == ["washer"]
    assert "rust/1.png' has no mask" in report["findings"][0]["sentence"]


def test_duplicates(root):
    twin = (root / "bolt/train/good/0.png").read_bytes()
    for name in ("bolt/train/good/7", "washer/train/good/8", "bolt/test/good/9", "bolt/test/good/10"):
        (root / f"{name}.png").write_bytes(twin)
    save(root / "washer/test/good/1.png", 33)  # twice in test only: no harm to anyone
    report = inspect_folder(root, progress=False)
    assert kinds(report) == [("train and test", False, 2), ("twice in train", False, 2)] and report["usable"]
    files = {Path(file).name for finding in report["findings"] for file in finding["files"]}
    assert files == {"7.png", "8.png", "9.png", "10.png"}
    assert "will look too good" in report_table(report)


def test_many_files_are_named_in_the_json_only(root):
    for i in range(40, 48):
        (root / f"bolt/train/good/{i}.png").write_bytes(b"no image")
    text = report_table(inspect_folder(root, progress=False))
    assert "good/44.png" in text and "good/45.png" not in text and "and 3 more" in text


def test_nothing_to_judge(root):
    for path in (root / "bolt/test/good").iterdir():
        path.unlink()
    (finding,) = inspect_folder(root, progress=False)["findings"]
    assert finding["kind"] == "test" and "defective test images: bolt;" in finding["sentence"]


def make_mvtec(root: Path, names: list[str], per_class: int) -> None:
    for name in names:
        for i in range(per_class):
            save(root / name / f"train/good/{i}.png", 10 * NAMES["MVTec AD"].index(name) + i, (4, 4, 3))


def test_published_counts(tmp_path, monkeypatch):
    names = NAMES["MVTec AD"].split()
    make_mvtec(tmp_path, names[:7], 2)  # less than half of the classes: could be anyone's
    assert inspect_folder(tmp_path, progress=False)["published"] is None
    make_mvtec(tmp_path, names[7:14], 2)
    report = inspect_folder(tmp_path, progress=False)
    assert report["published"]["found"] == {"classes": 14, "train": 28, "test good": 0, "test defective": 0}
    assert report["usable"] and [f["kind"] for f in report["findings"]] == ["test", "published"]
    assert "train 3,629" in report["findings"][1]["sentence"]
    monkeypatch.setitem(PUBLISHED, "MVTec AD", report["published"]["found"])
    report = inspect_folder(tmp_path, progress=False)
    assert [f["kind"] for f in report["findings"]] == ["test"] and "Complete: the counts" in report_table(report)


def test_published_numbers_are_those_of_notebook_13():
    text = (Path(__file__).parents[2] / "notebooks/13_reproduce_the_paper.ipynb").read_text()
    for name, counts in PUBLISHED.items():
        tested = counts["test good"] + counts["test defective"]
        said = (
            f'\\"classes\\": {counts["classes"]}, \\"training images\\": {counts["train"]}, \\"test images\\": {tested}'
        )
        assert f'\\"{name}\\": {{{said}' in text
        assert len(NAMES[name].split()) == counts["classes"]


def test_a_mask_that_visas_table_does_not_name(tmp_path):
    rows = ["object,split,label,image,mask"]
    for i, (split, label) in enumerate([("train", "normal"), ("test", "normal"), ("test", "anomaly")] * 2):
        image = save(tmp_path / f"nut/Data/Images/{i}.JPG", i)
        mask = save(tmp_path / "nut/Data/Masks/2.png", 2, (6, 8)) if i == 2 else None
        rows.append(f"nut,{split},{label},{image.relative_to(tmp_path)},{mask.relative_to(tmp_path) if mask else ''}")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(rows))
    report = inspect_folder(tmp_path, progress=False)
    assert report["layout"] == "VisA" and kinds(report) == [("no mask", True, 1)]
    assert report["classes"]["nut"]["masks"] == 1


def test_from_the_command_line(root, capsys):
    assert cli.main(["data", "check", str(root)]) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{root}: layout of MVTec AD") and "checking" in printed.err
    (root / "bolt/train/good/1.png").write_bytes(b"no image")
    assert cli.main(["data", "check", str(root), "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out)["usable"] is False and "cannot be used yet" in printed.err
    assert cli.main(["data", "check", str(root / "nowhere")]) == 2
    printed = capsys.readouterr()
    assert printed.out == "" and "not a folder" in printed.err


def test_a_folder_without_a_layout(tmp_path):
    save(tmp_path / "1.png", 0)
    with pytest.raises(InputError, match="No class found"):
        inspect_folder(tmp_path)
