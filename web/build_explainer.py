"""Build the explainer: the shipped detector, running in a browser tab, as one file that also works from disk.

    python web/build_explainer.py [OUT]

Writes OUT (site/explainer.html): the sources of this folder bundled, the detector and its continuous counterpart in
ONNX, onnxruntime for the browser, and the pictures of the guided tour with what the detector makes of them. Needs npm,
which installs what package-lock.json names.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from npm import WEB, install
from PIL import Image
from safetensors.torch import load_file
from scipy.stats import binom
from torch import Tensor, nn

from hvqlib.course.material import cache_folder, foundry, shipped
from hvqlib.course.painting import COLOURS, HEAT_TABLE
from hvqlib.course.results import read_rows
from hvqlib.data.images import read_image, read_mask
from hvqlib.data.layouts import Sample
from hvqlib.detector.detector import Detector
from hvqlib.detector.onnx_export import OUTPUTS, OneImage, describe, write_program
from hvqlib.errors import InputError
from hvqlib.evaluation.figures import thumbnail
from hvqlib.false_alarms import CONFIDENCE
from hvqlib.files import data_folder, write_atomic
from hvqlib.model.hvq_trans import HVQTrans

ROOT = WEB.parent
KEPT = 32  # directions in which patches are compared
NEAREST = 6  # patches that stand for a prototype
PICTURES = 5  # of each product: a normal one, and defects of several kinds
FIRST, SHOWN = "board", 1  # the product that is open at first, and which of its pictures
OWN = tuple(OUTPUTS)  # what an exported detector gives anyway


class InSteps(nn.Module):
    """Turn an image (H, W, 3) uint8 and its class id (1,) into its verdict and all that lies before it."""

    names = (*OWN, "features", "reconstruction", "code_ids", "distances")

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.one, self.model = OneImage(detector), detector.model

    def forward(self, image: Tensor, given_class: Tensor) -> tuple[Tensor, ...]:
        features = self.one.features(image)
        verdict = self.one.judge(features, given_class)
        class_id = verdict[OWN.index("class_id")]
        output = self.model(features, class_id)
        away = []
        for level, quantizer in enumerate(self.model.quantizer.quantizers):
            codes = quantizer.lookup(output.code_ids[:, level], class_id)
            usual = quantizer.error[class_id].clamp(min=1e-12).sqrt()
            away.append(torch.linalg.vector_norm(output.tokens[level] - codes, dim=2) / usual)
        return *verdict, features[0], output.reconstruction[0], output.code_ids[0], torch.cat(away)


class Rebuild(nn.Module):
    """Turn features (1, C, H, W) and a class id (1,) into a model's reconstruction (C, H, W)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, features: Tensor, class_id: Tensor) -> Tensor:
        return self.model(features, class_id).reconstruction[0]


def continuous(detector: Detector) -> HVQTrans:
    """Load the model without codebooks that was trained as the shipped detector was (benchmarks/ship_continuous.py)."""
    settings = {**vars(detector.config), "method": "continuous"}
    model = HVQTrans(type(detector.config)(**settings), detector.backbone.channels, len(detector.classes))
    weights = load_file(data_folder() / "checkpoints/continuous.safetensors")
    model.load_state_dict({name: value.float() for name, value in weights.items()})
    return model.eval()


def models(detector: Detector, twin: HVQTrans) -> tuple[bytes, bytes]:
    """Write both models in ONNX."""
    image, class_id = torch.zeros(97, 89, 3, dtype=torch.uint8), torch.tensor([-1])
    features = torch.zeros(1, detector.backbone.channels, *twin.grid)
    with TemporaryDirectory() as folder:
        steps, rebuilt = Path(folder, "steps.onnx"), Path(folder, "rebuilt.onnx")
        write_program(InSteps(detector), {"image": image, "given_class": class_id}, InSteps.names, steps,
                      ({0: "height", 1: "width"}, {}))  # fmt: skip
        write_program(Rebuild(twin), {"features": features, "class_id": class_id.abs()}, ("reconstruction",), rebuilt)
        return steps.read_bytes(), rebuilt.read_bytes()


def flat(maps: Tensor) -> Tensor:
    """Turn maps (N, C, H, W) into tokens (N, L, C)."""
    return maps.flatten(2).transpose(1, 2)


def atlas(code_ids: Mapping[str, Tensor], distances: Mapping[str, Tensor], codes: int) -> np.ndarray:
    """Find the patches closest to each prototype of a class, at most one an image: (levels, codes, NEAREST) uint16.

    A patch is image x 196 + place; 65535 where a prototype has no more.
    """
    found = np.full((len(code_ids), codes, NEAREST), 65535, np.uint16)
    for level, name in enumerate(code_ids):
        ids, away = code_ids[name], distances[name]  # (N, L)
        for k in ids.unique().tolist():
            best, place = torch.where(ids == k, away, torch.inf).min(1)  # (N,)
            for i, image in enumerate(best.argsort()[:NEAREST].tolist()):
                if best[image] < torch.inf:
                    found[level, k, i] = image * ids.shape[1] + int(place[image])
    return found


def directions(tokens: Tensor, count: int) -> Tensor:
    """Find the directions (C, count) in which tokens (M, C) vary most."""
    centred = (tokens - tokens.mean(0)).double()
    return torch.linalg.eigh(centred.T @ centred).eigenvectors[:, -count:].flip(1).float()


def encoded(picture: Image.Image, kind: str, **settings: Any) -> str:
    """Encode a picture as a data URL."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"


def sheet(samples: list[Sample]) -> str:
    """Lay the pictures of samples, as the network sees them, on one sheet, eight in a row: a data URL."""
    side, columns = 224, 8
    laid = Image.new("RGB", (columns * side, -(-len(samples) // columns) * side))
    for i, sample in enumerate(samples):
        laid.paste(Image.fromarray(thumbnail(sample.path, side)), (i % columns * side, i // columns * side))
    return encoded(laid, "WEBP", quality=80, method=4)


def chosen(samples: list[Sample]) -> list[Sample]:
    """Choose a normal test image and one of each kind of defect, as many as there is room for."""
    kinds: dict[str, Sample] = {}
    for sample in samples:
        kinds.setdefault(sample.defect if sample.label else "", sample)
    picked = [kinds.pop(""), *kinds.values()][:PICTURES]
    more = [s for s in samples if s.label and s not in picked]
    return picked + more[3 : 3 + PICTURES - len(picked)]


def shown(sample: Sample, class_id: int) -> dict[str, Any]:
    """Describe a picture of the tour, to the last bit what the detector is given."""
    pixels = Image.fromarray(read_image(sample.path))
    told: dict[str, Any] = {"picture": encoded(pixels, "WEBP", lossless=True), "class_id": class_id}
    told |= {"label": sample.label, "defect": sample.defect}
    if sample.label:
        mask = Image.fromarray(read_mask(sample, 224).astype(np.uint8) * 255).convert("1")
        told["mask"] = encoded(mask, "PNG", optimize=True)
    return told


def block(name: str, content: bytes) -> str:
    """Write bytes into the page, compressed."""
    text = base64.b64encode(gzip.compress(content, 9, mtime=0)).decode()
    return f'<script type="text/plain" id="block-{name}">{text}</script>\n'


def packed(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Put arrays one after the other, behind a line of JSON that says which; each begins at a multiple of 4 bytes."""
    told, parts, at = {}, [], 0
    for name, array in arrays.items():
        content = np.ascontiguousarray(array).tobytes()
        told[name] = {"type": array.dtype.name, "from": at, "length": array.size}
        parts.append(content + bytes(-len(content) % 4))
        at += len(parts[-1])
    head = json.dumps(told).encode() + b"\n"
    return head + b"".join(parts)


def measured() -> dict[str, Any]:
    """Pick what the tour says of both models: the rows of data/results/."""
    rows = read_rows(data_folder() / "results" / "methods.csv")
    told = {}
    for variant in ("full", "continuous"):
        mine = [r for r in rows if (r["variant"], r["data"], r["seed"]) == (variant, "foundry", "0")]
        told[variant] = {k: float(mine[0][k]) for k in ("image_auroc", "pixel_auroc", "aupro")}
    return told


@torch.no_grad()
def content() -> tuple[dict[str, Any], dict[str, np.ndarray], dict[str, Any], bytes, bytes]:
    """Compute what the page holds: what it shows first, arrays, pictures, and the two models."""
    dataset, detector = foundry(), shipped()
    twin = continuous(detector)
    classes, codes = detector.classes, detector.config.codes
    model, other = models(detector, twin)
    features, atlases, patch_features, sheets = [], [], [], []
    train = [[s for s in dataset.train if s.class_name == name] for name in classes]
    for samples in train:
        look = detector.look([s.path for s in samples], samples[0].class_name, cache=cache_folder())
        features.append(flat(look.features))
        atlases.append(atlas(look.code_ids, look.code_distances, codes))
        sheets.append(sheet(samples))
    every = torch.cat(features).flatten(0, 1)
    wide = directions(every, KEPT)
    unit = float((every @ wide).abs().max() / 127)
    room = max(len(f) for f in features)
    for tokens in features:
        mine = (tokens @ wide / unit).round().clamp(-127, 127).to(torch.int8)
        patch_features.append(nn.functional.pad(mine, (0, 0, 0, 0, 0, room - len(mine))).numpy())
    colours = [directions(tokens.flatten(0, 1), 3) for tokens in features]
    ends, held = [], []
    for tokens, three in zip(features, colours, strict=True):
        mine = tokens.flatten(0, 1)
        ends.append(torch.stack([torch.quantile(mine @ three, q, dim=0) for q in (0.01, 0.99)]))
        centred = mine - mine.mean(0)
        held.append(float((centred @ three).square().sum() / centred.square().sum()))
    tests = detector.judge([s.path for s in dataset.test], [s.class_name for s in dataset.test], cache=cache_folder())
    told = describe(detector, model)
    scored = []  # (class, label, score in spreads above the mean of normal images)
    for sample, verdict in zip(dataset.test, tests, strict=True):
        c = classes.index(verdict.class_name)
        away = (verdict.score - told["image_mean"][c]) / told["image_spread"][c]  # type: ignore[index]
        scored.append((c, sample.label, round(away, 3)))
    pictures = {
        name: [shown(s, c) for s in chosen([t for t in dataset.test if t.class_name == name])]
        for c, name in enumerate(classes)
    }
    kept = ("classes", "thresholds", "pixel_thresholds", "image_mean", "image_spread", "held_out_scores", "p_values")
    first = {
        **{name: told[name] for name in (*kept, "false_alarm")},
        "learned": round(len(train[0]) * (1 - detector.config.holdout)),
        "codes": codes,
        "confidence": CONFIDENCE,
        "chance": [int(n) for n in binom.interval(0.95, sum(not s.label for s in dataset.test), told["false_alarm"])],
        "held_colours": held,
        "tests": scored,
        "measured": measured(),
        "heat": HEAT_TABLE,
        "thumbnails": [
            encoded(Image.fromarray(thumbnail(samples[0].path, 96)), "WEBP", quality=80) for samples in train
        ],
        "paints": COLOURS,
        "open": classes.index(FIRST),
    }  # fmt: skip
    arrays = {
        "atlas": np.stack(atlases),
        "patch_features": np.stack(patch_features),
        "patch_counts": np.array([len(f) for f in features], np.int32),
        "patch_directions": wide.numpy(),
        "patch_unit": np.array([unit], np.float32),
        "colour_directions": torch.stack(colours).numpy(),
        "colour_ends": torch.stack(ends).numpy(),
    }
    return first, arrays, {"pictures": pictures, "sheets": sheets}, model, other


def bundle(entry: str, kind: str, *more: str) -> str:
    """Bundle a module of this folder, and what it imports, into one text."""
    options = ["--bundle", f"--format={kind}", "--target=es2022", "--log-level=error", "--legal-comments=inline", *more]
    esbuild = shutil.which("esbuild", path=str(WEB / "node_modules" / ".bin"))  # on Windows esbuild.cmd
    assert esbuild, "npm ci installs it"
    done = subprocess.run([esbuild, entry, *options], cwd=WEB, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise InputError(f"{entry} cannot be bundled:\n{done.stderr}")
    return done.stdout


def results(samples: list[dict[str, Any]], arrays: bytes, wasm: bytes, model: bytes, other: bytes) -> list[Any]:
    """Run the page's own detector on the pictures of the tour, in Node."""
    with TemporaryDirectory() as name:
        folder, told = Path(name), []
        for file, content in {"arrays": arrays, "wasm": wasm, "model": model, "twin": other}.items():
            (folder / file).write_bytes(content)
        for i, sample in enumerate(samples):
            file = io.BytesIO(base64.b64decode(sample["picture"].split(",")[1]))
            pixels = np.asarray(Image.open(file).convert("RGB"))
            (folder / str(i)).write_bytes(pixels.tobytes())
            height, width = pixels.shape[:2]
            told.append({"file": str(i), "height": height, "width": width, "classId": sample["class_id"]})
        (folder / "pictures.json").write_text(json.dumps(told), encoding="utf-8")
        (folder / "precompute.mjs").write_text(bundle("precompute.js", "esm", "--platform=node"), encoding="utf-8")
        done = subprocess.run(["node", folder / "precompute.mjs", folder], capture_output=True, text=True)
        if done.returncode:
            raise InputError(f"The detector does not run in Node:\n{done.stderr}")
        return json.loads((folder / "results.json").read_text(encoding="utf-8"))  # type: ignore[no-any-return]


def build(out: Path) -> None:
    """Write the page, whole or not at all."""
    install()
    first, arrays, pictures, model, other = content()
    wasm = (WEB / "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm").read_bytes()
    samples = [sample for mine in pictures["pictures"].values() for sample in mine]
    for sample, result in zip(samples, results(samples, packed(arrays), wasm, model, other), strict=True):
        sample["result"] = result
    first["shown"] = {**pictures["pictures"][FIRST][SHOWN], "index": SHOWN}
    page = (WEB / "explainer.html").read_text(encoding="utf-8")
    head, tail = page.split("<!-- blocks -->")
    for name, text in {
        "style": (WEB / "explainer.css").read_text(encoding="utf-8"),
        "first": json.dumps(first).replace("</", "<\\/"),
        "program": bundle("main.js", "iife").replace("</script", "<\\/script"),
    }.items():
        before, after = head.split("{{" + name + "}}")
        head = before + text + after
    blocks = [
        block("pictures", json.dumps(pictures).encode()),
        block("arrays", packed(arrays)),
        block("worker", bundle("worker.js", "iife", "--define:import.meta.url=self.location.href").encode()),
        block("wasm", wasm),
        block("model", model),
        block("twin", other),
    ]
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(out, (head + "".join(blocks) + tail).encode())
    print(f"Open {out} ({out.stat().st_size / 1e6:.0f} MB).")


if __name__ == "__main__":
    try:
        build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "site" / "explainer.html")
    except InputError as error:
        sys.exit(str(error))
