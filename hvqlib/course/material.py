"""What the notebooks share: data and the shipped detector."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from hvqlib.course.feature_pictures import PictureDecoder
from hvqlib.course.foundry.dataset import draw_foundry
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.layouts import Sample
from hvqlib.detector.detector import Detector
from hvqlib.features.extraction import extract_features

DATA = Path(__file__).resolve().parents[2] / "data"


CACHE = DATA / "cache"


def foundry() -> AnomalyDataset:
    """The bundled data set. The first call draws it into data/foundry (about a minute), later ones find it there."""
    draw_foundry(DATA / "foundry")
    return load_dataset(DATA / "foundry")


def shipped() -> Detector:
    """The detector that comes with the project, trained on foundry; `data/README.md` has the commands that made it."""
    return Detector.load(DATA / "checkpoints" / "foundry", "cpu")


def pictures() -> PictureDecoder:
    """From shipped()'s standardised features to pictures, only for looking; comes with the project as well."""
    return PictureDecoder.load(DATA / "checkpoints" / "pictures.safetensors")


def features(detector: Detector, samples: Sequence[Sample]) -> tuple[Tensor, Tensor]:
    """Standardised features (N, C, H, W) of samples, and their class ids (N,); cached in data/cache."""
    raw = extract_features(detector.backbone, [sample.path for sample in samples], CACHE, progress=False)
    return detector.standardize(raw), torch.tensor([sample.class_id for sample in samples])
