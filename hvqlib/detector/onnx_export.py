"""Export a finished run to ONNX: everything from an image to its scores in one file, to be run without torch."""

from __future__ import annotations

import hashlib
import json
import logging
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from hvqlib.data.dataset import load_dataset
from hvqlib.data.images import Picture
from hvqlib.detector.detector import Detector
from hvqlib.detector.exported import FORMATS, ExportedDetector
from hvqlib.detector.pillow_resize import PILLOW, resize, rows_first
from hvqlib.detector.tiling import Tiles
from hvqlib.errors import InputError, RunError
from hvqlib.files import refuse_filled, whole_folder

OPSET = 18
MOST_IMAGES = 200  # that an export is compared on
TOLERANCE = 1e-4  # of a score, relative to it
OF_A_TIE = 1e-2  # of the few scores for which rounding chose another code
OF_A_MAP = 0.1  # of any of its values, relative to the score: another code at one place
INPUTS = {
    "image": "uint8 (H, W, 3): RGB, upright, of any size",
    "given_class": "int64 (1,): index into classes, or -1 to infer the class",
}
CUT_INPUTS = {
    "tiles": "uint8 (M, T, T, 3): RGB, the squares that show an upright image, row by row",
    "boxes": "float32 (M, 4): their left, top, right, bottom, as shares of the image's width and height",
    "given_class": INPUTS["given_class"],
}
OUTPUTS = {
    "anomaly_map": "float32 (S, S), in spreads of normal images; higher is worse",
    "score": "float32 (1,); defective if above the class's threshold",
    "class_id": "int64 (1,), given or inferred: index into classes",
    "spot": "float32 (1,): spreads by which the map's highest value is above that of a normal image",
    "picture": "float32 (1,): spreads by which the picture as a whole is further from normal ones than they are",
    "strangeness": "float32 (1,); above 1 the image is unlike every class",
}
LICENCE = (
    "Made by hvqlib (MIT licence). The weights of the backbone, {}, are others' work under their own licence; what "
    "else is in the model was learned from the images it was trained on, and their licence may bind it."
)


class OneImage(nn.Module):
    """Turn one image (H, W, 3) uint8 and its class id (1,), -1 to infer it, into what `OUTPUTS` names, in that order.

    An image at a time, so that its class is an index; classes that differ in a batch would need a loop.
    """

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector
        self.modules_of_it = nn.ModuleList(m for m in vars(detector).values() if isinstance(m, nn.Module))

    def forward(self, image: Tensor, given_class: Tensor) -> tuple[Tensor, ...]:
        return self.judge(self.features(image), given_class)

    def features(self, image: Tensor) -> Tensor:
        """Compute the standardised features (1, C, H, W) of an image (H, W, 3) uint8."""
        backbone = self.detector.backbone
        mean, std = (torch.tensor(values)[:, None, None] for values in (backbone.mean, backbone.std))
        pixels = (resize(image, backbone.image_size) - mean) / std  # (3, S, S)
        return self.detector.standardize(backbone(pixels[None]))

    def judge(self, features: Tensor, given_class: Tensor, tiles: Tiles | None = None) -> tuple[Tensor, ...]:
        """Turn standardised features (1, C, H, W), of an image in M tiles (M, C, H, W), and a class id (1,) into it."""
        ids = torch.where(given_class < 0, self.detector.guess(features, tiles)[0], given_class)
        maps, scores, spots, pictures, ids, strangeness = self.detector.read(features, ids, tiles=tiles)
        return maps[0], scores, ids, spots, pictures, strangeness


class OneCutImage(nn.Module):
    """Turn the M tiles of an image (M, T, T, 3) uint8, their boxes (M, 4) and its class id (1,) into the same."""

    def __init__(self, detector: Detector, rows: int, columns: int) -> None:
        super().__init__()
        self.one = OneImage(detector)
        places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns)) + 0.5  # (M, 2)
        self.row, self.column = (places / torch.tensor([rows, columns])).unbind(1)

    def forward(self, tiles: Tensor, boxes: Tensor, given_class: Tensor) -> tuple[Tensor, ...]:
        detector, number, side = self.one.detector, len(self.row), tiles.shape[1]
        backbone = detector.backbone
        mean, std = (torch.tensor(values)[:, None, None] for values in (backbone.mean, backbone.std))
        together = rows_first(tiles.permute(1, 2, 3, 0).reshape(side, tiles.shape[2], 3 * number), backbone.image_size)
        pixels = (together.view(3, number, *together.shape[1:]).transpose(0, 1) - mean) / std  # (M, 3, S, S)
        whole = Tiles(1, [], torch.zeros(number, dtype=torch.long), boxes, self.row, self.column)
        return self.one.judge(detector.standardize(backbone(pixels)), given_class, whole)


def export_onnx(run: Path, out: Path, data: Path) -> dict[str, float]:
    """Export a finished run into a folder `out`, as `model.onnx` and `detector.json`, whole or not at all.

    The export is compared with the run on training images of `data`, at most 200. Returns what :func:`compare` does.
    Raises InputError where `out` holds something, and RunError where the file gives another class, verdict or score.
    """
    for package in ("onnx", "onnxscript", "onnxruntime"):
        try:
            __import__(package)
        except ImportError as error:
            raise InputError(f"hvq export --onnx needs {package}: pip install 'hvqlib[onnx]'.") from error
    refuse_filled(out, "choose another --onnx")
    train = load_dataset(data).train
    paths = [train[i].path for i in np.linspace(0, len(train) - 1, min(len(train), MOST_IMAGES)).round().astype(int)]
    detector = Detector.load(run, "cpu")
    if len(layouts := sorted(set(detector.tiling.layouts))) > 1:
        cut = ", ".join(f"{rows} x {columns}" for rows, columns in layouts)
        raise InputError(f"{run} cuts its classes into {cut} tiles, and one file holds one of them: use --run.")
    with whole_folder(out) as made:
        made.mkdir()
        write_model(detector, made / "model.onnx")
        text = json.dumps(describe(detector, (made / "model.onnx").read_bytes()), indent=1)
        (made / "detector.json").write_text(text + "\n", encoding="utf-8")
        return compare(detector, ExportedDetector.load(made / "model.onnx"), paths)


def write_model(detector: Detector, path: Path) -> None:
    """Write the ONNX file."""
    example: tuple = (torch.zeros(97, 89, 3, dtype=torch.uint8), torch.tensor([-1]))
    sizes: tuple = ({0: "height", 1: "width"}, {})
    inputs = INPUTS
    model: nn.Module = OneImage(detector)
    if detector.config.fit != "squeeze":
        rows, columns = detector.tiling.layouts[0]
        number = rows * columns
        boxes = torch.tensor([[0.0, 0.0, 1.0, 1.0]] * number)
        example = (torch.zeros(number, 97, 97, 3, dtype=torch.uint8), boxes, torch.tensor([-1]))
        sizes, inputs = ({1: "side", 2: "side"}, {}, {}), CUT_INPUTS
        model = OneCutImage(detector, rows, columns)
    try:
        write_program(model, dict(zip(inputs, example, strict=True)), tuple(OUTPUTS), path, sizes)
    except Exception as error:  # whatever the exporter meets in a network of timm
        why = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise RunError(f"A run with the backbone {detector.config.backbone} cannot be exported ({why[0]}).") from error


def write_program(
    model: nn.Module, example: dict[str, Tensor], outputs: Sequence[str], path: Path, sizes: tuple | None = None
) -> None:
    """Write a module as ONNX, with an example of its inputs by name; `sizes` names those of their axes that vary."""
    heard = logging.getLogger("torch.onnx").level
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the exporter's own making
            logging.getLogger("torch.onnx").setLevel(logging.ERROR)
            program = torch.onnx.export(
                model.eval(), tuple(example.values()), dynamo=True, opset_version=OPSET, dynamic_shapes=sizes,
                input_names=list(example), output_names=list(outputs), verbose=False,
            )  # fmt: skip
    finally:
        logging.getLogger("torch.onnx").setLevel(heard)
    assert program is not None
    program.save(path, external_data=False)


def describe(detector: Detector, model: bytes) -> dict[str, object]:
    """Say what `detector.json` holds: all that is not in the model of those bytes."""
    normal, backbone = detector.calibration, detector.backbone
    rate, every = normal.usual_rate, torch.arange(len(detector.classes))
    cut = detector.config.fit != "squeeze"
    return {
        "format": FORMATS[cut],
        "hvqlib": metadata.version("hvqlib"),
        "opset": OPSET,
        "model_sha256": hashlib.sha256(model).hexdigest(),
        "licence": LICENCE.format(backbone.name),
        "classes": list(detector.classes),
        "inputs": CUT_INPUTS if cut else INPUTS,
        "outputs": OUTPUTS,
        "image_size": backbone.image_size,
        "layout": detector.tiling.layouts[0] if cut else None,
        "preprocessing": {
            "where": "in the model, all but the cutting" if cut else "in the model",
            "resize": f"bilinear with antialiasing, to a square, to the bit as Pillow {PILLOW}",
            "mean": backbone.mean.tolist(),
            "std": backbone.std.tolist(),
        },
        "white": detector.white,
        "promise": detector.promise,
        "false_alarm": rate,
        "thresholds": normal.threshold(rate, every).tolist(),
        "pixel_thresholds": normal.pixel_threshold(rate, every).tolist(),
        "image_mean": normal.image_mean.tolist(),
        "image_spread": normal.image_spread.tolist(),
        "map_mean": normal.map_mean.tolist(),
        "map_spread": normal.map_spread.tolist(),
        "held_out_scores": normal.scores.tolist(),
        "held_out_peaks": normal.peaks.tolist(),
        "p_values": normal.bounds().tolist(),
        "config": asdict(detector.config),
    }


def compare(detector: Detector, exported: ExportedDetector, images: Sequence[Picture]) -> dict[str, float]:
    """Judge images by both; returns their number, the largest relative differences, and how many scores had a tie.

    Where two codes are equally near but for rounding, either may be taken, and a score moves by more: of 310 images one
    did, by 2e-4. A verdict may differ where the score is on the threshold but for rounding. Differences are relative to
    the score, or to a spread of its class if that is larger. Raises RunError where the two differ by more.
    """
    found: dict[str, float] = {"images": len(images), "score": 0.0, "map": 0.0, "ties": 0}
    for image in images:
        (one,), (other,) = detector.judge([image]), exported.judge([image])
        if one.class_name != other.class_name:
            wrong = f"'{image}' for {other.class_name}, the run for {one.class_name}: it is not kept."
            raise RunError(f"The export takes {wrong}")
        unit = max(abs(one.score), float(exported.image_spread[exported.classes.index(one.class_name)]))
        away = abs(one.score - other.score) / unit
        found["ties"] += away > TOLERANCE
        if not away <= OF_A_TIE or found["ties"] > max(1, len(images) // 50):
            raise RunError(f"The export scores '{image}' {other.score:.6g}, the run {one.score:.6g}: it is not kept.")
        if one.verdict != other.verdict and abs(one.score - one.threshold) > TOLERANCE * unit:
            wrong = f"'{image}' {other.row()['verdict']}, the run {one.row()['verdict']}: it is not kept."
            raise RunError(f"The export judges {wrong}")
        found["score"] = max(found["score"], away)
        apart = float(np.abs(one.anomaly_map - other.anomaly_map).max()) / unit
        if not apart <= OF_A_MAP:
            raise RunError(f"The export's map of '{image}' differs by {apart:.3g} of its score: it is not kept.")
        found["map"] = max(found["map"], apart)
    return found
