"""What is read as an image, and what is named as left out."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hvqlib.data import listing
from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import read_image
from hvqlib.data.listing import EXTENSIONS, HEIF, images, reason


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((32, 32, 3), 100, np.uint8)).save(path)
    return path


def put(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def left_out(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in load_dataset(root).left_out]


ENDINGS = ("jfif", "jpe", "gif", "ppm", "pgm", "pbm", "jp2", "J2K", "dib", "tga", "pcx", "SGI", "webp", "apng", "qoi")


@pytest.mark.parametrize("ending", ENDINGS)
def test_whatever_pillow_opens_is_read(tmp_path, ending):
    if ending == "qoi":
        path = put(tmp_path / "a/train/good/0.qoi", b"qoif\0\0\0\1\0\0\0\1\3\0\xfe\x64\x64\x64" + bytes(7) + b"\1")
    else:
        path = save(tmp_path / f"a/train/good/0.{ending}")
    assert [s.path for s in load_dataset(tmp_path).train] == [path] and left_out(tmp_path) == []
    pixels = read_image(path)
    assert pixels.shape[2] == 3 and (ending == "pbm" or (np.abs(pixels.astype(int) - 100) <= 1).all())  # two colours


def test_what_needs_another_program_or_is_no_picture_is_left_out(tmp_path):
    save(tmp_path / "a/train/good/0.png")
    others = ("0.eps", "1.ps", "2.wmf", "3.mpg", "4.pdf", "5.svg", "6.h5", "7.exr", "8.npy", "9.mp4", "A", "B.png~")
    for name in others:
        put(tmp_path / "a/train/good" / name)
    for name in ("notes.txt", "labels.CSV", "Thumbs.db", ".DS_Store", "@eaDir/0.png", ".x/0.png"):
        put(tmp_path / "a/train/good" / name)
    for name in ("LICENSE", "run/model.safetensors", "run/config.json"):
        put(tmp_path / name)
    put(tmp_path / "a/LICENSE")
    assert left_out(tmp_path) == sorted(f"a/train/good/{name}" for name in others)
    assert ".svg) that is not read" in reason(tmp_path / "a/train/good/5.svg")
    assert "no ending" in reason(tmp_path / "a/train/good/A")


def test_images_in_a_wrong_place_are_left_out_and_folders_named_once(tmp_path):
    save(tmp_path / "a/train/good/0.png")
    for name in ("a/train/1.png", "a/test/1.png", "a/1.png", "1.JPG", "a/raw/1.png", "a/raw/deep/2.png", "b/pics/1.png",
                 "a/train/Bad/1.png", "a/validation/rust/1.png"):  # fmt: skip
        save(tmp_path / name)
    put(tmp_path / "a/test/rust/0.cr2")
    put(tmp_path / "a/test/rust/1.NEF")
    found = ["1.JPG", "a/1.png", "a/raw", "a/test", "a/train/1.png", "a/train/Bad", "a/validation", "b"]
    assert left_out(tmp_path) == found and "where none is read" in reason(tmp_path / "a/raw")
    save(tmp_path / "a/test/good/0.png")
    assert "a/test/1.png" in left_out(tmp_path) and "a/test/rust" in left_out(tmp_path)
    assert "where none is read" in reason(tmp_path / "a/test/1.png")
    assert "raw format" in reason(tmp_path / "a/test/rust")


def test_links(tmp_path):
    real = save(tmp_path / "elsewhere/0.png").parent
    good = save(tmp_path / "data/a/train/good/0.png").parent
    (good / "more").symlink_to(real)
    (good / "round").symlink_to(tmp_path / "data/a")  # would be followed without an end
    (good / "1.png").symlink_to(real / "0.png")
    (good / "2.png").symlink_to(tmp_path / "nowhere.png")
    (good / "3.png").symlink_to("3.png")
    (tmp_path / "data/a/test").symlink_to(tmp_path / "nowhere")
    (tmp_path / "data/b").symlink_to(tmp_path / "nowhere")
    assert [p.relative_to(good).as_posix() for p in images(good)] == ["0.png", "1.png", "more/0.png"]
    dead = ["a/test", "a/train/good/2.png", "a/train/good/3.png", "b"]
    assert left_out(tmp_path / "data") == dead
    assert all("whose file is not there" in reason(tmp_path / "data" / name) for name in dead)


def test_what_is_no_file_is_not_read(tmp_path):
    good = save(tmp_path / "a/train/good/0.png").parent
    (good / "1.png").mkdir()
    if hasattr(os, "mkfifo"):
        os.mkfifo(good / "2.png")  # to open it would be to wait for ever
    assert [s.path.name for s in load_dataset(tmp_path).train] == ["0.png"]


def test_heif_needs_its_package(tmp_path, monkeypatch):
    save(tmp_path / "a/train/good/0.png")
    path = put(tmp_path / "a/train/good/1.HEIC")
    monkeypatch.setattr(listing, "EXTENSIONS", EXTENSIONS - HEIF)
    assert left_out(tmp_path) == ["a/train/good/1.HEIC"] and "pip install pillow-heif" in reason(path)
    monkeypatch.setattr(listing, "EXTENSIONS", EXTENSIONS | HEIF)
    assert left_out(tmp_path) == [] and len(load_dataset(tmp_path).train) == 2


def test_heif_is_read_where_its_package_is():
    installed = ".heic" in EXTENSIONS
    try:
        import pillow_heif  # noqa: F401
    except ImportError:
        assert not installed
    else:
        assert installed


def test_links_among_folders_list_each_file_once(tmp_path):
    for name in "abcd":
        save(tmp_path / name / "0.png")
        for other in set("abcd") - {name}:
            (tmp_path / name / other).symlink_to(tmp_path / other)
    assert len({path.resolve() for path in images(tmp_path)}) == len(images(tmp_path)) == 4
