"""Pixels of more than 8 bits, in files that are written here byte by byte."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin

from hvqlib.data.decoding import decode, find_white, pages
from hvqlib.data.images import read_image, size_of
from hvqlib.errors import InputError

RAMP = np.arange(63, dtype=np.uint16).reshape(7, 9) * 65  # of 12 bits: 0 to 4030
COLOURS = np.stack([RAMP, RAMP[::-1], RAMP.T.reshape(7, 9)], 2)


def save(path: Path, pixels: np.ndarray, **tags: int) -> Path:
    info = TiffImagePlugin.ImageFileDirectory_v2()
    for name, value in tags.items():
        info[{"photometric": 262, "most": 281, "turned": 274}[name]] = value
    Image.fromarray(pixels).save(path, **({"tiffinfo": info} if tags else {}))
    return path


def save_png(path: Path, pixels: np.ndarray) -> Path:
    """A PNG of 16 bits and 1 to 4 channels, which Pillow cannot write."""
    height, width, channels = pixels.shape
    chunks = {
        b"IHDR": struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)),
        b"IEND": b"",
    }
    parts = (struct.pack(">I", len(d)) + t + d + struct.pack(">I", zlib.crc32(t + d)) for t, d in chunks.items())
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path


def save_tiff(path: Path, pixels: np.ndarray, order: str = "<", packed: bool = False, turned: int = 1) -> Path:
    """A TIFF of 16-bit RGB, which Pillow cannot write, in strips of two rows."""
    height, width, channels = pixels.shape
    rows = [pixels[i : i + 2].astype(order + "u2").tobytes() for i in range(0, height, 2)]
    rows = [zlib.compress(row) for row in rows] if packed else rows
    starts = np.cumsum([8, *map(len, rows)]).tolist()
    tags = {256: [width], 257: [height], 258: [16] * channels, 259: [8 if packed else 1], 262: [2], 273: starts[:-1],
            274: [turned], 277: [channels], 278: [2], 279: list(map(len, rows))}  # fmt: skip
    entries, extra = b"", b""
    for tag, values in tags.items():
        data = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            data, extra = struct.pack(f"{order}I", starts[-1] + len(extra)), extra + data
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + data
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", starts[-1] + len(extra))
    path.write_bytes(head + b"".join(rows) + extra + struct.pack(f"{order}H", len(tags)) + entries + bytes(4))
    return path


def rounded(pixels: np.ndarray, white: float) -> np.ndarray:
    return np.floor(np.minimum(pixels / white, 1) * 255 + 0.5).astype(np.uint8)


@pytest.mark.parametrize(
    ("largest", "kind", "white"),
    [
        (255, np.uint16, 255),
        (256, np.uint16, 1023),
        (1023, np.int32, 1023),
        (4000, np.uint16, 4095),
        (4096, np.uint16, 16383),
        (16384, np.uint16, 65535),
        (200, np.int32, 255),
        (65535, np.int32, 65535),
        (0.7, np.float32, 1.0),
        (1.0000001, np.float32, 1.0),
        (255, np.float32, 255.0),
        (4000.5, np.float32, 4095.0),
    ],
)
def test_white_is_the_highest_value_of_the_bits_in_use(tmp_path, largest, kind, white):
    half = save(tmp_path / "0.tif", (np.full((2, 3), largest) / 2).astype(kind))
    full = save(tmp_path / "1.tif", np.full((2, 3), largest, kind))
    eight = save(tmp_path / "2.png", np.full((2, 3), 90, np.uint8))
    found = find_white([half, full, eight])
    assert found == white and type(found) is type(white)
    expected = rounded(np.asarray(Image.open(half)).astype(float), white)
    assert np.array_equal(read_image(half, found)[..., 1], expected)
    assert (read_image(eight, found) == 90).all() and find_white([eight]) is None


def test_what_is_brighter_than_white_is_white(tmp_path):
    path = save(tmp_path / "0.png", RAMP)
    assert np.array_equal(read_image(path, 1023)[..., 0], rounded(RAMP, 1023))
    assert np.array_equal(read_image(path, 1.0)[..., 0], rounded(RAMP, 65535))  # a white of floating-point pixels
    share = save(tmp_path / "0.tif", (RAMP / 4030).astype(np.float32))
    assert np.array_equal(read_image(share, 4095)[..., 0], rounded(RAMP, 4030))  # and one of whole numbers


def test_without_white_a_file_goes_by_itself(tmp_path):
    for pixels, white in [
        (RAMP, 65535),
        (RAMP.astype(np.int32), 4095),
        (RAMP.astype(np.int32) // 16, 255),
        ((RAMP / 4030).astype(np.float32), 1),
        ((RAMP / 4030 * 255).astype(np.float32), 255),
    ]:
        path = save(tmp_path / "x.tif", pixels)
        expected = rounded(pixels.astype(float), white)
        assert np.array_equal(read_image(path)[..., 2], expected)
        assert np.array_equal(read_image(Image.open(path))[..., 2], expected)


def test_tags_of_tiff_files(tmp_path):
    most = save(tmp_path / "most.tif", RAMP // 8, most=4095)
    assert find_white([most]) == 4095 and np.array_equal(read_image(most)[..., 0], rounded(RAMP // 8, 4095))
    wrong = save(tmp_path / "wrong.tif", RAMP, most=255)  # says less than is there
    assert find_white([wrong]) == 4095
    for kind, scale, top in ((np.uint8, 1, 255), (np.uint16, 257, 65535), (np.float32, 1 / 255, 1)):
        grey = (RAMP // 16).astype(np.uint8)
        values = (top - grey.astype(float) * scale).astype(kind)
        negative = save(tmp_path / "negative.tif", values, photometric=0)
        if kind == np.uint8:  # Pillow inverts what it writes
            assert Image.open(negative).tag_v2[262] == 0
            continue
        for white in (None, find_white([negative])):
            assert np.array_equal(read_image(negative, white)[..., 0], grey)
    for kind in (np.uint8, np.uint16, np.int32, np.float32):
        white, grey = (255, RAMP // 16) if kind is np.uint8 else (4095, RAMP)
        turned = save(tmp_path / "turned.tif", grey.astype(kind), turned=6)
        assert np.array_equal(read_image(turned, kind(white).item())[..., 0], rounded(np.rot90(grey, -1), white))


def test_colours_of_16_bits_are_read_whole_from_bytes_too(tmp_path):
    for path in (save_png(tmp_path / "a.png", COLOURS), save_tiff(tmp_path / "a.tif", COLOURS, turned=6)):
        opened = Image.open(io.BytesIO(path.read_bytes()))
        assert np.array_equal(read_image(opened, 4095), read_image(path, 4095))
        with Image.open(path) as opened:
            assert np.array_equal(read_image(opened, 4095), read_image(path, 4095))


@pytest.mark.parametrize("turned", range(1, 9))
def test_a_malformed_tag_beside_the_orientation_is_no_fault(tmp_path, turned):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 3), dtype=np.uint8)
    entries = struct.pack("<HHII", 0x0112, 3, 1, turned) + struct.pack("<HHI4s", 0x0118, 2, 4, b"abc\0")  # a number
    exif = b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + entries + bytes(4)
    Image.fromarray(pixels).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        image.load()
        if turned > 1:
            with pytest.raises(Exception):  # noqa: B017 - what Pillow's own way makes of it
                ImageOps.exif_transpose(image)
    plain = Image.fromarray(pixels)
    plain.getexif()[0x0112] = turned
    assert np.array_equal(read_image(tmp_path / "a.png"), np.asarray(ImageOps.exif_transpose(plain)))
    decoded = decode(tmp_path / "a.png").image
    assert decoded.size == size_of(tmp_path / "a.png") == size_of(decoded)  # turned once


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("packed", [False, True])
def test_colours_of_16_bits_in_tiff(tmp_path, order, packed):
    path = save_tiff(tmp_path / "x.tif", COLOURS, order, packed)
    assert np.array_equal(decode(path).deep, COLOURS)
    assert find_white([path]) == 4095 and np.array_equal(read_image(path, 4095), rounded(COLOURS, 4095))
    assert np.array_equal(read_image(Image.open(path), 4095), rounded(COLOURS, 4095))
    assert np.array_equal(read_image(path), COLOURS >> 8)  # as runs without a white were trained
    turned = save_tiff(tmp_path / "y.tif", COLOURS, order, packed, turned=8)
    assert np.array_equal(decode(turned).deep, np.rot90(COLOURS))


def test_channels_of_16_bits_in_png(tmp_path):
    colours = save_png(tmp_path / "3.png", COLOURS)
    assert np.array_equal(decode(colours).deep, COLOURS) and find_white([colours]) == 4095
    grey = save_png(tmp_path / "1.png", RAMP[..., None])
    assert np.array_equal(decode(grey).deep, RAMP)
    for channels in (2, 4):  # with transparency Pillow gives the upper 8 bits, and no others
        pixels = np.concatenate([COLOURS[..., : channels - 1] * 16, np.full((7, 9, 1), 65535, np.uint16)], 2)
        path = save_png(tmp_path / f"{channels}.png", pixels)
        assert decode(path).cut and find_white([path]) is None
        expected = np.broadcast_to(pixels[..., :-1] >> 8, (7, 9, 3))
        assert np.array_equal(read_image(path, 4095), expected)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        (np.full((2, 2), -3, np.int32), "pixels below 0"),
        (np.array([[0.5, np.nan]], np.float32), "no numbers"),
        (np.full((2, 2), -0.5, np.float32), "pixels below 0"),
        (np.full((2, 2), 70000, np.int32), "over 16 bits"),
        (np.full((2, 2), np.inf, np.float32), "over 16 bits"),
        (np.full((2, 2), 7.5, np.float32), "floating-point pixels up to 7.5: bring them to 0 to 1"),
    ],
)
def test_values_that_have_no_brightness(tmp_path, pixels, words):
    path = save(tmp_path / "x.tif", pixels)
    for read in (read_image, lambda path: find_white([path])):
        with pytest.raises(InputError, match=rf"x\.tif' .*{words}"):
            read(path)


def test_whole_and_floating_point_pixels_do_not_mix(tmp_path):
    paths = [save(tmp_path / "0.tif", RAMP), save(tmp_path / "1.tif", (RAMP / 4095).astype(np.float32))]
    with pytest.raises(InputError, match=r"0\.tif' has whole and '.*1\.tif' has floating-point pixels"):
        find_white(paths)


def test_only_headers_are_read_of_files_with_8_bits(tmp_path, monkeypatch):
    path = save(tmp_path / "x.png", np.zeros((4, 4, 3), np.uint8))
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    monkeypatch.setattr(Image.Image, "load", lambda *_: pytest.fail("decoded"))
    assert find_white([path, broken, tmp_path / "gone.png"]) is None  # what is amiss is said when they are read


def test_of_several_pages_the_first_is_read(tmp_path):
    several = [Image.fromarray(np.full((4, 4), value, np.uint8)) for value in (10, 90, 200)]
    for name in ("x.gif", "x.tif", "x.webp", "x.png"):
        options = {"lossless": True} if "webp" in name else {}
        several[0].save(tmp_path / name, save_all=True, append_images=several[1:], **options)
        assert pages(tmp_path / name) == 3 and (read_image(tmp_path / name) == 10).all()
    several[0].convert("RGB").save(tmp_path / "x.jpg", format="MPO", save_all=True, append_images=several[1:])
    assert pages(tmp_path / "x.jpg") == 1  # telephones save a preview beside the photograph


@pytest.mark.parametrize("kind", ["tif", "gif"])
def test_pages_behind_a_damaged_one_are_not_counted(tmp_path, kind):
    path = tmp_path / f"film.{kind}"
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 40), dtype=np.uint8)
    first, *others = (Image.fromarray(one) for one in noise)
    first.save(path, save_all=True, append_images=others)
    assert pages(path) == 3
    whole, damaged = path.read_bytes(), 0
    for share in np.linspace(0.4, 0.99, 60):
        path.write_bytes(whole[: int(share * len(whole))])
        try:
            with Image.open(path) as image:
                number = image.n_frames
        except Exception:
            number, damaged = 1, damaged + 1
        assert pages(path) == number
    assert damaged  # some were cut where Pillow finds no further
