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
    assert load_dataset(tmp_path) == expected


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


def test_read_mask(tmp_path):
    make_class(tmp_path, "a")
    samples = {(s.defect, s.path.stem): s for s in load_dataset(tmp_path).test}
    mask = read_mask(samples["dent", "001"], 8)
    assert mask.dtype == bool and mask.shape == (8, 8)
    assert mask[0].tolist() == [False, True] + [False] * 6
    good = read_mask(samples["good", "000"], 5)
    assert good.shape == (5, 5) and not good.any()


def test_every_value_but_zero_is_defect(tmp_path):
    save(tmp_path / "a/train/good/0.png")
    kinds = {
        "grey": np.array([[0, 1], [255, 0]], np.uint8),
        "deep": np.array([[0, 1], [65535, 0]], np.uint16),
        "bits": np.array([[False, True], [True, False]]),
        "rgb": np.array([[[0, 0, 0], [0, 0, 1]], [[9, 0, 0], [0, 0, 0]]], np.uint8),
        "rgba": np.array([[[9, 9, 9, 0], [255, 0, 0, 255]], [[9, 9, 9, 255], [0, 0, 0, 255]]], np.uint8),
    }
    for name, pixels in kinds.items():
        save(tmp_path / f"a/test/{name}/0.png", np.zeros((2, 2, 3), np.uint8))
        save(tmp_path / f"a/ground_truth/{name}/0_mask.png", pixels)
    for sample in load_dataset(tmp_path).test:
        expected = np.kron([[0, 1], [1, 0]], np.ones((3, 3)))  # nearest: blocks, no grey rims
        assert np.array_equal(read_mask(sample, 6), expected), sample.defect


def test_mask_of_another_size(tmp_path):
    folder = make_class(tmp_path, "a")
    save(folder / "ground_truth/dent/000_mask.png", np.zeros((8, 6), np.uint8))
    with pytest.raises(InputError, match="000_mask.png' is 6 x 8 .*000.png' is 8 x 6"):
        read_mask(load_dataset(tmp_path).test[0], 4)


def test_defective_image_without_mask_has_none_to_read(tmp_path):
    make_class(tmp_path, "a", masks=False)
    with pytest.raises(InputError, match="has no mask"):
        read_mask(load_dataset(tmp_path).test[0], 4)


def test_kinds_of_pixels(tmp_path):
    ramp = np.array([[0, 257, 128 * 257, 65535]], np.uint16)
    deep = read_image(save(tmp_path / "deep.png", ramp))
    assert deep.dtype == np.uint8 and deep.shape == (1, 4, 3)
    assert deep[0, :, 0].tolist() == [0, 1, 128, 255]
    assert np.array_equal(read_image(save(tmp_path / "deep.tif", ramp)), deep)
    grey = np.array([[0, 7, 255]], np.uint8)
    assert read_image(save(tmp_path / "grey.png", grey))[0, 1].tolist() == [7, 7, 7]
    bits = read_image(save(tmp_path / "bits.png", np.array([[True, False]])))
    assert bits[0].tolist() == [[255] * 3, [0] * 3]
    colours = np.array([[[255, 0, 0], [0, 128, 255]]], np.uint8)
    Image.fromarray(colours).quantize(4).save(tmp_path / "palette.png")
    assert np.array_equal(read_image(tmp_path / "palette.png"), colours)
    Image.fromarray(colours).convert("CMYK").save(tmp_path / "cmyk.tif")
    assert np.array_equal(read_image(tmp_path / "cmyk.tif"), colours)


def test_transparency_lies_on_white(tmp_path):
    pixels = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    image = read_image(save(tmp_path / "a.png", pixels))
    assert image[0].tolist() == [[255, 0, 0], [255, 255, 255], [204, 204, 204]]
    grey = Image.fromarray(np.zeros((1, 2), np.uint8)).convert("LA")
    grey.putpixel((1, 0), (0, 0))
    grey.save(tmp_path / "b.png")
    assert read_image(tmp_path / "b.png")[0].tolist() == [[0] * 3, [255] * 3]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.save(tmp_path / "c.png", transparency=1)
    assert read_image(tmp_path / "c.png")[0, 1].tolist() == [255] * 3


def test_orientation_tag_is_applied(tmp_path):
    pixels = np.zeros((2, 4, 3), np.uint8)
    pixels[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was held on its side: turn clockwise
    image = read_image(save(tmp_path / "a.png", pixels, exif=exif))
    assert np.array_equal(image, np.rot90(pixels, -1))


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # what PIL says before it gives up
@pytest.mark.parametrize("ending", ["png", "jpg", "bmp", "tif", "webp"])
def test_file_cut_short(tmp_path, ending):
    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"cut.{ending}", pixels)
    content = path.read_bytes()
    for length in (len(content) // 2, 10, 0):
        path.write_bytes(content[:length])
        with pytest.raises(InputError, match=rf"cut\.{ending}' cannot be read"):
            read_image(path)


def test_files_that_are_no_images(tmp_path):
    (tmp_path / "a.png").write_text("not an image")
    with pytest.raises(InputError, match=r"a\.png' cannot be read"):
        read_image(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"b\.png' cannot be read"):
        read_image(tmp_path / "b.png")
    with pytest.raises(InputError, match="cannot be read"):
        read_image(tmp_path)


def test_pixels_of_more_than_16_bits(tmp_path):
    for name, kind in (("i", np.int32), ("f", np.float32)):
        path = save(tmp_path / f"{name}.tif", np.full((2, 2), 70000, kind))
        with pytest.raises(InputError, match="save it with 8 or 16"):
            read_image(path)


def test_decompression_bomb(tmp_path, monkeypatch):
    path = save(tmp_path / "bomb.png", np.zeros((40, 40), np.uint8))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(InputError, match=r"bomb\.png' is unsafely large"):
        read_image(path)
