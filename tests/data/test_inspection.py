"""Small trees with one thing amiss each, counted by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib import cli
from hvqlib.data.dataset import load_dataset
from hvqlib.data.inspection import inspect_folder, report_table
from hvqlib.data.published import NAMES, PUBLISHED
from hvqlib.errors import InputError


def save(path: Path, seed: int, shape: tuple[int, ...] = (6, 8, 3)) -> Path:
    """A picture of noise; of the same seed, the same bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.random.default_rng(seed).integers(1, 256, shape, dtype=np.uint8)).save(path)
    return path


def mark(path: Path, share: float = 0.5, shape: tuple[int, int] = (6, 8)) -> Path:
    """A mask of white above black."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros(shape, np.uint8)
    pixels[: round(share * shape[0])] = 255
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def root(tmp_path) -> Path:
    """Two classes without anything amiss; every image differs."""
    root = tmp_path / "parts"
    for i in range(5):
        save(root / f"bolt/train/good/{i}.png", i)
        save(root / f"washer/train/good/{i}.png", 10 + i, (6 + i % 3, 9, 3))
    for i, name in enumerate(("good/0", "good/1", "dent/0", "rust/0", "rust/1")):
        save(root / f"bolt/test/{name}.png", 20 + i)
        save(root / f"washer/test/{name}.png", 30 + i)
        if "good" not in name:
            mark(root / f"bolt/ground_truth/{name}_mask.png")
    return root


def inspect(root: Path) -> dict:
    """What is found but that a handful of images promise no false-alarm rate, which goes for every tree here."""
    report = inspect_folder(root, progress=False)
    report["findings"] = [finding for finding in report["findings"] if finding["kind"] != "few"]
    return report


def kinds(report: dict) -> list[tuple[str, bool, int]]:
    return [(f["kind"], f["problem"], len(f["files"])) for f in report["findings"]]


def test_counts_and_sizes(root):
    report = inspect(root)
    assert report["layout"] == "MVTec AD" and report["usable"]
    assert report["findings"] == [] and report["published"] is None
    counts = {"train": 5, "test_good": 2, "test_defective": {"dent": 1, "rust": 2}}
    assert report["classes"] == {
        "bolt": counts | {"masks": 3, "width": [8, 8], "height": [6, 6]},
        "washer": counts | {"masks": 0, "width": [8, 9], "height": [6, 8]},
    }
    text = report_table(report)
    assert "3: dent 1, rust 2" in text and "8 to 9 x 6 to 8" in text and text.endswith("It can be used.")


def test_images_that_cannot_be_read(root):
    for name in ("bolt/train/good/1", "washer/test/rust/0"):
        (root / f"{name}.png").write_bytes(b"no image")
    report = inspect(root)
    assert kinds(report) == [("image", True, 2)] and not report["usable"]
    assert report["classes"]["bolt"]["train"] == 5  # as listed
    assert "Problem: Images that cannot be read: 2;" in report_table(report) and "good/1.png" in report_table(report)


def test_masks(root):
    truth = root / "bolt/ground_truth"
    mark(truth / "rust/0_mask.png", shape=(8, 6))
    (truth / "rust/1_mask.png").write_bytes(b"no image")
    Image.fromarray(np.zeros((6, 8), np.uint8)).save(truth / "dent/0_mask.png")
    report = inspect(root)
    assert kinds(report) == [("mask", True, 2), ("black mask", False, 1)]


def test_every_fault_of_masks_in_one_pass(root):
    truth = root / "bolt/ground_truth"
    for path in (truth / "rust").iterdir():
        path.unlink()
    mark(truth / "dent/7_mask.png")
    mark(truth / "dent/8_mask.png")
    mark(truth / "dent/0.png")
    (root / "bolt/train/good/1.png").write_bytes(b"no image")
    report = inspect(root)
    found = [("image", True, 1), ("no mask", True, 2), ("stray mask", True, 2), ("second mask", True, 1)]
    assert kinds(report) == found and list(report["classes"]) == ["bolt", "washer"]
    sentences = {one["kind"]: one["sentence"] for one in report["findings"]}
    assert "rust/0.png' has no mask" in sentences["no mask"]
    assert "7_mask.png' has no image of that name" in sentences["stray mask"]
    assert "has two masks" in sentences["second mask"]
    with pytest.raises(InputError, match=r"4 more faults of masks: hvq data check names them"):
        load_dataset(root)


def test_duplicates(root):
    twin = (root / "bolt/train/good/0.png").read_bytes()
    for name in ("bolt/train/good/7", "washer/train/good/8", "bolt/test/good/9", "bolt/test/good/10"):
        (root / f"{name}.png").write_bytes(twin)
    save(root / "washer/test/good/1.png", 33)  # twice in test only: no harm to anyone
    report = inspect(root)
    assert kinds(report) == [("train and test", False, 2), ("twice in train", False, 2)] and report["usable"]
    files = {Path(file).name for finding in report["findings"] for file in finding["files"]}
    assert files == {"7.png", "8.png", "9.png", "10.png"}
    assert "will look too good" in report_table(report)


def test_many_files_are_named_in_the_json_only(root):
    for i in range(40, 48):
        (root / f"bolt/train/good/{i}.png").write_bytes(b"no image")
    text = report_table(inspect(root))
    assert "good/44.png" in text and "good/45.png" not in text and "and 3 more" in text


def test_nothing_to_judge(root):
    for path in (root / "bolt/test/good").iterdir():
        path.unlink()
    (finding,) = inspect(root)["findings"]
    assert finding["kind"] == "test" and "defective test images: bolt;" in finding["sentence"]


def make_mvtec(root: Path, names: list[str], per_class: int) -> None:
    for name in names:
        for i in range(per_class):
            save(root / name / f"train/good/{i}.png", 10 * NAMES["MVTec AD"].index(name) + i, (4, 4, 3))


def test_published_counts(tmp_path, monkeypatch):
    names = NAMES["MVTec AD"].split()
    make_mvtec(tmp_path, names[:7], 5)  # less than half of the classes: could be anyone's
    assert inspect(tmp_path)["published"] is None
    make_mvtec(tmp_path, names[7:14], 5)
    report = inspect(tmp_path)
    assert report["published"]["found"] == {"classes": 14, "train": 70, "test good": 0, "test defective": 0}
    assert report["usable"] and [f["kind"] for f in report["findings"]] == ["test", "published"]
    assert "train 3,629" in report["findings"][1]["sentence"]
    monkeypatch.setitem(PUBLISHED, "MVTec AD", report["published"]["found"])
    report = inspect(tmp_path)
    assert [f["kind"] for f in report["findings"]] == ["test"] and "Complete: the counts" in report_table(report)


def test_a_mask_that_visas_table_does_not_name(tmp_path):
    rows = ["object,split,label,image,mask"]
    for i, (split, label) in enumerate([("train", "normal"), ("test", "normal"), ("test", "anomaly")] * 5):
        image = save(tmp_path / f"nut/Data/Images/{i}.JPG", i)
        mask = mark(tmp_path / "nut/Data/Masks/2.png") if i == 2 else None
        rows.append(f"nut,{split},{label},{image.relative_to(tmp_path)},{mask.relative_to(tmp_path) if mask else ''}")
    (tmp_path / "split_csv").mkdir()
    (tmp_path / "split_csv/1cls.csv").write_text("\n".join(rows))
    report = inspect(tmp_path)
    assert report["layout"] == "VisA" and kinds(report) == [("no mask", True, 4)]
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


def sentence(report: dict, kind: str) -> str:
    return next(finding["sentence"] for finding in report["findings"] if finding["kind"] == kind)


def files(report: dict, kind: str) -> list[str]:
    return [Path(f).name for finding in report["findings"] if finding["kind"] == kind for f in finding["files"]]


def test_what_is_left_out_is_named_with_its_reason(root):
    save(root / "bolt/test/7.png", 50)
    save(root / "spare/1.png", 51)
    (root / "bolt/train/good/gone.png").symlink_to(root / "nowhere.png")
    (root / "washer/train/good/x.nef").write_bytes(b"x")
    mark(root / "washer/ground_truth/good/0.png")
    report = inspect(root)
    assert kinds(report) == [("left out", False, n) for n in (1, 2, 1, 1)] and report["usable"]
    said = [finding["sentence"] for finding in report["findings"]]
    assert sorted(files(report, "left out")) == ["7.png", "gone.png", "ground_truth", "spare", "x.nef"]
    for words in ("raw format", "where none is read", "file is not there", "masks that no"):
        assert sum(words in one for one in said) == 1
    for path in (root / "bolt/train/good").iterdir():  # a class that cannot be read is not left out: it is amiss
        path.unlink()
    assert kinds(inspect(root))[0][0] == "class" and "7.png" not in files(inspect(root), "left out")


def test_folders_read_as_good_under_another_name(root):
    (root / "bolt/test/good").rename(root / "bolt/test/Normal")
    report = inspect(root)
    assert report["classes"]["bolt"]["test_good"] == 2 and kinds(report) == [("good", False, 1)]
    assert files(report, "good") == ["Normal"]


def test_classes_called_good_and_ok_are_not_remarked(tmp_path):
    for i, name in enumerate(("good", "ok") * 5):
        save(tmp_path / f"{name}/train/good/{i}.png", i)
    assert [kind for kind, *_ in kinds(inspect(tmp_path))] == ["test"]


def test_kinds_of_masks(root):
    truth = root / "bolt/ground_truth"
    mark(truth / "dent/0_mask.png", 0.95, (600, 8))
    save(root / "bolt/test/dent/0.png", 60, (600, 8, 3))
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5).save(truth / "rust/0_mask.png")
    Image.fromarray(np.eye(6, 8, dtype=np.uint8) + 1).save(truth / "rust/1_mask.png")
    report = inspect(root)
    found = [("grey mask", False, 1), ("label mask", False, 1), ("full mask", False, 1), ("squeezed", False, 1)]
    assert kinds(report) == found and report["usable"]
    assert "swapped" in sentence(report, "full mask") and "above the middle" in sentence(report, "grey mask")


def test_thin_masks_are_counted(root):
    for i, width in enumerate((1, 2, 3)):  # of 2000 pixels, of which a pixel of the map covers 9
        pixels = np.zeros((2000, 2000), np.uint8)
        pixels[500 : 500 + 3 * width, 100:1900] = 255
        save(root / f"bolt/test/dent/{10 + i}.png", 70 + i, pixels.shape)
        Image.fromarray(pixels).save(root / f"bolt/ground_truth/dent/{10 + i}_mask.png")
    report = inspect(root)
    assert files(report, "thin mask") == ["10_mask.png"] and "224 x 224: 1;" in sentence(report, "thin mask")


def test_images_called_like_a_mask_of_another(root):
    save(root / "bolt/test/rust/0_mask.png", 80)
    mark(root / "bolt/ground_truth/rust/0_mask_mask.png")
    assert files(inspect(root), "called a mask") == ["0_mask.png"]


def test_pages_and_wide_images(root):
    several = [Image.fromarray(np.full((6, 8), value, np.uint8)) for value in (1, 2)]
    several[0].save(root / "bolt/train/good/7.tif", save_all=True, append_images=several[1:])
    save(root / "bolt/train/good/8.png", 81, (10, 15, 3))  # 1.5 exactly
    save(root / "bolt/train/good/9.png", 82, (10, 16, 3))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.full((6, 8, 3), 9, np.uint8)).save(root / "washer/train/good/7.jpg", exif=exif)
    report = inspect(root)
    assert files(report, "pages") == ["7.tif"] and files(report, "squeezed") == ["9.png"]
    assert "squeezed to a square of 224 x 224 pixels" in sentence(report, "squeezed")
    assert report["classes"]["washer"]["width"] == [6, 9]  # as it is looked at, not as the sensor lay


def deepen(root: Path, scale: float, kind: type) -> None:
    for path in sorted(root.glob("bolt/t*/*/*.png")):
        grey = np.asarray(Image.open(path).convert("L")).astype(float)
        Image.fromarray((grey * scale).astype(kind)).save(path.with_suffix(".tif"))
        path.unlink()


def test_full_brightness_is_said_where_a_part_of_the_range_is_used(root):
    deepen(root, 16, np.uint16)
    report = inspect(root)
    assert kinds(report) == [("white", False, 0)] and "4095 is taken" in sentence(report, "white")
    for name, value in (("dark", 255), ("bright", 5000)):
        Image.fromarray(np.full((6, 8), value, np.uint16)).save(root / f"bolt/test/good/{name}.tif")
    assert files(inspect(root), "dark") == ["dark.tif"] and files(inspect(root), "bright") == ["bright.tif"]
    Image.fromarray(np.full((6, 8), 0.5, np.float32)).save(root / "bolt/train/good/share.tif")
    report = inspect(root)
    assert not report["usable"] and "share.tif' has floating-point" in sentence(report, "white")


@pytest.mark.parametrize(("scale", "kind"), [(257, np.uint16), (1 / 255, np.float32)])
def test_nothing_is_said_where_the_whole_range_is_used(root, scale, kind):
    deepen(root, scale, kind)
    assert inspect(root)["findings"] == []


def test_why_the_first_image_cannot_be_read_is_said(root):
    Image.fromarray(np.full((6, 8), -5, np.int32)).save(root / "bolt/train/good/cold.tif")
    report = inspect(root)
    assert kinds(report) == [("image", True, 1)] and "cold.tif' has pixels below 0" in sentence(report, "image")
    Image.fromarray(np.full((6, 8), 70000, np.int32)).save(root / "bolt/train/good/cold.tif")
    assert "over 16 bits" in sentence(inspect(root), "white")
    (root / "bolt/train/good/cold.tif").rename(root / "bolt/test/good/cold.tif")
    assert "over 16 bits" in sentence(inspect(root), "image") and not inspect(root)["usable"]


def test_how_many_images_a_rate_needs(root):
    (few,) = inspect_folder(root, progress=False)["findings"]
    assert few["kind"] == "few" and "10 normal training images can promise no" in few["sentence"]
    assert "rate below 55 %: 5 % needs 153 of each of the 2 classes" in few["sentence"]


def test_tiles_are_suggested_where_defects_are_small(tmp_path):
    """A third of the images have a defect of 40 x 40 pixels, two thirds one of 30 x 30: a tile is 14 x 30 wide."""
    shapes = {"sheet": (900, 2000), "strip": (460, 1130), "chip": (200, 200), "large": (900, 2000), "tape": (300, 1200)}
    for name, shape in shapes.items():
        for i in range(3):
            save(tmp_path / f"{name}/train/good/{i}.png", i, (*shape, 3))
            save(tmp_path / f"{name}/test/dot/{i}.png", 10 + i, (*shape, 3))
            mask, side = np.zeros(shape, np.uint8), {"large": 150}.get(name, 30 if i else 40)
            mask[50 : 50 + side, 20 : 20 + side] = 255
            (tmp_path / name / "ground_truth/dot").mkdir(parents=True, exist_ok=True)
            Image.fromarray(mask).save(tmp_path / f"{name}/ground_truth/dot/{i}_mask.png")
    small = [f["sentence"] for f in inspect(tmp_path)["findings"] if f["kind"] == "small"]
    assert [told.split(":")[0].split()[-1] for told in small] == ["sheet", "strip", "tape"]
    assert "at most 30 pixels across, where a place of the anomaly map shows 143 x 64 pixels" in small[0]
    assert "--tiles 420 cuts an image into 3 x 7 squares; judging then takes several times as long" in small[0]
    assert "--tiles 420 cuts an image into 2 x 4 squares; judging then takes several times as long" in small[1]
    assert "--tiles cuts an image into 1 x 5 squares; judging then takes several times as long" in small[2]


def test_classes_saved_in_two_ways_are_named(tmp_path):
    for i, name in enumerate(("png/train/good/0.png", "png/test/good/1.png", "jpeg/train/good/0.jpg",
                              "mixed/train/good/0.png", "mixed/test/bent/1.JPG")):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (30, 30), (40 * i, 0, 0)).save(tmp_path / name)
    (told,) = [
        one["sentence"] for one in inspect_folder(tmp_path, progress=False)["findings"] if one["kind"] == "saved"
    ]
    assert told.startswith("Classes saved partly as JPEG and partly without loss: mixed;")


def test_classes_of_too_few_images_cannot_be_used(root):
    for path in sorted((root / "bolt/train/good").iterdir())[4:]:
        path.unlink()
    report = inspect(root)
    assert kinds(report) == [("too few", True, 0)] and not report["usable"]
    assert "training images: bolt; training would stop there" in report["findings"][0]["sentence"]
