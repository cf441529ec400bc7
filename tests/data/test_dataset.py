from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image, read_mask
from hvqlib.errors import InputError


def save(path: Path, pixels: np.ndarray | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((6, 8, 3), 100, np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).save(path, **options)
    return path


def make_class(root: Path, name: str, masks: bool = True) -> Path:
    folder = root / name
    for i in (1, 0):
        save(folder / f"train/good/{i:03}.png")
    save(folder / "test/good/000.png")
    for defect in ("scratch", "dent"):
        for i in (1, 0):
            save(folder / f"test/{defect}/{i:03}.png")
            if masks:
                mask = np.zeros((6, 8), np.uint8)
                mask[0, i] = 255
                save(folder / f"ground_truth/{defect}/{i:03}_mask.png", mask)
    return folder


def test_layout_becomes_samples_in_order(tmp_path):
    make_class(tmp_path, "washer")
    make_class(tmp_path, "bolt", masks=False)
    data = load_dataset(tmp_path)
    assert data.root == tmp_path and data.classes == ("bolt", "washer")
    assert [(s.class_name, s.class_id, s.path.name) for s in data.train] == [
        ("bolt", 0, "000.png"),
        ("bolt", 0, "001.png"),
        ("washer", 1, "000.png"),
        ("washer", 1, "001.png"),
    ]
    assert {(s.label, s.defect, s.mask) for s in data.train} == {(0, "good", None)}
    washers = [s for s in data.test if s.class_name == "washer"]
    assert [(s.defect, s.path.name, s.label) for s in washers] == [
        ("dent", "000.png", 1),
        ("dent", "001.png", 1),
        ("good", "000.png", 0),
        ("scratch", "000.png", 1),
        ("scratch", "001.png", 1),
    ]
    assert washers[1].mask == tmp_path / "washer/ground_truth/dent/001_mask.png"
    assert washers[2].mask is None
    assert data.has_masks("washer") and not data.has_masks("bolt")
    assert all(s.mask is None for s in data.test if s.class_name == "bolt")
    assert load_dataset(tmp_path) == data


def make_visa(root: Path) -> Path:
    """Two classes as VisA's archive has them; the table is not in order, as VisA's is not."""
    lines = ["object,split,label,image,mask"]
    for name in ("pcb1", "candle"):
        for i, split in ((1, "train"), (2, "test"), (0, "train")):
            image = save(root / f"{name}/Data/Images/Normal/{i:04}.JPG")
            lines.append(f"{name},{split},normal,{image.relative_to(root).as_posix()},")
        save(root / f"{name}/Data/Images/Normal/0009.JPG")  # in no split: not used
        image = save(root / f"{name}/Data/Images/Anomaly/000.JPG")
        mask = save(root / f"{name}/Data/Masks/Anomaly/000.png", np.eye(6, 8, dtype=np.uint8) * 3)
        lines.append(f"{name},test,anomaly,{image.relative_to(root).as_posix()},{mask.relative_to(root).as_posix()}")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join(lines) + "\n")
    return root / "split_csv/1cls.csv"


def test_visa_is_read_as_its_archive_unpacks(tmp_path):
    make_visa(tmp_path)
    data = load_dataset(tmp_path)
    assert data.classes == ("candle", "pcb1")
    found = [(s.class_name, s.class_id, s.path.name, s.label, s.defect) for s in (*data.train, *data.test)]
    assert found == [
        *(("candle", 0, name, 0, "good") for name in ("0000.JPG", "0001.JPG")),
        *(("pcb1", 1, name, 0, "good") for name in ("0000.JPG", "0001.JPG")),
        ("candle", 0, "000.JPG", 1, "anomaly"),
        ("candle", 0, "0002.JPG", 0, "good"),
        ("pcb1", 1, "000.JPG", 1, "anomaly"),
        ("pcb1", 1, "0002.JPG", 0, "good"),
    ]
    assert data.has_masks("candle") and data.test[0].mask == tmp_path / "candle/Data/Masks/Anomaly/000.png"
    assert read_mask(data.test[0], 12).sum() == 12 * 12 // 8  # its values are numbers of kinds, not 255
    assert not read_mask(data.test[1], 12).any()
    assert [s.class_id for s in load_dataset(tmp_path, ["pcb1", "candle"]).train] == [0, 0, 1, 1]


def test_a_table_of_visa_that_cannot_be_used(tmp_path):
    table = make_visa(tmp_path)
    text = table.read_text()
    for spoilt, words in [
        (text.replace("label", "kind", 1), "lacks label"),
        (text.replace("Normal/0002", "Normal/0005"), "0005.JPG', which is not there"),
        (text.replace("pcb1,test,anomaly", "pcb1,train,anomaly"), "trains on the defective 'pcb1"),
        (text.replace("pcb1,train", "pcb1,test"), "no training images of 'pcb1'"),
        (text.splitlines()[0] + "\n", "No class found"),
    ]:
        table.write_text(spoilt)
        with pytest.raises(InputError, match=words):
            load_dataset(tmp_path)


def test_classes_asked_for_set_the_ids(tmp_path):
    for name in "abc":
        make_class(tmp_path, name)
    data = load_dataset(tmp_path, classes=["c", "a"])
    assert data.classes == ("c", "a")
    assert {(s.class_name, s.class_id) for s in data.train + data.test} == {("c", 0), ("a", 1)}
    assert load_dataset(tmp_path, "b").classes == ("b",)
    with pytest.raises(InputError, match="No class 'd'.*a, b, c"):
        load_dataset(tmp_path, classes=["a", "d"])
    with pytest.raises(InputError, match="different names"):
        load_dataset(tmp_path, classes=["a", "a"])


def test_one_class_folder_is_a_data_set(tmp_path):
    folder = make_class(tmp_path, "washer")
    data = load_dataset(str(folder))
    assert data.classes == ("washer",) and len(data.train) == 2 and len(data.test) == 5


def test_what_is_ignored(tmp_path):
    folder = make_class(tmp_path, "washer")
    expected = load_dataset(tmp_path)
    save(tmp_path / "pictures/a.png")
    save(tmp_path / ".hidden/train/good/a.png")
    save(folder / "train/good/.a.png")
    save(folder / "test/.cache/a.png")
    save(folder / "ground_truth/good/000_mask.png")
    (folder / "train/good/notes.txt").write_text("no image")
    (tmp_path / "readme.md").write_text("no class")
    data = load_dataset(tmp_path)
    assert (data.train, data.test) == (expected.train, expected.test)
    assert data.left_out == (tmp_path / "pictures", folder / "ground_truth/good") and expected.left_out == ()


def test_what_is_left_out_is_told(tmp_path):
    folder = make_class(tmp_path, "washer")
    make_class(tmp_path, "bolt")
    assert load_dataset(tmp_path).told_left_out() == ""
    for i in range(7):
        save(folder / f"test/{i}.png")
    save(tmp_path / "bolt/train/spare/0.png")
    told = load_dataset(tmp_path).told_left_out()
    assert "8: '" in told and "train/spare'" in told and "test/3.png'" in told and "test/4.png'" not in told
    assert "and 3 more" in told
    assert load_dataset(tmp_path, "bolt").left_out == (tmp_path / "bolt/train/spare",)  # only what was asked for


def test_train_only(tmp_path):
    save(tmp_path / "a/train/good/0.png")
    data = load_dataset(tmp_path)
    assert len(data.train) == 1 and data.test == () and not data.has_masks("a")


@pytest.mark.parametrize("ending", ["png", "JPG", "jpeg", "bmp", "tif", "TIFF", "webp"])
def test_endings(tmp_path, ending):
    path = save(tmp_path / f"a/train/good/0.{ending}")
    assert [s.path for s in load_dataset(tmp_path).train] == [path]
    assert read_image(path).shape == (6, 8, 3)


@pytest.mark.parametrize("mask_name", ["x_mask.png", "x.png", "x.bmp", "x_mask.TIF"])
def test_names_of_masks(tmp_path, mask_name):
    save(tmp_path / "a/train/good/0.png")
    save(tmp_path / "a/test/dent/x.jpg")
    mask = save(tmp_path / "a/ground_truth/dent" / mask_name, np.zeros((6, 8), np.uint8))
    assert [s.mask for s in load_dataset(tmp_path).test] == [mask]


def test_folder_missing_or_empty(tmp_path):
    with pytest.raises(InputError, match="not a folder"):
        load_dataset(tmp_path / "nowhere")
    with pytest.raises(InputError, match="No class found"):
        load_dataset(tmp_path)
    save(tmp_path / "a.png")
    (tmp_path / "pictures").mkdir()
    with pytest.raises(InputError, match="No class found"):
        load_dataset(tmp_path)


def test_class_without_training_images(tmp_path):
    save(tmp_path / "a/test/good/0.png")
    with pytest.raises(InputError, match="Class 'a' has no images in .*good"):
        load_dataset(tmp_path)
    (tmp_path / "a/train/good").mkdir(parents=True)
    with pytest.raises(InputError, match="Class 'a' has no images in .*good"):
        load_dataset(tmp_path)
    make_class(tmp_path, "b")
    assert load_dataset(tmp_path, ["b"]).classes == ("b",)  # a class not asked for may be broken


def test_masks_and_images_that_do_not_match(tmp_path):
    folder = make_class(tmp_path, "a")
    twin = save(folder / "ground_truth/dent/000.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(InputError, match="two masks"):
        load_dataset(tmp_path)
    twin.unlink()
    extra = save(folder / "ground_truth/dent/007_mask.png", np.zeros((6, 8), np.uint8))
    with pytest.raises(InputError, match="mask .*007_mask.png' has no image"):
        load_dataset(tmp_path)
    extra.unlink()
    save(folder / "ground_truth/rust/000_mask.png", np.zeros((6, 8), np.uint8)).unlink()
    load_dataset(tmp_path)  # an empty folder of masks is no harm
    (folder / "ground_truth/dent/001_mask.png").unlink()
    with pytest.raises(InputError, match=r"image .*001.png' has no mask"):
        load_dataset(tmp_path)
