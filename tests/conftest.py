"""Share a small data set on disk and a configuration that trains in seconds. Imports nothing heavy."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pytest
from filelock import FileLock
from PIL import Image

from hvqlib.config import Config

if TYPE_CHECKING:
    from hvqlib.data.dataset import AnomalyDataset

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before anything loads torch


def script(name: str) -> ModuleType:
    """Load a script of docs/ as a module."""
    spec = importlib.util.spec_from_file_location(name, Path(__file__).parents[1] / "docs" / f"{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # a dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def small_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of striped 64 x 64 pictures: 8 to train on, 3 good, 3 with a bright square. "stone" has no masks."""
    root = tmp_path_factory.mktemp("small")
    random = np.random.RandomState(0)

    def picture(vertical: bool, hurt: bool) -> tuple[np.ndarray, np.ndarray]:
        wave = np.sin(np.arange(64) / 3 + random.uniform(0, 6))
        image = 120 + 60 * np.broadcast_to(wave if vertical else wave[:, None], (64, 64))[..., None]
        image = image + random.normal(0, 8, (64, 64, 3))
        mask = np.zeros((64, 64), bool)
        if hurt:
            y, x = random.randint(8, 40, 2)
            mask[y : y + 16, x : x + 16] = True
            image[mask] = (250, 30, 30)
        return image.clip(0, 255).astype(np.uint8), mask

    for name, vertical in (("cloth", True), ("stone", False)):
        for folder, count in (("train/good", 8), ("test/good", 3), ("test/spot", 3)):
            (root / name / folder).mkdir(parents=True)
            for i in range(count):
                image, mask = picture(vertical, folder.endswith("spot"))
                Image.fromarray(image).save(root / name / folder / f"{i:03d}.png")
                if folder.endswith("spot") and name == "cloth":
                    (root / name / "ground_truth/spot").mkdir(parents=True, exist_ok=True)
                    Image.fromarray(mask.astype(np.uint8) * 255).save(
                        root / name / f"ground_truth/spot/{i:03d}_mask.png"
                    )
    return root


@dataclass
class Exported:
    data: AnomalyDataset
    run: Path
    folder: Path  # with model.onnx and detector.json
    found: dict[str, float]  # what export_onnx returned


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that all processes of a run share."""
    home = tmp_path_factory.getbasetemp()
    return home.parent if "PYTEST_XDIST_WORKER" in os.environ else home


@pytest.fixture(scope="session")
def exported(shared: Path) -> Exported:
    """A run of seven products, 10 images of each of the six drawn ones, exported: once, by who first asks for it."""
    from hvqlib.course.foundry.dataset import draw_foundry
    from hvqlib.data.dataset import load_dataset
    from hvqlib.detector.onnx_export import export_onnx
    from hvqlib.training.train import train

    root = shared / "exported"
    with FileLock(shared / "exported.lock"):
        if not (root / "found.json").exists():
            shutil.rmtree(root, ignore_errors=True)
            draw_foundry(root / "data", counts={"train": 10, "good": 2, "defective": 2}, workers=1)
            shutil.copytree(Path(__file__).parents[1] / "data" / "ballscrew", root / "data" / "ballscrew")
            config = Config(
                image_size=96, grid=6, width=16, heads=2, feedforward=32, layers=2, codes=16, rank=4, steps=60
            )
            run = train(config, load_dataset(root / "data"), root / "run", progress=False)
            found = export_onnx(run, root / "onnx", root / "data")
            (root / "found.json").write_text(json.dumps(found))
    found = json.loads((root / "found.json").read_text())
    return Exported(load_dataset(root / "data"), root / "run", root / "onnx", found)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many outputs of notebooks nobody compares: they should stay the exception."""
    import nbformat

    cells = [cell for path in Path("notebooks").rglob("*.ipynb") for cell in nbformat.read(path, 4).cells]
    code = [cell for cell in cells if cell.cell_type == "code"]
    loose = sum("nbval-ignore-output" in cell.metadata.get("tags", ()) for cell in code)
    terminalreporter.write_line(f"notebooks: {len(code)} code cells, outputs not compared in {loose}")


@pytest.fixture
def own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder that only this test knows, in place of the project's."""
    folder = tmp_path / "own_data"
    folder.mkdir()
    monkeypatch.setenv("HVQ_DATA", str(folder))
    return folder


@pytest.fixture(scope="session")
def small_config() -> Config:
    """A model of a few thousand weights."""
    return Config(image_size=64, grid=4, width=16, heads=2, feedforward=32, layers=2, codes=16, batch_size=4, steps=12)
