"""The bundled data set: the same bytes everywhere, exact masks, nothing half drawn."""

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.course.foundry import PRODUCTS, dataset
from hvqlib.course.foundry.dataset import COUNTS, draw_foundry, draw_picture, make_foundry, pictures_to_draw
from hvqlib.course.foundry.shapes import Random
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image, read_mask
from hvqlib.errors import InputError

HASHES = json.loads((Path(__file__).parents[2] / "fixtures/foundry_hashes.json").read_text())
KINDS = [(product, kind) for product, (_, kinds) in PRODUCTS.items() for kind in (None, *kinds)]


def digest(product: str, kind: str | None) -> str:
    """SHA-256 of the pixels and the mask of one picture."""
    picture, mask = draw_picture(product, "defective" if kind else "train", 3, defect=kind)
    return hashlib.sha256(picture.tobytes() + mask.tobytes()).hexdigest()


@pytest.mark.parametrize(("product", "kind"), KINDS)
def test_pixels_are_the_recorded_ones(product, kind):
    assert digest(product, kind) == HASHES[f"{product}/{kind or 'good'}"]


@pytest.mark.parametrize(("product", "kind"), [(p, k) for p, k in KINDS if k])
def test_masks_are_exact(product, kind):
    """Before the camera: outside the mask the clean twin to the bit, inside it another picture."""
    function, _ = PRODUCTS[product]
    for number in range(3):
        hurt, mask = function(Random([5, number]), kind, Random([6, number]))
        clean, nothing = function(Random([5, number]), None, Random([6, number]))
        assert not nothing.any()
        assert np.array_equal(hurt[~mask], clean[~mask])
        changed = np.abs(hurt - clean).max(-1) > 2 / 255
        assert changed[mask].mean() > (0.6 if kind in STRUCTURAL else 0.8)
        assert 30 <= mask.sum() <= 0.2 * mask.size


STRUCTURAL = ("misweave", "inlay", "cluster", "misplaced", "swapped")


def test_plan_has_the_promised_numbers_and_kinds():
    jobs = pictures_to_draw()
    assert len(PRODUCTS) >= 6 and len(jobs) == len(set(jobs)) == len(PRODUCTS) * (60 + 15 + 30)
    for product, (_, kinds) in PRODUCTS.items():
        assert len(kinds) >= 4
        per_kind = Counter(defect for p, split, _, defect in jobs if p == product and split == "defective")
        assert set(per_kind) == set(kinds) and min(per_kind.values()) >= 5
    assert COUNTS == {"train": 60, "good": 15, "defective": 30}


def test_no_two_pictures_are_alike():
    pictures = [draw_picture("capsule", split, n)[0].tobytes() for split in ("train", "good") for n in range(3)]
    pictures.append(draw_picture("capsule", "train", 0, seed=1)[0].tobytes())
    assert len(set(pictures)) == 7


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    root = tmp_path_factory.mktemp("drawn") / "foundry"
    counts = {"train": 1, "good": 1, "defective": 2}
    assert draw_foundry(root, counts=counts, workers=1)
    return root, counts


def test_folder_is_a_data_set_with_what_draw_gives(drawn):
    root, _ = drawn
    loaded = load_dataset(root)
    assert set(loaded.classes) == set(PRODUCTS)
    assert (len(loaded.train), len(loaded.test)) == (len(PRODUCTS), 3 * len(PRODUCTS))
    for sample in loaded.test:
        number = int(sample.path.stem)
        kind = sample.defect if sample.label else None
        picture, mask = draw_picture(sample.class_name, "defective" if kind else "good", number, defect=kind)
        assert np.array_equal(read_image(sample.path), picture)
        assert np.array_equal(read_mask(sample, 256), mask)


def test_second_call_draws_nothing_and_other_content_is_refused(drawn, tmp_path):
    root, counts = drawn
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    assert not draw_foundry(root, counts=counts)
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before
    with pytest.raises(InputError, match="other than this data set"):
        draw_foundry(root, seed=1, counts=counts)
    (tmp_path / "mine").mkdir()
    Image.new("RGB", (4, 4)).save(tmp_path / "mine/holiday.png")
    with pytest.raises(InputError, match="other than this data set"):
        draw_foundry(tmp_path / "mine")
    assert (tmp_path / "mine/holiday.png").exists()


def test_of_two_who_draw_at_once_the_second_finds_it_there(drawn, tmp_path, monkeypatch):
    source, counts = drawn
    root = tmp_path / "foundry"

    def meanwhile(jobs, **_):
        shutil.copytree(source, root)
        return iter(list(jobs))

    monkeypatch.setattr(dataset, "Progress", meanwhile)
    monkeypatch.setattr(dataset, "pictures_to_draw", lambda counts: pictures_to_draw(counts)[:1])
    assert not draw_foundry(root, counts=counts, workers=1)
    assert [path.name for path in tmp_path.iterdir()] == ["foundry"] and load_dataset(root).classes


def test_an_interrupted_drawing_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(
        "hvqlib.course.foundry.dataset.pictures_to_draw", lambda counts: [("no such product", "train", 0, None)]
    )
    with pytest.raises(KeyError):
        draw_foundry(tmp_path / "foundry", workers=1)
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def few(drawn, monkeypatch):
    """Draw few pictures, which lie there already, in place of all."""
    monkeypatch.setattr(
        dataset, "draw_foundry", lambda root, seed: not root.exists() and bool(shutil.copytree(drawn[0], root))
    )


@pytest.fixture
def photographs(own_data):
    """A data folder with two photographs, and what belongs to them."""
    folder = own_data / "ballscrew"
    for name in ("train/good/000.jpg", "test/good/000.jpg"):
        (folder / name).parent.mkdir(parents=True)
        Image.fromarray(np.full((46, 113, 3), 99, np.uint8)).save(folder / name)
    (folder / "LICENSE").write_text("CC BY-SA 4.0")
    return folder


def files(root):
    """Each file of a folder, and when it was written."""
    return {p.relative_to(root).as_posix(): p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}


def test_photographs_join_the_drawn_products_once(few, photographs, tmp_path):
    root = tmp_path / "deep" / "foundry"
    assert make_foundry(root) == ["drawn", "photographs of ballscrew copied"]
    assert load_dataset(root).classes == tuple(sorted([*PRODUCTS, "ballscrew"]))
    for name in files(photographs):
        copy = root / "ballscrew" / name
        assert copy.read_bytes() == (photographs / name).read_bytes() and not copy.samefile(photographs / name)
    before = files(root)
    assert make_foundry(root) == [] and files(root) == before
    assert [p.name for p in root.parent.iterdir()] == ["foundry"]


def test_photographs_are_added_to_what_was_drawn_before(few, own_data, tmp_path):
    root = tmp_path / "foundry"
    assert make_foundry(root) == ["drawn"] and set(load_dataset(root).classes) == set(PRODUCTS)
    drawn_before = files(root)
    shutil.copytree(root / "gear", own_data / "ballscrew")
    assert make_foundry(root) == ["photographs of ballscrew copied"]
    assert {name: when for name, when in files(root).items() if not name.startswith("ballscrew")} == drawn_before


def test_photographs_are_copied_whole_or_not_at_all(few, photographs, tmp_path, monkeypatch):
    root = tmp_path / "foundry"

    def half(source, goal):
        (goal / "train").mkdir(parents=True)
        raise OSError(28, "No space left on device")

    make = shutil.copytree(photographs, tmp_path / "aside")
    shutil.rmtree(photographs)
    make_foundry(root)
    shutil.move(make, photographs)
    with monkeypatch.context() as patch:
        patch.setattr(dataset.shutil, "copytree", half)
        with pytest.raises(OSError, match="No space"):
            make_foundry(root)
    assert not (root / "ballscrew").exists() and not list(tmp_path.glob(".*"))
    assert make_foundry(root) == ["photographs of ballscrew copied"]
