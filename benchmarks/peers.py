"""Run what others published on a data set: anomalib's PaDiM and PatchCore, one model a class; a row of a csv for each.

    python -m benchmarks.peers --data DIR [--methods padim,patchcore] [--seeds 0] [--out FILE]

The same folders, images of 224 pixels, weights of the backbone and metrics as ours; they see every training image, as
they have nothing to calibrate. The seconds are those of fitting, the backbone's included. anomalib is no dependency of
hvqlib: where it is missing, a sentence says how to get it. Rows that are in the csv are not computed again. Exit status
as of hvq: 0 done; 2 bad input; 1 a failure.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks.ablate import numbers, rounded, scores_json
from benchmarks.measure import PeakMemory, append_rows, commit, processor_name
from hvqlib import __version__
from hvqlib.cli_options import Parser
from hvqlib.config import Config
from hvqlib.course.results import COLUMNS, KEY, read_rows
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_image, read_mask
from hvqlib.errors import InputError, exit_status
from hvqlib.evaluation.metrics import all_metrics, mean_over_classes
from hvqlib.features.backbone import Backbone
from hvqlib.files import data_folder
from hvqlib.processes import pick_device

ANOMALIB = "2.7.0"  # what this was written against
CHANNELS = 100  # that PaDiM draws, as published for a network of this size
CORESET = 0.01  # share of patches that PatchCore keeps, the least that it was published with


def padim(backbone: Backbone, pictures: Iterable[torch.Tensor]) -> nn.Module:
    """Fit PaDiM (Defard et al., ICPR 2021) to pixels (1, 3, S, S) of normal images: maps at strides 4, 8 and 16."""
    from anomalib.models.image.padim.torch_model import PadimModel

    model = _with_our_weights(PadimModel, backbone, slice(1, 4), n_features=CHANNELS)
    for pixels in pictures:
        model(pixels)
    model.fit()
    return model.eval()


def patchcore(backbone: Backbone, pictures: Iterable[torch.Tensor]) -> nn.Module:
    """Fit PatchCore (Roth et al., CVPR 2022) to pixels (1, 3, S, S) of normal images: maps at strides 8 and 16."""
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    model = _with_our_weights(PatchcoreModel, backbone, slice(2, 4))
    for pixels in pictures:
        model(pixels)
    model.subsample_embedding(CORESET)
    return model.eval()


METHODS: dict[str, tuple[str, Callable[[Backbone, Iterable[torch.Tensor]], nn.Module]]] = {
    "padim": ("anomalib PaDiM", padim),
    "patchcore": ("anomalib PatchCore", patchcore),
}


def _with_our_weights(build: Callable[..., Any], backbone: Backbone, maps: slice, **options: int) -> Any:
    """A model of anomalib's, to be fitted, on some of the backbone's four maps and with its weights."""
    names = backbone.net.feature_info.module_name()[maps]
    model = build(backbone=backbone.name, layers=names, pre_trained=False, **options)
    model.feature_extractor.feature_extractor.load_state_dict(backbone.net.state_dict())
    return model.to(next(backbone.parameters()).device).train()


def peers(
    data: str | Path, out: str | Path, methods: Sequence[str] = tuple(METHODS), seeds: Sequence[int] = (0,)
) -> int:
    """Fit and judge each method with each seed on all classes of a data set, and append a row to `out` as each is done.

    Parameters
    ----------
    data : a data set's folder; its name is what the rows call it.
    out : csv of `course.results.COLUMNS`. Rows that are there already are not computed again.
    methods : of :data:`METHODS`.
    seeds : of what a method draws at random: channels, or where k-center begins.

    Returns
    -------
    How many rows are new. Raises InputError for an unknown method, no test images, or where anomalib is missing.
    """
    unknown = [name for name in methods if name not in METHODS]
    if unknown:
        raise InputError(f"No method {', '.join(unknown)}: choose from {', '.join(METHODS)}.")
    dataset, out = load_dataset(data), Path(out)
    if not dataset.test:
        raise InputError(f"{dataset.root} has no test images: put some into CLASS/test/good and CLASS/test/DEFECT.")
    there = {tuple(row[name] for name in KEY) for row in read_rows(out)}
    jobs = [(name, seed) for seed in seeds for name in methods]
    jobs = [job for job in jobs if (METHODS[job[0]][0], Path(data).name, str(job[1]), "1") not in there]
    if jobs:
        installed = _installed()
        config = Config()
        backbone = Backbone(config.backbone, config.image_size).to(pick_device(None))
    for name, seed in jobs:
        row = _run(name, seed, dataset, backbone)
        words = (
            f"python -m benchmarks.peers --data {shlex.quote(Path(data).as_posix())} --methods {name} --seeds {seed}"
        )
        append_rows(out, COLUMNS, [{**row, "data": Path(data).name, "command": f"{words}  # anomalib {installed}"}])
        print(f"{row['variant']}, seed {seed}: image AUROC {row['image_auroc']}, pixel AUROC {row['pixel_auroc']}, "
              f"{row['cpu_seconds']} s", file=sys.stderr)  # fmt: skip
    return len(jobs)


def _installed() -> str:
    """The version of anomalib."""
    try:
        import anomalib  # noqa: F401

        return version("anomalib")
    except ImportError as error:
        raise InputError(
            f"anomalib is not installed ({error}): run  pip install anomalib=={ANOMALIB}  in this "
            "environment, or beside hvqlib in one of its own."
        ) from error


def _run(name: str, seed: int, dataset: AnomalyDataset, backbone: Backbone) -> dict:
    """The row of one method, less what names the data set."""
    variant, fit = METHODS[name]
    size, device = backbone.image_size, next(backbone.parameters()).device

    def pixels(path: Path) -> torch.Tensor:
        return backbone.preprocess(read_image(path))[None].to(device)

    classes, of_images, seconds = {}, {}, 0.0
    with PeakMemory() as memory:
        for class_name in dataset.classes:
            normal = [sample.path for sample in dataset.train if sample.class_name == class_name]
            samples = [sample for sample in dataset.test if sample.class_name == class_name]
            if not samples:
                continue
            torch.manual_seed(seed)
            start = time.process_time()
            model = fit(backbone, map(pixels, normal))
            seconds += time.process_time() - start
            scores, maps = [], []
            for sample in samples:
                with torch.no_grad():
                    judged = model(pixels(sample.path))
                scores.append(float(judged.pred_score))
                maps.append(judged.anomaly_map.view(size, size).cpu().numpy())
            masks = [read_mask(sample, size) for sample in samples] if dataset.has_masks(class_name) else None
            labels = np.array([sample.label for sample in samples])
            classes[class_name] = all_metrics(labels, scores, masks, maps)
            of_images[class_name] = tuple(np.array(scores)[labels == kind].tolist() for kind in (0, 1))
    of_class = {c: {metric: rounded(value) for metric, value in row.items()} for c, row in classes.items()}
    return {
        "variant": variant, "seed": seed, "steps": 1,
        **{metric: rounded(value) for metric, value in mean_over_classes(classes).items()},
        "cpu_seconds": round(seconds), "memory_mb": round(memory.megabytes),
        "classes": json.dumps(of_class, separators=(",", ":")), "scores": scores_json(of_images),
        "machine": f"{processor_name()}, {torch.get_num_threads()} threads", "torch": torch.__version__,
        "hvqlib": __version__, "commit": commit(), "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }  # fmt: skip


def parser() -> argparse.ArgumentParser:
    """Build the parser of the command's options."""
    options = Parser(prog="python -m benchmarks.peers", description="Runs PaDiM and PatchCore of anomalib.")
    options.add_argument("--data", type=Path, required=True, metavar="DIR", help="as for hvq train")
    options.add_argument("--methods", metavar="A,B", help=f"default: all of them: {', '.join(METHODS)}")
    options.add_argument("--seeds", default="0", metavar="S,S", help="default: 0")
    options.add_argument("--out", type=Path, metavar="FILE", help="default: results/peers.csv in the data folder; rows "
                         "that are in it are not computed again")  # fmt: skip
    return options


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    return exit_status(
        "benchmarks.peers", lambda: _command(arguments), "stopped; repeated, it computes the rows that are missing."
    )


def _command(arguments: Sequence[str] | None) -> None:
    """Do what the options ask for."""
    options = parser().parse_args(arguments)
    methods = options.methods.split(",") if options.methods else list(METHODS)
    out = options.out or data_folder(make=True) / "results" / "peers.csv"
    peers(options.data, out, methods, numbers("seeds", options.seeds))


if __name__ == "__main__":
    sys.exit(main())
