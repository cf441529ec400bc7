"""Every layout as small trees on disk; what is found is compared with lists written out here."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_mask
from hvqlib.data.layouts import recognise
from hvqlib.errors import InputError


def save(path: Path, pixels: np.ndarray | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((4, 4, 3), 100, np.uint8) if pixels is None else pixels).save(path)
    return path


def mark(path: Path, *places: tuple[int, int], value: int = 255, shape: tuple[int, int] = (4, 4)) -> Path:
    mask = np.zeros(shape, np.uint8)
    for place in places:
        mask[place] = value
    return save(path, mask)


def found(root: Path) -> list[tuple[str, str, int, str]]:
    """(class, path below the root, label, defect): training samples, then test samples."""
    data = load_dataset(root)
    samples = (*data.train, *data.test)
    return [(s.class_name, s.path.relative_to(root).as_posix(), s.label, s.defect) for s in samples]


def name_of(root: Path) -> str:
    return recognise(root)[0]


def make_loco(root: Path) -> None:
    for part in ("train", "validation", "test"):
        save(root / f"juice/{part}/good/000.png")
    for i in (0, 1):
        save(root / f"juice/test/logical_anomalies/{i:03}.png")
    mark(root / "juice/ground_truth/logical_anomalies/000/000.png", (0, 0), value=1)
    mark(root / "juice/ground_truth/logical_anomalies/000/001.png", (3, 1), (0, 0), value=254)
    mark(root / "juice/ground_truth/logical_anomalies/001/000.png", (2, 2))


def test_loco_has_validation_images_and_several_masks_an_image(tmp_path):
    make_loco(tmp_path)
    assert name_of(tmp_path) == "MVTec LOCO AD"
    assert found(tmp_path) == [
        ("juice", "juice/train/good/000.png", 0, "good"),
        ("juice", "juice/validation/good/000.png", 0, "good"),
        ("juice", "juice/test/good/000.png", 0, "good"),
        ("juice", "juice/test/logical_anomalies/000.png", 1, "logical_anomalies"),
        ("juice", "juice/test/logical_anomalies/001.png", 1, "logical_anomalies"),
    ]
    _, first, second = load_dataset(tmp_path).test
    assert first.mask == tmp_path / "juice/ground_truth/logical_anomalies/000"
    assert np.argwhere(read_mask(first, 4)).tolist() == [[0, 0], [3, 1]]
    assert np.argwhere(read_mask(second, 4)).tolist() == [[2, 2]]


def test_masks_of_loco_that_do_not_fit(tmp_path):
    make_loco(tmp_path)
    truth = tmp_path / "juice/ground_truth/logical_anomalies"
    odd = mark(truth / "000/002.png", shape=(4, 5))
    with pytest.raises(InputError, match="000.png' and .*002.png' of one image differ in size"):
        read_mask(load_dataset(tmp_path).test[1], 4)
    odd.unlink()
    for mask in (truth / "000").iterdir():
        mark(mask, shape=(4, 5))
    with pytest.raises(InputError, match="000' is 5 x 4 pixels but its image .* is 4 x 4"):
        read_mask(load_dataset(tmp_path).test[1], 4)
    twin = mark(truth / "000.png")
    with pytest.raises(InputError, match="two masks"):
        load_dataset(tmp_path)
    twin.unlink()
    for mask in (truth / "001").iterdir():
        mask.unlink()  # an empty folder is no mask
    with pytest.raises(InputError, match="001.png' has no mask"):
        load_dataset(tmp_path)
    mark(truth / "007/000.png")
    with pytest.raises(InputError, match="007/000.png' has no image"):
        load_dataset(tmp_path)


def test_btad_says_ok_and_ko(tmp_path):
    for part in ("train/ok", "test/ok", "test/ko"):
        save(tmp_path / f"01/{part}/0000.bmp")
    mark(tmp_path / "01/ground_truth/ko/0000.png", (1, 2))
    save(tmp_path / "02/train/ok/0000.png")
    assert name_of(tmp_path) == "BTAD"
    assert found(tmp_path) == [
        ("01", "01/train/ok/0000.bmp", 0, "good"),
        ("02", "02/train/ok/0000.png", 0, "good"),
        ("01", "01/test/ko/0000.bmp", 1, "ko"),
        ("01", "01/test/ok/0000.bmp", 0, "good"),
    ]
    defective, normal = load_dataset(tmp_path).test
    assert np.argwhere(read_mask(defective, 4)).tolist() == [[1, 2]] and normal.mask is None
    assert load_dataset(tmp_path / "01").classes == ("01",)


def test_one_folder_too_high(tmp_path):
    save(tmp_path / "BTech_Dataset_transformed/01/train/ok/0.png")
    with pytest.raises(InputError, match=r"Perhaps you mean '.*BTech_Dataset_transformed'\."):
        load_dataset(tmp_path)


def make_visa(root: Path) -> Path:
    lines = ["object,split,label,image,mask"]
    for name, kinds in (("candle", 2), ("pcb1", 1)):
        lines.append(f"{name},train,normal,{name}/Data/Images/Normal/0.JPG,")
        save(root / f"{name}/Data/Images/Normal/0.JPG")
        for i in range(kinds):
            image, mask = f"{name}/Data/Images/Anomaly/{i}.JPG", f"{name}/Data/Masks/Anomaly/{i}.png"
            save(root / image)
            mark(root / mask, (i, 0), value=i + 1)
            lines.append(f"{name},test,anomaly,{image},{mask}")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join(lines) + "\n")
    (root / "candle/image_anno.csv").write_text(
        "image,label,mask\n"
        "candle/Data/Images/Normal/0.JPG,normal,\n"
        "candle/Data/Images/Anomaly/0.JPG,bent,candle/Data/Masks/Anomaly/0.png\n"
        'candle/Data/Images/Anomaly/1.JPG," extra wax , melt,",candle/Data/Masks/Anomaly/1.png\n'
    )
    return root / "candle/image_anno.csv"


def test_visa_names_kinds_where_they_are_annotated(tmp_path):
    make_visa(tmp_path)
    assert name_of(tmp_path) == "VisA"
    assert found(tmp_path) == [
        ("candle", "candle/Data/Images/Normal/0.JPG", 0, "good"),
        ("pcb1", "pcb1/Data/Images/Normal/0.JPG", 0, "good"),
        ("candle", "candle/Data/Images/Anomaly/0.JPG", 1, "bent"),
        ("candle", "candle/Data/Images/Anomaly/1.JPG", 1, "extra wax,melt"),
        ("pcb1", "pcb1/Data/Images/Anomaly/0.JPG", 1, "anomaly"),
    ]
    masks = [np.argwhere(read_mask(s, 4)).tolist() for s in load_dataset(tmp_path).test]
    assert masks == [[[0, 0]], [[1, 0]], [[0, 0]]]  # values 1 and 2, both defect


def test_tables_of_visa_that_cannot_be_read(tmp_path):
    annotated = make_visa(tmp_path)
    for content, words in [
        (b"image,kind\n", "image_anno.csv' lacks label"),
        (b"image,label\ncandle/Data/Images/Anomaly/0.JPG\n", "row cut short"),
        (b"image,label\n\xff\xfe\xff,x\n", "cannot be read as a table"),
    ]:
        annotated.write_bytes(content)
        with pytest.raises(InputError, match=words):
            load_dataset(tmp_path)


@pytest.mark.parametrize(("good", "bad"), [("good", "bad"), ("normal", "defective"), ("ok", "ko"), ("ok", "anomaly")])
def test_every_fifth_good_image_is_kept_to_judge(tmp_path, good, bad):
    for i in range(11):
        save(tmp_path / f"nut/{good}/{i:02}.png")
    save(tmp_path / f"nut/{bad}/a.png")
    save(tmp_path / f"bolt/{good}/a.png")
    assert name_of(tmp_path) == "good and bad"
    rows = found(tmp_path)
    assert [row[1] for row in rows] == [
        f"bolt/{good}/a.png",
        *(f"nut/{good}/{i}.png" for i in ("00", "01", "02", "03", "05", "06", "07", "08", "10")),
        f"nut/{good}/04.png",
        f"nut/{good}/09.png",
        f"nut/{bad}/a.png",
    ]
    assert [row[2:] for row in rows] == [(0, "good")] * 12 + [(1, "bad")]
    data = load_dataset(tmp_path / "nut")
    assert data.classes == ("nut",) and (len(data.train), len(data.test)) == (9, 3) and not data.has_masks("nut")


def test_good_and_bad_that_are_not_clear(tmp_path):
    save(tmp_path / "nut/good/0.png")
    assert len(load_dataset(tmp_path).train) == 1
    save(tmp_path / "nut/rust/0.png")
    with pytest.raises(InputError, match="'.*rust', which is neither"):
        load_dataset(tmp_path)
    (tmp_path / "nut/rust/0.png").unlink()
    save(tmp_path / "nut/ok/0.png")
    with pytest.raises(InputError, match="both '.*good' and '.*ok'"):
        load_dataset(tmp_path)
    (tmp_path / "nut/ok/0.png").unlink()
    (tmp_path / "nut/ok").rmdir()
    save(tmp_path / "bolt/bad/0.png")
    with pytest.raises(InputError, match="'bolt' has no images in '.*good'"):
        load_dataset(tmp_path)
    assert load_dataset(tmp_path, "nut").classes == ("nut",)


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ("a/train/good/0 b/good/0", "mixes layouts: .*a' has that of MVTec AD, .*b' has that of good and bad"),
        ("a/train/good/0 a/good/0", "mixes layouts"),
        ("a/train/good/0 a/train/ok/0", "train/good' and '.*train/ok' mean the same"),
        ("a/train/good/0 a/test/Good/0 a/test/normal/0", "test/Good' and '.*test/normal' mean the same"),
        ("a/train/good/0 a/Train/good/0", "a/Train' and '.*a/train' mean the same"),
        ("a/Good/0 a/good/0", "both '.*Good' and '.*good'"),
        ("good/0 a/good/0", "is one class .* yet holds the class 'a'"),
        ("train/good/0 a/train/good/0", "is one class .* yet holds the class 'a'"),
    ],
)
def test_mixed_trees_are_refused(tmp_path, files, words):
    for file in files.split():
        save(tmp_path / f"{file}.png")
    with pytest.raises(InputError, match=words):
        load_dataset(tmp_path)


@pytest.mark.parametrize("good", ["good", "Good", "NORMAL", "ok"])
@pytest.mark.parametrize("part", ["test", "Test"])
def test_good_has_several_names_in_any_letters_case(tmp_path, good, part):
    save(tmp_path / "a/TRAIN/Normal/0.png")
    save(tmp_path / f"a/{part}/{good}/0.png")
    save(tmp_path / f"a/{part}/dent/0.png")
    mark(tmp_path / "a/Ground_Truth/Dent/0_mask.png", (0, 1))
    save(tmp_path / "b/train/good/0.png")
    rows = [(class_name, label, defect) for class_name, _, label, defect in found(tmp_path)]
    assert sorted(rows) == [("a", 0, "good"), ("a", 0, "good"), ("a", 1, "dent"), ("b", 0, "good")]
    (dent,) = (s for s in load_dataset(tmp_path).test if s.label)
    assert np.argwhere(read_mask(dent, 4)).tolist() == [[0, 1]]
    assert load_dataset(tmp_path / "a").classes == ("a",)


def test_folders_of_good_and_bad_in_any_letters_case(tmp_path):
    for i in range(5):
        save(tmp_path / f"Normal/{i}.png")
    save(tmp_path / "KO/deep/0.png")
    assert [row[1:] for row in found(tmp_path)][4:] == [("Normal/4.png", 0, "good"), ("KO/deep/0.png", 1, "bad")]


def test_images_in_folders_inside_and_their_masks(tmp_path):
    for place in ("train/good/0", "train/good/day2/line1/0", "test/good/day2/0", "test/dent/0", "test/dent/day2/0"):
        save(tmp_path / f"a/{place}.png")
    save(tmp_path / "a/test/dent/day3/7.png")
    mark(tmp_path / "a/ground_truth/dent/0_mask.png", (0, 0))
    mark(tmp_path / "a/ground_truth/dent/day2/0_mask.png", (0, 1))
    mark(tmp_path / "a/ground_truth/dent/7.png", (0, 2))  # not in the folder of its image: the only one of that name
    mark(tmp_path / "a/ground_truth/dent/day2/0/second.png", (3, 3)).rename(tmp_path / "spare.png")
    assert [row[1] for row in found(tmp_path)] == [
        "a/train/good/0.png",
        "a/train/good/day2/line1/0.png",
        "a/test/dent/0.png",
        "a/test/dent/day2/0.png",
        "a/test/dent/day3/7.png",
        "a/test/good/day2/0.png",
    ]
    marked = [np.argwhere(read_mask(s, 4)).tolist() for s in load_dataset(tmp_path).test if s.label]
    assert marked == [[[0, 0]], [[0, 1]], [[0, 2]]]
    (tmp_path / "a/ground_truth/dent/day2/0_mask.png").unlink()
    (tmp_path / "spare.png").rename(tmp_path / "a/ground_truth/dent/day2/0/second.png")  # a folder of masks, as LOCO's
    assert np.argwhere(read_mask(load_dataset(tmp_path).test[1], 4)).tolist() == [[3, 3]]
    (tmp_path / "a/ground_truth/dent/0_mask.png").unlink()
    with pytest.raises(InputError, match="dent/0.png' has no mask.*ground_truth/dent/0_mask.png"):
        load_dataset(tmp_path)


def test_two_images_of_one_name_and_a_mask(tmp_path):
    for name in ("train/good/0.png", "test/dent/0.png", "test/dent/0.jpg"):
        save(tmp_path / "a" / name)
    assert len(load_dataset(tmp_path).test) == 2  # without masks there is nothing to confuse
    mark(tmp_path / "a/ground_truth/dent/0_mask.png", (0, 0))
    with pytest.raises(InputError, match=r"dent/0\.jpg' or of '.*dent/0\.png'"):
        load_dataset(tmp_path)


def test_masks_in_no_folder_of_a_defect(tmp_path):
    for name in ("train/good/0", "test/good/0", "test/dent/1", "test/dent/2", "test/rust/2"):
        save(tmp_path / f"a/{name}.png")
    for name in ("0", "2_mask", "9"):  # of a good image, of two images, of none
        mark(tmp_path / f"a/ground_truth/{name}.png", (0, 0))
    data = load_dataset(tmp_path)
    assert not data.has_masks("a") and data.left_out == (tmp_path / "a/ground_truth",)
    mark(tmp_path / "a/ground_truth/1_mask.png", (0, 1))
    mark(tmp_path / "a/ground_truth/dent/2_mask.png", (0, 2))
    mark(tmp_path / "a/ground_truth/rust/2_mask.png", (0, 3))
    data = load_dataset(tmp_path)
    assert [np.argwhere(read_mask(s, 4)).tolist() for s in data.test if s.label] == [[[0, 1]], [[0, 2]], [[0, 3]]]
    assert [path.name for path in data.left_out] == ["0.png", "2_mask.png", "9.png"]


def test_where_training_images_are_instead_is_said(tmp_path):
    save(tmp_path / "a/train/fine/0.png")
    with pytest.raises(InputError, match=r"no images in '.*train/good' \('.*train/fine' has some\)"):
        load_dataset(tmp_path)


def test_classes_may_be_called_good_and_ok(tmp_path):
    for name in ("good", "ok"):
        save(tmp_path / f"{name}/train/good/0.png")
    assert name_of(tmp_path) == "MVTec AD" and load_dataset(tmp_path).classes == ("good", "ok")


def test_a_class_folder_reached_by_a_link_bears_the_links_name(tmp_path):
    save(tmp_path / "v2/train/good/0.png")
    (tmp_path / "bottle").symlink_to("v2")
    assert load_dataset(tmp_path / "bottle").classes == ("bottle",)
