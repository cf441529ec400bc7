"""Give the notebooks their material: data sets, the shipped detector, and what is true of samples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from hvqlib.course.feature_pictures import PictureDecoder
from hvqlib.course.foundry.dataset import PHOTOGRAPHED, draw_picture, make_foundry
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_mask
from hvqlib.data.layouts import Sample
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.evaluation.figures import outline, thumbnail
from hvqlib.files import data_folder

# A run has one of these files, or an export, and it has that key.
MADE = {"config.json": "backbone_fingerprint", "images.json": "class_ids", "detector.json": "model_sha256"}


def cache_folder() -> Path:
    """Name the folder in which the frozen features of image files are kept."""
    return data_folder(make=True) / "cache"


def results_folder() -> Path:
    """Find the folder of saved results, a csv for each table; raises InputError where there is none."""
    return _part("results")


def foundry() -> AnomalyDataset:
    """Load the bundled data set; the first call makes it in the data folder (about a minute)."""
    root = data_folder(make=True) / "foundry"
    make_foundry(root)
    return load_dataset(root)


def shipped() -> Detector:
    """Load the detector that comes with the project, trained on foundry; `data/README.md` says by which commands.

    Raises InputError where the data folder cannot be found, or has no such detector.
    """
    return Detector.load(_part("checkpoints/foundry"), "cpu")


def pictures() -> PictureDecoder:
    """Load the network from shipped()'s standardised features to pictures, which serves for looking only."""
    return PictureDecoder.load(_part("checkpoints/pictures.safetensors"))


def features(detector: Detector, samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """Compute the standardised features (N, C, H, W) and the class ids (N,) of samples; kept in the cache folder."""
    class_ids = torch.tensor([detector.classes.index(sample.class_name) for sample in samples], dtype=torch.long)
    return detector.features([sample.path for sample in samples], cache_folder()), class_ids


class Truth(NamedTuple):
    """Hold what is true of N samples."""

    labels: np.ndarray  # (N,) int: 0 normal, 1 defective
    class_ids: np.ndarray  # (N,) int
    masks: np.ndarray  # (N, S, S) bool: True on a defect
    token_share: np.ndarray  # (N, g, g) float: share of each token's pixels that are defective


def truth(samples: Sequence[Sample], side: int = 224, grid: int = 14) -> Truth:
    """Read labels, class ids, masks (N, side, side) and the defective share per token (N, grid, grid) of samples.

    Raises InputError where `side` is no multiple of `grid`, or a defective sample has no mask.
    """
    if side % grid:
        raise InputError(f"side {side} is no multiple of grid {grid}: tokens would share pixels.")
    labels, class_ids = (np.array([getattr(s, name) for s in samples], np.int64) for name in ("label", "class_id"))
    masks = np.stack([read_mask(sample, side) for sample in samples])
    cell = side // grid
    return Truth(labels, class_ids, masks, masks.reshape(-1, grid, cell, grid, cell).mean((2, 4)))


def outlined(sample: Sample, side: int = 224) -> np.ndarray:
    """Read a sample as the network sees it, (side, side, 3) uint8, with its defect, if it has one, outlined."""
    picture = thumbnail(sample.path, side)
    return picture if sample.mask is None else outline(picture, read_mask(sample, side))


def clean_twin(sample: Sample) -> np.ndarray:
    """Draw a defective foundry image again without its defect: the same picture (256, 256, 3) uint8 but for the defect.

    Raises InputError for a sample that is not a defective image of foundry, or is a photograph.
    """
    recipe = sample.path.absolute().parents[3] / "foundry.json"  # of ROOT/CLASS/test/DEFECT/NUMBER.png
    if not sample.label or not recipe.is_file():
        raise InputError(f"'{sample.path}' is not a defective image of foundry: it has no clean twin.")
    if sample.class_name == PHOTOGRAPHED:
        raise InputError(f"'{sample.path}' is a photograph: it has no clean twin, which only a drawn product has.")
    seed = json.loads(recipe.read_text(encoding="utf-8"))["seed"]
    return draw_picture(sample.class_name, "defective", int(sample.path.stem), seed)[0]


def _part(name: str) -> Path:
    """A part of the data folder that comes with the project."""
    path = data_folder() / name
    if not path.exists():
        raise InputError(f"'{path}' is not there: set HVQ_DATA to the folder 'data' of a checkout, or work in one.")
    return path


def fresh(folder: str | Path) -> Path:
    """Make way for a run or an export: an earlier one of the same name is removed; anything else is an InputError."""
    folder = Path(folder)
    if folder.is_dir():
        if any(path.is_file() for path in folder.rglob("*")) and not any(
            _holds(folder / name, key) for name, key in MADE.items()
        ):
            raise InputError(f"'{folder}' holds something that no training made: move it elsewhere.")
        shutil.rmtree(folder)
    return folder


def _holds(path: Path, key: str) -> bool:
    """Say whether a file is JSON with that key."""
    try:
        return key in json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        return False
