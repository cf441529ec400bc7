"""Notebook 13 on folders: small fake trees in the layouts of MVTec AD and VisA take the path that the data would."""

from __future__ import annotations

from pathlib import Path

import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks/13_reproduce_the_paper.ipynb"
SIDE = 96


def picture(random: np.random.Generator, rings: bool, hurt: bool) -> tuple[np.ndarray, np.ndarray]:
    """Rings or stripes with noise, (96, 96, 3) uint8, and the mask of a bright disc where there is one."""
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    wave = np.sin((np.hypot(x, y) if rings else x) / 4 + random.uniform(0, 1))
    image = 110 + 60 * wave[..., None] * [1, 0.8, 0.5] + random.normal(0, 6, (SIDE, SIDE, 3))
    mask = np.zeros((SIDE, SIDE), bool)
    if hurt:
        top, left = random.integers(-25, 25, 2)
        mask = np.hypot(x - left, y - top) < 12
        image[mask] = (250, 240, 30)
    return image.clip(0, 255).astype(np.uint8), mask


def save(path: Path, pixels: np.ndarray) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path.as_posix()


def fake_mvtec(root: Path, random: np.random.Generator) -> Path:
    """Two classes: 6 images to train on, 2 good, 2 defective with masks."""
    for name, rings in (("bottle", True), ("grid", False)):
        for folder, number in (("train/good", 6), ("test/good", 2), ("test/broken", 2)):
            for i in range(number):
                image, mask = picture(random, rings, folder == "test/broken")
                save(root / name / folder / f"{i:03}.png", image)
                if mask.any():
                    save(root / name / f"ground_truth/broken/{i:03}_mask.png", mask.astype(np.uint8) * 255)
    return root


def fake_visa(root: Path, random: np.random.Generator) -> Path:
    """The same for two of VisA's classes, with its table of splits."""
    rows = ["object,split,label,image,mask"]
    for name, rings in (("candle", True), ("pcb1", False)):
        data = f"{name}/Data"
        for i in range(8):
            image, _ = picture(random, rings, False)
            save(root / f"{data}/Images/Normal/{i:04}.JPG", image)
            rows.append(f"{name},{'train' if i < 6 else 'test'},normal,{data}/Images/Normal/{i:04}.JPG,")
        for i in range(2):
            image, mask = picture(random, rings, True)
            save(root / f"{data}/Images/Anomaly/{i:03}.JPG", image)
            save(root / f"{data}/Masks/Anomaly/{i:03}.png", mask.astype(np.uint8))
            rows.append(f"{name},test,anomaly,{data}/Images/Anomaly/{i:03}.JPG,{data}/Masks/Anomaly/{i:03}.png")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join(rows) + "\n")
    return root


def test_incomplete_data_sets_are_counted_and_rehearsed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    monkeypatch.setenv("HVQ_MVTEC", str(fake_mvtec(tmp_path / "mvtec", random)))
    monkeypatch.setenv("HVQ_VISA", str(fake_visa(tmp_path / "visa", random)))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    before = NOTEBOOK.read_bytes()
    work = tmp_path / "work"
    work.mkdir()
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(work)}}).execute()

    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert all(output.output_type != "error" and output.get("name") != "stderr" for output in outputs)
    said = "".join(output.text for output in outputs if output.output_type == "stream")
    assert NOTEBOOK.read_bytes() == before and not list(work.iterdir())

    assert "MVTec AD: incomplete\n" in said and "VisA: incomplete\n" in said
    for counted in ("classes: 2 of 15", "training images: 12 of 3,629", "test images: 8 of 1,725"):
        assert counted in said
    for counted in ("classes: 2 of 12", "training images: 12 of 8,659", "test images: 8 of 2,162",
                    "normal test images: 4 of 962", "pcb1: 6 training images, 4 test images"):  # fmt: skip
        assert counted in said
    assert "MVTec AD: REHEARSAL" in said and "VisA: REHEARSAL" in said and "foundry: REHEARSAL" not in said
    assert "not a reproduction" in said and "FULL RUN" not in said

    for name, classes in (("MVTec AD", ("bottle", "grid")), ("VisA", ("candle", "pcb1"))):
        assert f"{name}: stopped at step 15, went on with --resume to step 30" in said
        for one in classes:
            assert f"{name}, {one}: judged 2 normal and 2 defective test images" in said
    table = next(cell for cell in cells if "draw_table(job" in cell.source)
    assert sum("image/png" in output.get("data", {}) for output in table.outputs) == 2
    assert "✗" not in said
