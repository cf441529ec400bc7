"""Read images and masks as arrays, one at a time."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from scipy import ndimage

from hvqlib.data.decoding import Source, White, decode, eight_bits, faults_told, name_of, upright_size
from hvqlib.data.layouts import Sample
from hvqlib.data.listing import images
from hvqlib.errors import InputError

Picture = Source | np.ndarray  # a file, or an image that is in memory already
LABELS = 16  # distinct values of a mask, at most, that number its regions


def read_image(source: Picture, white: White = None) -> np.ndarray:
    """Decode one image, a file or a PIL image, into an array (H, W, 3) uint8; such an array is returned as it is.

    Every kind of pixel becomes 8-bit RGB. Pixels of more than 8 bits are divided so that `white`, which `find_white`
    finds, becomes 255; without it, by what the file says, else 16-bit ones by 257 (65535 becomes 255) and those of 32
    bits by what their own largest value suggests. Transparent pixels are laid on white; grey, palette, 1-bit and CMYK
    are converted. The camera's orientation tag is applied; of several pages the first is read. Raises InputError where
    the file is missing, no image, cut short, unsafely large, or has pixels below 0 or of over 16 bits, or the array has
    another shape or type.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise InputError(f"An image should be uint8 of shape (H, W, 3), not {source.dtype} {source.shape}.")
        return source
    if not isinstance(source, str | Path | Image.Image):
        raise InputError(f"An image should be a file, a PIL image or an array, not {type(source).__name__}.")
    decoded = decode(source)
    if decoded.deep is not None and (decoded.deep.ndim == 2 or white is not None):
        grey = eight_bits(decoded, white, name_of(source))
        return np.repeat(grey[:, :, None], 3, axis=2) if grey.ndim == 2 else grey
    with faults_told(name_of(source)):
        return _rgb(decoded.image)


def _rgb(image: Image.Image) -> np.ndarray:
    """Turn an image into an array (H, W, 3) uint8, what is transparent on white."""
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))  # a copy: torch wants writable memory


def size_of(picture: Picture) -> tuple[int, int]:
    """Read the width and height of an upright image; of a file only the header. Raises InputError as `read_image`."""
    if isinstance(picture, np.ndarray):
        height, width = read_image(picture).shape[:2]
        return width, height
    return upright_size(picture)


def read_mask(sample: Sample, size: int) -> np.ndarray:
    """Read the defective pixels (size, size) bool of a sample, at the size the model works at.

    What a file marks, `read_marks` says. A pixel of the smaller mask takes the value of the nearest pixel, so
    that a region thinner than these may be lost; where none is left of the whole mask, all pixels that it touches are
    marked. All are False for a normal image. Raises
    InputError where the mask cannot be read, has another size than its image, or a defective sample has none.
    """
    if sample.mask is None:
        if sample.label:
            raise InputError(f"The defective image '{sample.path}' has no mask: add one.")
        return np.zeros((size, size), dtype=bool)
    defect = read_marks(sample.mask).defect
    check_size(sample, defect, upright_size(sample.path))
    small = np.asarray(Image.fromarray(defect.astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)) > 0
    if not small.any() and defect.any():
        y, x = (places * size // side for places, side in zip(np.nonzero(defect), defect.shape, strict=True))
        small = np.zeros((size, size), dtype=bool)
        small[y, x] = True
    return small


class Marks(NamedTuple):
    """Hold what a mask marks, at its own size."""

    defect: np.ndarray  # (H, W) bool
    labels: bool  # its values number regions; the commonest is the background
    between: float  # share of the pixels that are neither black nor white, where it has no labels


def read_marks(mask: Path) -> Marks:
    """Read what a mask marks; the masks of a folder all together.

    Greys above the middle of the mask's own range are defect: neither the noise of JPEG nor all of a soft edge counts.
    But numbered regions (3 to 16 values, up to 32, or one in between that fills areas; or 2 values without 0), and
    colours, are defect except for the commonest; of over 16 colours, those at least half as far from it as the
    furthest. Transparent pixels mark nothing. A single value marks all, or nothing if it is 0. Raises InputError where
    a file cannot be read, or the files of a folder differ in size.
    """
    if mask.is_dir():
        first, *others = images(mask)
        union = read_marks(first)
        for path in others:
            one = read_marks(path)
            if one.defect.shape != union.defect.shape:
                raise InputError(f"The masks '{first}' and '{path}' of one image differ in size: make them the same.")
            union = Marks(union.defect | one.defect, union.labels or one.labels, max(union.between, one.between))
        return union
    decoded = decode(mask)
    image, colours = decoded.image, decoded.deep
    if colours is None and image.mode in ("1", "L"):
        colours = np.asarray(image.convert("L"))
    if colours is not None and colours.ndim == 2:
        return _marks(colours)
    if colours is None:
        image = (image if "A" in image.getbands() or image.mode == "P" else image.convert("RGB")).convert("RGBA")
        colours = np.asarray(Image.alpha_composite(Image.new("RGBA", image.size, "black"), image))[..., :3]
        if (colours == colours[0, 0]).all() and (solid := np.asarray(image)[..., 3]).min() < solid.max():
            return _marks(solid)  # one colour: what it marks can only be where it is
    if (colours == colours[..., :1]).all():
        return _marks(colours[..., 0])
    values, counts = np.unique(colours.astype(np.int64) @ [1 << 32, 1 << 16, 1], return_counts=True)
    common = 0 if len(values) == 2 and not values[0] else values[counts.argmax()]
    away = np.abs(colours.astype(np.int64) - [common >> 32, common >> 16 & 65535, common & 65535]).max(2)
    if len(values) <= LABELS:
        return Marks(away > 0 if len(values) > 1 else away == 0, len(values) > 2, 0.0)
    return Marks(2 * away >= away.max(), False, float(((away > 0) & (away < away.max())).mean()))


def _marks(grey: np.ndarray) -> Marks:
    """Read a mask of grey values (H, W), none below 0."""
    if grey.dtype.kind == "u":
        values = np.flatnonzero(counts := np.bincount(grey.ravel()))  # many times as fast
        counts = counts[values]
    else:
        values, counts = np.unique(grey, return_counts=True)
    low, high, common = values[0], values[-1], values[counts.argmax()]
    if len(values) == 1:
        return Marks(grey > 0, False, 0.0)
    if len(values) == 2:
        return Marks(grey == high if low == 0 else grey != common, bool(low > 0), 0.0)
    between, tenth = (grey > low) & (grey < high), (high - low) / 10
    if len(values) <= LABELS:
        flat = ndimage.minimum_filter(grey, 3) == ndimage.maximum_filter(grey, 3)  # within an area, not at its edge
        small = high <= 32 and grey.dtype.kind != "f"
        if small or (flat & (grey > low + tenth) & (grey < high - tenth)).any():  # nearer is noise
            return Marks(grey != common, True, 0.0)
    return Marks(grey > low + (high - low) / 2, False, float(between.mean()))


def check_size(sample: Sample, defect: np.ndarray, size: tuple[int, int]) -> None:
    """Raise InputError where the mask of a sample, (H, W), has another size than its image, (W, H)."""
    height, width = defect.shape
    if (width, height) != size:
        raise InputError(
            f"The mask '{sample.mask}' is {width} x {height} pixels but its image "
            f"'{sample.path}' is {size[0]} x {size[1]}: make them the same size."
        )
