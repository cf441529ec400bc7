"""Compute features of images once, and keep them on disk where there is a cache, else in memory."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch

from hvqlib import processes
from hvqlib.data.decoding import White
from hvqlib.data.images import Picture, read_image
from hvqlib.data.tiles import Tile
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.feature_file import FeatureFile, Features
from hvqlib.progress import Progress, in_notebook

# Part of the cache's name: raise it when read_image, preprocess or forward change their results.
CACHE_VERSION = 4
BATCH = 16  # images that go through an accelerator at once


def features_of_images(
    backbone: Backbone,
    images: Sequence[Picture | Tile],
    cache: str | Path | None = None,
    progress: bool = False,
    white: White = None,
) -> torch.Tensor | Features:
    """Compute the features (N, C, g, g) of images, or read them where they were computed before.

    Parameters
    ----------
    images : N files, or tiles of files; or PIL images and arrays (H, W, 3) uint8, whose features are not kept.
    cache : folder of the file in which the features of image files are kept (see `stored_features`); None keeps
        nothing. A folder that refuses gives one warning.
    progress : show a bar on stderr; a notebook shows one in any case.
    white : the value of full brightness in images of more than 8 bits, as for `read_image`.

    Returns
    -------
    With a cache, rows on disk that are read as they are indexed (``[:]`` reads all); else a float32 tensor on the CPU.
    Of several processes on a machine one computes what is to be kept, while the others wait. Raises InputError where an
    image cannot be read.
    """
    files = [image for image in images if isinstance(_whole(image), str | Path)]
    stored = None
    if cache is not None and len(files) == len(images):
        for turn in (0, 1):
            if turn == min(processes.local_rank(), 1):
                try:
                    stored = stored_features(backbone, files, cache, progress, white)
                except OSError as error:
                    told = f"Features cannot be kept in '{cache}': they are held in memory ({error})."
                    warnings.warn(told, stacklevel=2)
            processes.wait()
    if stored is not None:
        return stored
    features = torch.empty(len(images), backbone.channels, backbone.grid, backbone.grid)
    for indices, values in _compute(backbone, images, range(len(images)), progress, white):
        features[indices] = values
    return features


def stored_features(
    backbone: Backbone, paths: Sequence[Picture | Tile], cache: str | Path, progress: bool = False, white: White = None
) -> Features:
    """Keep the features (N, C, g, g) of image files on disk: computed where they are not there yet.

    One file in `cache` holds those of one backbone (by its fingerprint, image size and grid) and one `white`. A record
    in it is named by the SHA-256 of the image file, so it cannot be taken for another, and carries a checksum; one that
    fails it is computed again and replaced. Parameters as for `features_of_images`. Raises OSError where the folder
    refuses.
    """
    about = [CACHE_VERSION, backbone.fingerprint, backbone.image_size, backbone.grid]
    kept_for = json.dumps(about if white is None else [*about, white])
    name = hashlib.sha256(kept_for.encode()).hexdigest()[:16]
    file = FeatureFile(Path(cache) / f"{name}.features", (backbone.channels, backbone.grid, backbone.grid))
    keys = list(_keys(paths))
    rows = [file.find(key) for key in keys]
    missing = [i for i, row in enumerate(rows) if row is None]
    for indices, values in _compute(backbone, paths, missing, progress, white):
        for i, value in zip(indices, values, strict=True):
            rows[i] = file.write(keys[i], value)
    return Features(file, rows)  # type: ignore[arg-type]  # no None is left


def _compute(
    backbone: Backbone, images: Sequence[Picture | Tile], which: Sequence[int], progress: bool, white: White
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Yield indices, of `which`, and their features (b, C, g, g), a batch at a time."""
    device = next(backbone.parameters()).device
    step = 1 if device.type == "cpu" else BATCH  # one by one is as fast there, and the bits never depend on neighbours
    done = len(images) - len(which)
    last: Picture | None = None  # decoded once for all its tiles
    pixels = np.empty(0)

    def read(image: Picture | Tile) -> np.ndarray:
        nonlocal last, pixels
        if not isinstance(image, Tile):
            return read_image(image, white)
        if image.image is not last:
            last, pixels = image.image, read_image(image.image, white)
        return image.of(pixels)

    words = {"desc": "features", "unit": "image", "disable": not (progress or in_notebook())}
    with Progress(total=len(images), initial=done, **words) as bar:
        for start in range(0, len(which), step):
            batch = list(which[start : start + step])
            seen = torch.stack([backbone.preprocess(read(images[i])) for i in batch])
            with torch.no_grad():  # not inference_mode: its tensors could not be trained on
                values = backbone(seen.to(device)).cpu()
            yield batch, values
            bar.update(len(batch))


def _whole(image: Picture | Tile) -> Picture:
    return image.image if isinstance(image, Tile) else image


def _keys(images: Sequence[Picture | Tile]) -> Iterator[bytes]:
    """Name images by what is in their files, each read once for all its tiles."""
    last, whole = None, hashlib.sha256()
    for image in images:
        path = _whole(image)
        assert isinstance(path, str | Path)
        if path is not last:
            try:
                last, whole = path, hashlib.sha256(Path(path).read_bytes())
            except OSError as error:
                raise InputError(f"The image '{path}' cannot be read: replace it ({error}).") from error
        digest = whole.copy()
        if isinstance(image, Tile):
            digest.update(repr(image.box).encode())
        yield digest.digest()
