"""Read images and masks as arrays, one at a time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from hvqlib.data.layouts import Sample, images
from hvqlib.errors import InputError

Picture = str | Path | Image.Image | np.ndarray  # a file, or an image that is in memory already


def read_image(source: Picture) -> np.ndarray:
    """Decode one image, a file or a PIL image, into an array (H, W, 3) uint8; such an array is returned as it is.

    Every kind of pixel becomes 8-bit RGB: 16-bit grey is divided by 257 (65535 becomes 255), transparent pixels are
    laid on white, grey, palette, 1-bit and CMYK are converted. The camera's orientation tag is applied. Raises
    InputError where the file is missing, no image, cut short, unsafely large, or has pixels of over 16 bits, or the
    array has another shape or type.
    """
    if isinstance(source, np.ndarray):
        if source.dtype != np.uint8 or source.ndim != 3 or source.shape[2] != 3 or not source.size:
            raise InputError(f"An image should be uint8 of shape (H, W, 3), not {source.dtype} {source.shape}.")
        return source
    if not isinstance(source, str | Path | Image.Image):
        raise InputError(f"An image should be a file, a PIL image or an array, not {type(source).__name__}.")
    path, image = _name(source), _decode(source)
    if image.mode.startswith("I"):  # 16 bits; PIL's own conversion to 8 would clip at 255
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > 65535:
            raise InputError(f"The image '{path}' has pixels of over 16 bits: save it with 8 or 16.")
        return np.repeat(np.rint(values / 257).astype(np.uint8)[:, :, None], 3, axis=2)
    if image.mode == "F":
        raise InputError(f"The image '{path}' has pixels of 32-bit floats: save it with 8 or 16 bits.")
    if image.mode in ("RGBA", "RGBa", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))  # a copy: torch wants writable memory


def read_mask(sample: Sample, size: int) -> np.ndarray:
    """Read the defective pixels (size, size) bool of a sample, at the size the model works at.

    Any non-zero value of the mask file is defect (so save masks without loss, not as JPEG), in any file where the mask
    is a folder of files; a pixel of the smaller mask takes the value of the nearest pixel. All are False for a normal
    image. Raises InputError where the mask cannot be read, has another size than its image, or a defective sample has
    none.
    """
    if sample.mask is None:
        if sample.label:
            raise InputError(f"The defective image '{sample.path}' has no mask: add one.")
        return np.zeros((size, size), dtype=bool)
    defect = read_defect(sample.mask)
    check_size(sample, defect, _decode(sample.path).size)
    small = Image.fromarray(defect.astype(np.uint8)).resize((size, size), Image.Resampling.NEAREST)
    return np.asarray(small) > 0


def read_defect(mask: Path) -> np.ndarray:
    """Read the pixels (H, W) bool that a mask marks, at its own size; a folder's masks all together.

    Raises InputError where a file cannot be read, or the files of a folder differ in size.
    """
    if mask.is_dir():
        first, *others = images(mask)
        union = read_defect(first)
        for path in others:
            one = read_defect(path)
            if one.shape != union.shape:
                raise InputError(f"The masks '{first}' and '{path}' of one image differ in size: make them the same.")
            union |= one
        return union
    image = _decode(mask)
    if image.mode not in ("1", "L", "F") and not image.mode.startswith("I"):
        background = Image.new("RGBA", image.size, "black")  # a transparent pixel marks nothing
        image = Image.alpha_composite(background, image.convert("RGBA")).convert("RGB")
    defect = np.asarray(image) != 0
    return defect.any(axis=2) if defect.ndim == 3 else defect


def check_size(sample: Sample, defect: np.ndarray, size: tuple[int, int]) -> None:
    """Raise InputError where the mask of a sample, (H, W), has another size than its image, (W, H)."""
    height, width = defect.shape
    if (width, height) != size:
        raise InputError(
            f"The mask '{sample.mask}' is {width} x {height} pixels but its image "
            f"'{sample.path}' is {size[0]} x {size[1]}: make them the same size."
        )


def _decode(source: str | Path | Image.Image) -> Image.Image:
    """Decode and turn upright one image, whatever its mode; any failure is an InputError."""
    try:
        if isinstance(source, Image.Image):
            return ImageOps.exif_transpose(source)
        with Image.open(source) as image:
            image.load()  # Image.open reads only the header: a file cut short shows here
            return ImageOps.exif_transpose(image)
    except Image.DecompressionBombError as error:
        raise InputError(f"The image '{_name(source)}' is unsafely large: make it smaller ({error}).") from error
    except Exception as error:  # PIL raises OSError, ValueError, SyntaxError, struct.error, ...
        raise InputError(f"The image '{_name(source)}' cannot be read: replace it ({error}).") from error


def _name(source: str | Path | Image.Image) -> str:
    """Say what an error calls an image."""
    return getattr(source, "filename", "") or "in memory" if isinstance(source, Image.Image) else str(source)
