"""Decode image files: upright, and with pixels of more than 8 bits as they are.

Which value of such pixels is full brightness, no file says for certain: many cameras write 12 bits into 16. So it is
found once over the training images, kept in the run, and then holds for every image that the run judges.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from hvqlib.data.listing import EXTENSIONS, HEIF
from hvqlib.errors import InputError

Source = str | Path | Image.Image
White = float | None  # the value of full brightness: an int for whole numbers; None where no image needs one
LEVELS = (255, 1023, 4095, 16383, 65535)  # the highest values of 8, 10, 12, 14 and 16 bits
T = Image.Transpose
TURNS = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE, 6: T.ROTATE_270, 7: T.TRANSVERSE,
         8: T.ROTATE_90}  # by the orientation that EXIF gives  # fmt: skip
PHOTOMETRIC, BITS, MAX_SAMPLE, WIDTH, HEIGHT = 262, 258, 281, 256, 257  # tags of TIFF files


class Decoded(NamedTuple):
    """Hold one image, decoded and upright."""

    image: Image.Image  # as Pillow reads it
    deep: np.ndarray | None  # its values (H, W) or (H, W, 3), 0 is black, if they have more than 8 bits
    said: int  # full brightness as far as the file says; 0: it does not
    cut: bool  # colours of 16 bits, of which only the upper 8 can be read

    @property
    def largest(self) -> float:
        """The largest value of deep pixels, or what the file says is full brightness."""
        assert self.deep is not None
        return max(self.deep.max().item(), self.said)


@contextmanager
def faults_told(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises for an image into an InputError."""
    try:
        yield
    except InputError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"The image '{name}' is unsafely large: make it smaller ({error}).") from error
    except UnidentifiedImageError as error:
        file = Path(name)
        why = "it is of no kind that is read: save it as PNG or JPEG"
        if file.is_file() and not file.stat().st_size:
            why = "it is empty: replace it"
        elif file.suffix.lower() in HEIF - EXTENSIONS:
            why = "for HEIC, HEIF or AVIF pip install pillow-heif, or save it as PNG or JPEG"
        raise InputError(f"The image '{name}' cannot be read: {why}.") from error
    except Exception as error:  # PIL raises OSError, ValueError, SyntaxError, struct.error, ...
        raise InputError(f"The image '{name}' cannot be read: replace it ({error}).") from error


def decode(source: Source) -> Decoded:
    """Decode one image, whatever its kind; any failure is an InputError."""
    name = name_of(source)
    with faults_told(name):
        if isinstance(source, Image.Image):
            decoded = _decoded(source, getattr(source, "filename", ""))
        else:
            with open(source, "rb") as file, Image.open(file) as image:
                decoded = _decoded(image, source)
    if 0 in decoded.image.size:
        raise InputError(f"The image '{name}' has no pixels: replace it.")
    if decoded.deep is not None and not decoded.deep.min() >= 0:  # nan too
        raise InputError(f"The image '{name}' has pixels below 0, or that are no numbers: save it with 8 or 16 bits.")
    return decoded


def find_white(paths: Iterable[str | Path]) -> White:
    """Find the pixel value that is full brightness in images of more than 8 bits, over all of them together.

    Of whole numbers it is the highest of 8, 10, 12, 14 or 16 bits that is not below the largest; floating-point ones
    go up to 1.0, or to one of these. None where no image has more than 8 bits: then only the files' headers are read.
    Raises InputError where an image cannot be read, a value is below 0 or too large, or whole numbers and
    floating-point ones are mixed.
    """
    decoded = ((decode(path), path) for path in paths if _has_deep_pixels(path))
    return common_white([(one.largest, path) for one, path in decoded if one.deep is not None])


def common_white(largest: Sequence[tuple[float, str | Path]]) -> White:
    """Find what `find_white` finds from the largest value of each image of more than 8 bits, and its path."""
    if not largest:
        return None
    whole = {isinstance(value, int): path for value, path in largest}
    if len(whole) > 1:
        told = f"'{whole[True]}' has whole and '{whole[False]}' has floating-point pixels"
        raise InputError(f"{told}, in one data set: save all with 8 or 16 bits.")
    return white_for(*max(largest, key=lambda pair: pair[0]))


def white_for(largest: float, path: str | Path) -> float:
    """Say which pixel value is full brightness where `largest` is the largest; whole for whole numbers."""
    if isinstance(largest, float) and largest <= 1.01:  # resizing overshoots
        return 1.0
    if isinstance(largest, float) and largest < 16:
        raise InputError(f"The image '{path}' has floating-point pixels up to {largest:.3g}: bring them to 0 to 1.")
    for level in LEVELS:
        if largest <= level:
            return type(largest)(level)
    raise InputError(f"The image '{path}' has pixels of over 16 bits: save it with 8 or 16.")


def eight_bits(decoded: Decoded, white: White, path: str | Path) -> np.ndarray:
    """Turn deep pixels into uint8 of the same shape: `white`, and what is brighter, becomes 255.

    A `white` of floating-point numbers does not hold for whole ones, nor the reverse. Without it goes what the file
    says, then 65535 for 16 bits, and the image's own largest value for 32.
    """
    values = decoded.deep
    assert values is not None
    if white is None or isinstance(white, float) != (values.dtype.kind == "f"):
        white = decoded.said or (65535 if values.dtype.itemsize == 2 else white_for(decoded.largest, path))
    return np.rint(values.clip(0, white) * np.float64(255) / white).astype(np.uint8)


def pages(path: str | Path) -> int:
    """Count the pages, or pictures of a film, in a readable file; the first is read. Previews and layers are none.

    Where a later one is damaged they cannot be counted: 1.
    """
    try:
        with Image.open(path) as image:
            return getattr(image, "n_frames", 1) if image.format not in ("MPO", "PSD") else 1
    except Exception:  # a fault behind the first
        return 1


def upright_size(source: Source) -> tuple[int, int]:
    """Read the width and height of an upright image from its header. Raises InputError where it has none."""
    if not isinstance(source, Image.Image):
        with faults_told(str(source)), open(source, "rb") as file, Image.open(file) as image:
            return upright_size(image)
    width, height = source.size
    if source.getexif().get(ExifTags.Base.Orientation, 1) in (5, 6, 7, 8):
        if tags := getattr(source, "tag_v2", None):  # of a TIFF, whose size Pillow may have turned already
            width, height = tags[WIDTH], tags[HEIGHT]
        return height, width
    return width, height


def name_of(source: Source | np.ndarray) -> str:
    """Say what an error calls an image."""
    return str(source) if isinstance(source, str | Path) else getattr(source, "filename", "") or "in memory"


def _has_deep_pixels(path: str | Path) -> bool:
    """Say by its header whether an image may have more than 8 bits; that it cannot be read is said when it is read."""
    try:
        with Image.open(path) as image:
            return image.mode.startswith(("I", "F")) or bool(_raw_mode(image))
    except Exception:
        return False


def _raw_mode(image: Image.Image) -> str:
    """Name how a file that is not loaded yet holds colours of 16 bits; "" where it holds none."""
    tiles = getattr(image, "tile", None) or [(0, 0, 0, "")]
    given = tiles[0][3][0] if isinstance(tiles[0][3], tuple) and tiles[0][3] else tiles[0][3]
    return given if isinstance(given, str) and ";16" in given and not image.mode.startswith("I") else ""


def _decoded(image: Image.Image, path: str | Path) -> Decoded:
    tags, raw, file = getattr(image, "tag_v2", {}), _raw_mode(image), path or getattr(image, "fp", None)
    _load(image)
    upright, deep, said = _upright(image), None, 0
    if image.mode == "F" or image.mode.startswith("I"):
        deep = np.asarray(upright)
        deep = deep.astype({"F": np.float32, "I": np.int64}.get(image.mode, np.uint16))
    elif raw.startswith("RGB;16") and file and "transparency" not in image.info:
        deep = _all_bits(file, np.asarray(upright))
    if deep is None:
        return Decoded(upright, None, 0, bool(raw))
    if image.mode != "F":
        bits, most = (int(np.ravel(tags.get(tag, 0))[0]) for tag in (BITS, MAX_SAMPLE))
        said = most if deep.max() <= most <= 65535 else 2**bits - 1 if 8 < bits < 16 else 0
    if tags.get(PHOTOMETRIC) == 0:  # white is zero
        deep = (said or (65535 if deep.dtype == np.uint16 else white_for(deep.max().item(), path))) - deep
    return Decoded(upright, deep, said, False)


def _load(image: Image.Image) -> None:
    """Read the pixels of an image, of which Image.open reads only the header: a file cut short shows here."""
    name = getattr(image, "filename", "")
    if name:
        cast(Any, image).filename = ""  # Pillow maps some files that it knows by name, and turns TIFF wrongly then
    try:
        image.load()
    finally:
        if name:
            cast(Any, image).filename = name


def _upright(image: Image.Image) -> Image.Image:
    """Turn an image as its EXIF says; the other tags, which may be malformed, are not read but dropped."""
    turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    upright = image.copy() if turn is None else image.transpose(turn)
    for key in ("exif", "Raw profile type exif", "XML:com.adobe.xmp", "xmp"):
        upright.info.pop(key, None)
    return upright


def _all_bits(source: str | Path | IO[bytes], upper: np.ndarray) -> np.ndarray:
    """Read 16-bit colours (H, W, 3) uint16: Pillow keeps the upper bytes; told the other byte order, the lower ones."""
    other = {"L": "B", "B": "L", "N": "B" if sys.byteorder == "little" else "L"}
    with open(source, "rb") if isinstance(source, str | Path) else nullcontext(source) as file:
        image = Image.open(file)
        for i, (*where, given) in enumerate(tiles := cast(Any, image).tile):
            mode, *rest = [given] if isinstance(given, str) else given
            swapped = mode[:-1] + other[mode[-1]]
            given = swapped if isinstance(given, str) else (swapped, *rest)
            tiles[i] = getattr(tiles[i], "_make", tuple)((*where, given))
        image.load()
        return upper.astype(np.uint16) << 8 | np.asarray(_upright(image))
