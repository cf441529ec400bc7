"""Features of image files, computed once and kept on disk."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from hvqlib import processes
from hvqlib.data.images import read_image
from hvqlib.errors import InputError
from hvqlib.features.backbone import Backbone
from hvqlib.features.feature_file import FeatureFile, Features

# Part of the cache's name: raise it when read_image, preprocess or forward change their results.
CACHE_VERSION = 3


def extract_features(
    backbone: Backbone,
    paths: Sequence[str | Path],
    cache: str | Path | None,
    batch_size: int = 16,
    progress: bool = False,
) -> torch.Tensor:
    """Features of image files, all in memory; with a `cache`, computed once and kept there.

    Parameters
    ----------
    backbone : Backbone
    paths : sequence of N paths
    cache : Path or None
        Folder of the file they are kept in (see `stored_features`); None keeps nothing. A folder that refuses gives
        one warning.
    batch_size : int
        Images that go through an accelerator at once. A CPU takes them one by one, which is as
        fast, and keeps results bit for bit the same whatever was kept before.
    progress : bool
        Show a bar on stderr.

    Returns
    -------
    Tensor of float32, shape (N, C, g, g), on the CPU

    Raises
    ------
    InputError
        An image cannot be read.
    """
    if cache is not None:
        try:
            return stored_features(backbone, paths, cache, batch_size, progress)[:]
        except OSError as error:
            warnings.warn(f"Features cannot be kept in '{cache}': going on without a cache ({error}).", stacklevel=2)
    features = torch.empty(len(paths), backbone.channels, backbone.grid, backbone.grid)
    for indices, values in _compute(backbone, paths, range(len(paths)), batch_size, progress):
        features[indices] = values
    return features


def stored_features(
    backbone: Backbone,
    paths: Sequence[str | Path],
    cache: str | Path,
    batch_size: int = 16,
    progress: bool = False,
) -> Features:
    """Features of image files, on disk: computed where they are not there yet, and read as they are indexed.

    One file in `cache` holds those of one backbone (by its fingerprint, image size and grid). A record in it is named
    by the SHA-256 of the image file, so it cannot be taken for another, and carries a checksum; one that fails it is
    computed again and replaced. Parameters as for `extract_features`. Raises OSError where the folder refuses.
    """
    about = json.dumps([CACHE_VERSION, backbone.fingerprint, backbone.image_size, backbone.grid])
    name = hashlib.sha256(about.encode()).hexdigest()[:16]
    file = FeatureFile(Path(cache) / f"{name}.features", (backbone.channels, backbone.grid, backbone.grid))
    keys = [_key(path) for path in paths]
    rows = [file.find(key) for key in keys]
    missing = [i for i, row in enumerate(rows) if row is None]
    for indices, values in _compute(backbone, paths, missing, batch_size, progress, len(paths)):
        for i, value in zip(indices, values, strict=True):
            rows[i] = file.write(keys[i], value)
    return Features(file, rows)  # type: ignore[arg-type]  # no None is left


def _compute(
    backbone: Backbone,
    paths: Sequence[str | Path],
    which: Sequence[int],
    batch_size: int,
    progress: bool,
    total: int = 0,
) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Indices, of `which`, and their features (b, C, g, g), a batch at a time."""
    from tqdm.auto import tqdm

    device = next(backbone.parameters()).device
    step = 1 if device.type == "cpu" else batch_size
    total = total or len(which)
    with tqdm(total=total, initial=total - len(which), desc="features", unit="image", disable=not progress) as bar:
        for start in range(0, len(which), step):
            batch = list(which[start : start + step])
            images = torch.stack([backbone.preprocess(read_image(paths[i])) for i in batch])
            with torch.no_grad():  # not inference_mode: its tensors could not be trained on
                values = backbone(images.to(device)).cpu()
            yield batch, values
            bar.update(len(batch))


def _key(path: str | Path) -> bytes:
    try:
        return hashlib.sha256(Path(path).read_bytes()).digest()
    except OSError as error:
        raise InputError(f"The image '{path}' cannot be read: replace it ({error}).") from error


def training_features(
    backbone: Backbone, paths: Sequence[Path], cache: str | Path | None, progress: bool
) -> Features | Tensor:
    """Features (N, C, H, W): on disk where there is a cache that can be written, else in memory.

    Of several processes on a machine one computes them, while the others wait.
    """
    for turn in (0, 1):
        if turn == min(processes.local_rank(), 1) and cache is not None:
            try:
                found = stored_features(backbone, paths, cache, progress=progress and processes.rank() == 0)
            except OSError as error:
                warnings.warn(f"Features cannot be kept in '{cache}': going on in memory ({error}).", stacklevel=3)
                cache = None
        processes.wait()
    return found if cache is not None else extract_features(backbone, paths, None, progress=progress)
