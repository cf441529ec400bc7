"""Share a small run on pictures of every product of foundry, and its export."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from hvqlib.config import Config
from hvqlib.data.dataset import AnomalyDataset, load_dataset


@dataclass
class Exported:
    data: AnomalyDataset
    run: Path
    folder: Path  # with model.onnx and detector.json
    found: dict[str, float]  # what export_onnx returned


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """A run of seven products, 10 images of each of the six drawn ones, exported."""
    from hvqlib.course.foundry.dataset import draw_foundry
    from hvqlib.detector.onnx_export import export_onnx
    from hvqlib.training.train import train

    root = tmp_path_factory.mktemp("exported")
    draw_foundry(root / "data", counts={"train": 10, "good": 2, "defective": 2}, workers=1)
    shutil.copytree(Path(__file__).parents[2] / "data" / "ballscrew", root / "data" / "ballscrew")
    config = Config(image_size=96, grid=6, width=16, heads=2, feedforward=32, layers=2, codes=16, rank=4, steps=60)
    data = load_dataset(root / "data")
    run = train(config, data, root / "run", progress=False)
    found = export_onnx(run, root / "onnx", root / "data")
    return Exported(data, run, root / "onnx", found)
