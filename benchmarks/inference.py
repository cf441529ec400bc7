"""Images a second from image file to verdict, for both backbones, one image at a time and 16 at once.

    python -m benchmarks.inference [--threads 2] [--images DIR] [--random] [--release DIR]

Timed is what `hvq predict` does with a loaded detector: decode, resize, backbone, model, map, score and p-value, with
nothing kept on disk. Printed are medians over rounds, and beside them what share of the time each stage takes. The
detectors are untrained (15 classes), which costs the same as trained ones. The backbone is pretrained; with --random
it has random weights, for a machine that cannot fetch those of tf_efficientnet_b4. The images are those of a folder,
searched through; else the bundled data set, 256 x 256 pixels.

--release is a checkout of the authors' code (https://github.com/RuiyingLu/HVQ-Trans, not part of this project, for it
has no licence). Its model, always with its own EfficientNet-b4 and with random weights, is then timed in turns with
ours on the same images, decoded as here, and the ratio printed. It runs as its own evaluation runs it, and its score
is the highest 16 x 16 mean of the map; what its evaluation writes to disk in between is not counted.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import sys
import time
import types
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path

import torch
from torch.nn import functional as F

from hvqlib.config import PRESETS
from hvqlib.course.material import foundry
from hvqlib.data.images import read_image
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.calibration import Calibration, signal_weights
from hvqlib.detector.class_guess import ClassCentroids
from hvqlib.detector.detector import Detector
from hvqlib.detector.reading import Reading
from hvqlib.detector.tiling import Tiling
from hvqlib.features.backbone import Backbone
from hvqlib.features.standardize import Standardize
from hvqlib.model.hvq_trans import HVQTrans

CLASSES = 15


def untrained(preset: str, weights: str) -> Detector:
    """Build a detector that has learned nothing."""
    torch.manual_seed(0)
    config = PRESETS[preset]
    backbone = Backbone(config.backbone, config.image_size, config.grid, config.pooling, weights)
    model = HVQTrans(config, backbone.channels, CLASSES).eval()
    reading = Reading(config, backbone.channels, CLASSES).eval()
    signals = len(reading.names(model))
    maps, means = torch.zeros(CLASSES, signals, config.grid, config.grid), torch.zeros(CLASSES, signals)
    zero = torch.zeros(CLASSES)
    scores = torch.linspace(0, 1, 100)
    of_scores = (zero, zero + 1) * 3  # of images, maps and pictures
    calibration = Calibration(
        reading.names(model), maps, maps + 1, means, means + 1, *of_scores, scores, scores, torch.tensor(True)
    )
    rest = Standardize(backbone.channels), ClassCentroids(backbone.channels, CLASSES), model, reading, calibration
    return Detector(config, tuple(map(str, range(CLASSES))), backbone, *rest, Tiling(config, [(1, 1)] * CLASSES))


def shares(detector: Detector, paths: list[Path]) -> dict[str, float]:
    """Time each stage of `Detector.judge`, in seconds, on a batch of images."""
    seconds, class_ids = {}, torch.zeros(len(paths), dtype=torch.long)
    wanted = signal_weights(detector.config, detector.calibration.names)

    def timed(stage: str, work: Callable):
        began = time.perf_counter()
        result = work()
        seconds[stage] = time.perf_counter() - began
        return result

    with torch.no_grad():
        images = timed("decode", lambda: [read_image(path) for path in paths])
        small = timed("resize", lambda: [detector.backbone.preprocess(image)[None] for image in images])
        raw = timed("backbone", lambda: torch.cat([detector.backbone(image) for image in small]))
        features = detector.standardize(raw)
        signals, _ = timed("model", lambda: detector.reading(detector.model, features, class_ids, wanted))
        small_map = detector.calibration.combine(signals, class_ids, detector.config)
        timed("map, score", lambda: image_score(upsample(small_map, (detector.config.image_size,) * 2)))
    return seconds


def release(folder: Path) -> torch.nn.Module:
    """Build the authors' model from a checkout, with random weights."""
    sys.path[:0] = [str(folder), str(folder / "tools")]
    for name in ("cv2", "lmdb"):  # imported by its module, but not used by the model
        sys.modules.setdefault(name, types.ModuleType(name))
    import models.backbones.efficientnet.model as efficientnet  # type: ignore[import-not-found]
    from models.HVQ_TR_switch_OT import HVQ_TR_switch_OT  # type: ignore[import-not-found]

    efficientnet.load_pretrained_weights = lambda *args, **kwargs: None  # it would download them
    return HVQ_TR_switch_OT(channel=272, embed_dim=256).eval()


def released_verdicts(model: torch.nn.Module, backbone: Backbone, paths: list[Path]) -> torch.Tensor:
    """Score image files (B,) as the release does."""
    with torch.no_grad():
        images = torch.stack([backbone.preprocess(read_image(path)) for path in paths])
        output = model({"image": images, "clslabel": torch.zeros(len(paths), dtype=torch.long)})
        return F.avg_pool2d(output["pred"], 16, stride=1).amax((1, 2, 3))


def medians(works: dict[str, Callable[[list[Path]], object]], batches: Iterable[list[Path]]) -> dict[str, float]:
    """Time each work on the same batches, in turns; medians in seconds, the first two rounds left out."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for batch in batches:
        for name, work in works.items():
            began = time.perf_counter()
            work(batch)
            times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each[2:]) for name, each in times.items()}


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--images", type=Path, help="folder of images; default: the bundled data set")
    options.add_argument("--random", action="store_true", help="backbones with random weights")
    options.add_argument("--release", type=Path, help="checkout of the authors' code to compare with")
    options.add_argument("--rounds", type=int, default=15)
    given = options.parse_args()
    if given.images:
        suffixes = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff")
        files = sorted(path for path in given.images.rglob("*") if path.suffix.lower() in suffixes)
    else:
        files = [sample.path for sample in foundry().test]
    if not files:
        options.error(f"no images in {given.images}")
    torch.set_num_threads(given.threads)
    print(f"{given.threads} threads, torch {torch.__version__}; images a second, from file to verdict")
    theirs = release(given.release) if given.release else None
    for preset in ("tiny", "paper"):
        detector = untrained(preset, "random" if given.random else "pretrained")
        for size in (1, 16):
            works: dict[str, Callable[[list[Path]], object]] = {"ours": partial(detector.judge, class_names="0")}
            if theirs is not None:
                works["release"] = partial(released_verdicts, theirs, detector.backbone)
            endless = itertools.cycle(files)
            batches = [[next(endless) for _ in range(size)] for _ in range(given.rounds + 2)]
            took = medians(works, batches)
            line = f"{preset:5} {detector.config.backbone:27} batch {size:2}: {size / took['ours']:6.1f}"
            if theirs is not None:
                line += f", release {size / took['release']:5.1f}: {took['release'] / took['ours']:.2f} x"
            print(line)
            parts = [shares(detector, batch) for batch in batches][2:]
            middle = {stage: statistics.median(part[stage] for part in parts) for stage in parts[0]}
            whole = sum(middle.values())
            print("     ", ", ".join(f"{stage} {100 * part / whole:.0f} %" for stage, part in middle.items()))


if __name__ == "__main__":
    main()
