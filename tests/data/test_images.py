"""Images and masks of every kind, against NumPy and by hand."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, TiffImagePlugin

from hvqlib.data.images import read_image, read_marks, read_mask, size_of
from hvqlib.data.layouts import Sample
from hvqlib.errors import InputError


def save(path: Path, pixels: np.ndarray | None = None, **options) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((6, 8, 3), 100, np.uint8) if pixels is None else pixels
    Image.fromarray(pixels).save(path, **options)
    return path


def make_sample(folder: Path, mask: np.ndarray | None, label: int = 1) -> Sample:
    """An image of 8 x 6 pixels, and its mask if there is one."""
    marked = None if mask is None else save(folder / "x_mask.png", mask)
    return Sample(save(folder / "x.png"), "a", 0, label, "dent" if label else "good", marked)


def test_read_mask(tmp_path):
    pixels = np.zeros((6, 8), np.uint8)
    pixels[0, 1] = 255
    mask = read_mask(make_sample(tmp_path, pixels), 8)
    assert mask.dtype == bool and mask.shape == (8, 8)
    assert mask[0].tolist() == [False, True] + [False] * 6
    good = read_mask(make_sample(tmp_path, None, label=0), 5)
    assert good.shape == (5, 5) and not good.any()


DISC = np.hypot(*np.mgrid[-20:20, -20:20]) < 9
SMALL = np.hypot(*np.mgrid[-4:36, -4:36]) < 3
SOFT = np.asarray(Image.fromarray(DISC.astype(np.uint8) * 255).filter(ImageFilter.GaussianBlur(2)))
assert SOFT.max() == 255 and SOFT.min() == 0 and not (SMALL & DISC).any()


def painted(*colours: tuple[int, ...]) -> np.ndarray:
    """A background, a disc and a small disc, in these colours."""
    return np.array(colours, np.uint8)[np.where(DISC, 1, np.where(SMALL, 2, 0))]


BOTH, WHOLE = DISC | SMALL, np.ones_like(DISC)
MASKS = {  # pixels, and what they mark
    "bits": (DISC, DISC),
    "0 and 1": (DISC.astype(np.uint8), DISC),
    "0 and 128": (DISC.astype(np.uint8) * 128, DISC),
    "most is marked": ((~DISC).astype(np.uint8) * 255, ~DISC),
    "1 and 2": (DISC.astype(np.uint8) + 1, DISC),
    "2 and 1": (2 - DISC.astype(np.uint8), DISC),
    "40 and 90": (DISC.astype(np.uint8) * 50 + 40, DISC),
    "16 bits": (DISC.astype(np.uint16) * 65535, DISC),
    "16 bits, 0 and 1": (DISC.astype(np.uint16), DISC),
    "labels": (np.where(DISC, 1, np.where(SMALL, 7, 0)).astype(np.uint8), BOTH),
    "labels of 16 bits": (np.where(DISC, 2, np.where(SMALL, 1, 3)).astype(np.uint16), BOTH),
    "labels far apart": (painted((0,), (80,), (240,))[..., 0], BOTH),
    "soft": (SOFT, SOFT > 127),
    "soft, of 16 bits": (SOFT.astype(np.uint16) * 257, SOFT > 127),
    "soft, on white": (255 - SOFT, SOFT < 128),
    "colour on black": (painted((0, 0, 0), (200, 0, 0), (0, 60, 0)), BOTH),
    "colour on white": (painted((255, 255, 255), (200, 0, 0), (0, 60, 0)), BOTH),
    "much colour on black": (np.where(DISC[..., None], 0, [[[9, 0, 0]]]).astype(np.uint8), ~DISC),
    "grey in colours": (painted((0, 0, 0), (255, 255, 255), (0, 0, 0)), DISC),
    "soft colour": (np.stack([SOFT, SOFT // 4, SOFT // 8], 2), SOFT > 127),
    "transparent around": (painted((9, 9, 9, 0), (255, 0, 0, 255), (9, 9, 9, 255)), BOTH),
    "opaque black alone": (painted((0, 0, 0, 0), (0, 0, 0, 255), (0, 0, 0, 0)), DISC),
    "black": (np.zeros((40, 40), np.uint8), ~WHOLE),
    "white": (np.full((40, 40), 255, np.uint8), WHOLE),
    "one label": (np.ones((40, 40), np.uint8), WHOLE),
    "one colour": (np.full((40, 40, 3), (9, 0, 0), np.uint8), WHOLE),
}


@pytest.mark.parametrize("kind", MASKS)
def test_what_a_mask_marks(tmp_path, kind):
    pixels, defect = MASKS[kind]
    marked = read_marks(save(tmp_path / "x.png", pixels)).defect
    assert marked.dtype == bool and np.array_equal(marked, defect)


@pytest.mark.parametrize("scale", [1, 1 / 255, 0.2])
def test_floating_point_masks(tmp_path, scale):
    path = save(tmp_path / "x.tif", SOFT.astype(np.float32) * scale)
    assert np.array_equal(read_marks(path).defect, SOFT > 127)
    path = save(tmp_path / "y.tif", np.where(DISC, 1, np.where(SMALL, 0.2, 0)).astype(np.float32))
    assert np.array_equal(read_marks(path).defect, BOTH)


def test_masks_with_a_palette(tmp_path):
    for palette in ((0, 0, 0, 128, 0, 0, 0, 128, 0), (90, 90, 0, 0, 0, 0, 7, 7, 7), (255, 255, 255, 0, 0, 0, 9, 9, 9)):
        image = Image.fromarray(np.where(DISC, 1, np.where(SMALL, 2, 0)).astype(np.uint8)).convert("P")
        image.putpalette(palette)
        image.save(tmp_path / "x.png")
        grey = palette[0] == 255
        assert np.array_equal(read_marks(tmp_path / "x.png").defect, ~BOTH if grey else BOTH)


@pytest.mark.parametrize("quality", [30, 60, 95])
@pytest.mark.parametrize("colours", [(0, 255), (255, 0), ((0, 0, 0), (255, 0, 0)), ((255, 255, 255), (0, 0, 200))])
def test_the_noise_of_jpeg_marks_nothing(tmp_path, quality, colours):
    disc = np.hypot(*np.mgrid[-60:60, -50:50]) < 22
    path = save(tmp_path / "x.jpg", np.array(colours, np.uint8)[disc.astype(int)], quality=quality)
    marks, expected = read_marks(path), ~disc if colours == (255, 0) else disc
    assert (marks.defect != expected).sum() < 0.1 * disc.sum() and 0 < marks.between < 0.9 and not marks.labels


def test_marks_say_what_they_were_made_of(tmp_path):
    for kind, labels in (("0 and 1", False), ("soft", False), ("1 and 2", True), ("labels far apart", True)):
        marks = read_marks(save(tmp_path / "x.png", MASKS[kind][0]))
        assert marks.labels == labels
        assert marks.between == pytest.approx(((SOFT > 0) & (SOFT < 255)).mean() if kind == "soft" else 0)
    several = tmp_path / "several"
    save(several / "0.png", MASKS["soft"][0])
    save(several / "1.png", MASKS["labels"][0])
    marks = read_marks(several)
    assert np.array_equal(marks.defect, (SOFT > 127) | BOTH) and marks.labels and marks.between > 0


@pytest.mark.parametrize("size", [3, 7, 28])
def test_a_thin_defect_is_never_lost(tmp_path, size):
    for x, y in [(0, 0), (99, 99), (17, 81), (50, 49)]:
        pixels = np.zeros((100, 100), np.uint8)
        pixels[y, x] = 255
        sample = Sample(save(tmp_path / "x.png", pixels), "a", 0, 1, "dent", save(tmp_path / "x_mask.png", pixels))
        assert np.argwhere(read_mask(sample, size)).tolist() == [[y * size // 100, x * size // 100]]
    pixels[:, 13] = 255  # a line of one pixel, from edge to edge
    save(tmp_path / "x_mask.png", pixels)
    assert read_mask(sample, size)[:, 13 * size // 100].all()


def test_mask_of_another_size(tmp_path):
    with pytest.raises(InputError, match="x_mask.png' is 6 x 8 .*x.png' is 8 x 6"):
        read_mask(make_sample(tmp_path, np.zeros((8, 6), np.uint8)), 4)


def test_defective_image_without_mask_has_none_to_read(tmp_path):
    with pytest.raises(InputError, match="has no mask"):
        read_mask(make_sample(tmp_path, None), 4)


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


def test_an_image_in_memory_is_read_as_its_file_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), np.uint8)
    path = save(tmp_path / "x.png", pixels)
    assert np.array_equal(read_image(Image.open(path)), pixels) and read_image(pixels) is pixels
    deep = Image.fromarray(np.arange(12, dtype=np.uint16).reshape(3, 4) * 5000)
    deep.save(tmp_path / "deep.png")
    assert np.array_equal(read_image(deep), read_image(tmp_path / "deep.png"))
    with pytest.raises(InputError, match="'in memory' has no pixels"):
        read_image(Image.new("RGB", (0, 5)))
    with pytest.raises(InputError, match="'in memory' cannot be read"):
        read_image(Image.new("La", (4, 5)))
    with pytest.raises(InputError, match="'in memory' has pixels below 0"):
        read_image(Image.fromarray(np.full((3, 4), -1, np.float32)))


@pytest.mark.parametrize("wrong", [None, 3, {"a": 1}])
def test_what_is_no_image_at_all_is_named(wrong):
    with pytest.raises(InputError, match=f"not {type(wrong).__name__}"):
        read_image(wrong)


@pytest.mark.parametrize("wrong", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 2), np.uint8), np.zeros((4, 4, 3))])
def test_an_array_of_another_shape_or_type_is_refused(wrong):
    with pytest.raises(InputError, match=r"uint8 of shape \(H, W, 3\), not"):
        read_image(wrong)


def test_the_size_of_an_image_is_that_of_its_upright_pixels(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 11, 3), dtype=np.uint8)
    for orientation, kind in itertools.product(range(1, 9), ("tif", "jpg", "png")):
        exif = Image.Exif()
        exif[0x0112] = orientation
        path = tmp_path / f"{orientation}.{kind}"
        Image.fromarray(pixels).save(path, exif=exif)
        assert size_of(path) == read_image(path).shape[1::-1] == (11, 5)[:: 1 if orientation < 5 else -1]
        with Image.open(path) as image:
            assert size_of(image) == size_of(path)
            image.load()
            assert size_of(image) == read_image(image).shape[1::-1] == size_of(path)
    for orientation, kind in itertools.product(range(1, 9), (np.uint8, np.uint16)):  # grey ones, which Pillow would map
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[274] = orientation
        Image.fromarray(pixels[..., 0].astype(kind)).save(tmp_path / "grey.tif", tiffinfo=tags)
        with Image.open(tmp_path / "grey.tif") as image:
            assert np.array_equal(read_image(image), read_image(tmp_path / "grey.tif"))
            assert image.filename == str(tmp_path / "grey.tif")
    assert size_of(path) == (5, 11) and size_of(Image.fromarray(pixels)) == size_of(pixels) == (11, 5)
    (tmp_path / "no.png").write_text("no image")
    (tmp_path / "nothing.png").touch()
    for name, why in (("no.png", "of no kind that is read"), ("nothing.png", "it is empty")):
        with pytest.raises(InputError, match=f"{name}' cannot be read: .*{why}"):
            size_of(tmp_path / name)
