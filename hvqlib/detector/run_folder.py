"""Read and write a run folder: what a training leaves behind. Only safetensors and JSON."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from hvqlib.config import Config
from hvqlib.data.decoding import White
from hvqlib.errors import InputError
from hvqlib.files import refuse_filled, whole_folder, write_atomic
from hvqlib.model.hvq_trans import HVQTrans
from hvqlib.rivals.nearest_neighbour import NearestNeighbour
from hvqlib.rivals.picture_pca import PicturePCA
from hvqlib.rivals.place_mean import PlaceMean
from hvqlib.rivals.residual_codebooks import ResidualCodebooks
from hvqlib.rivals.rival import Rival

FORMAT = 3
METHODS: dict[str, type[HVQTrans] | type[Rival]] = {  # by `Config.method`
    "hvq": HVQTrans, "continuous": HVQTrans, "dropout": HVQTrans, "knn": NearestNeighbour,
    "kmeans": ResidualCodebooks, "place": PlaceMean, "pca": PicturePCA,
}  # fmt: skip
TRAINING_ONLY = ("cluster_sum", "usage")  # buffers that judging images does not need


def build_model(config: Config, channels: int, classes: int) -> HVQTrans | Rival:
    """Build the untrained model of a configuration, or the rival that it names."""
    return METHODS[config.method](config, channels, classes)


Layouts = tuple[tuple[int, int], ...] | None  # rows and columns of tiles of each class; None where images are not cut


def write_run(
    out: Path,
    config: Config,
    classes: tuple[str, ...],
    channels: int,
    fingerprint: str,
    white: White = None,
    layouts: Layouts = None,
) -> None:
    """Write `config.json`: what the run is, fixed from its first moment. `white` is as for `read_image`."""
    description = {"format": FORMAT, "classes": list(classes), "channels": channels,
                   "backbone_fingerprint": fingerprint, "config": asdict(config)}  # fmt: skip
    if white is not None:
        description["white"] = white
    if layouts is not None:
        description["layouts"] = layouts
    write_atomic(out / "config.json", (json.dumps(description, indent=2) + "\n").encode())


def read_run(run: Path) -> tuple[Config, tuple[str, ...], int, str, White, Layouts]:
    """Read what :func:`write_run` wrote, in the order of its parameters."""
    path = Path(run) / "config.json"
    try:
        run_is = json.loads(path.read_text(encoding="utf-8"))
        if run_is["format"] != FORMAT:
            raise InputError(f"{path} has format {run_is['format']}, this version reads {FORMAT}: train again.")
        config = Config.from_dict(run_is["config"])
        white = run_is.get("white")  # runs of images of 8 bits have none
        layouts = tuple((rows, columns) for rows, columns in run_is["layouts"]) if "layouts" in run_is else None
        return config, tuple(run_is["classes"]), run_is["channels"], run_is["backbone_fingerprint"], white, layouts
    except FileNotFoundError:
        lacking = "no config.json" if run.is_dir() else "no such folder"
        raise InputError(f"{run} holds no run ({lacking}): give the --out folder of a training.") from None
    except InputError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a run's configuration ({error!r}): train again into a new folder.") from error


def write_checkpoint(out: Path, tensors: Mapping[str, Tensor], state: Mapping[str, object]) -> None:
    """Replace `checkpoint.safetensors`: all tensors, and `state` as JSON in its header."""
    kept = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    header = {"state": json.dumps(state), "checksum": _checksum(kept)}
    write_atomic(out / "checkpoint.safetensors", lambda beside: save_file(kept, beside, header))


def read_checkpoint(run: Path) -> tuple[dict[str, Tensor], dict]:
    """Read the tensors and the state of a run's last checkpoint."""
    path = Path(run) / "checkpoint.safetensors"
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata()
            state = json.loads(header["state"])
            # Copies: a file that is mapped into memory cannot be replaced on Windows.
            tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        if header.get("checksum", computed := _checksum(tensors)) != computed:  # runs of the first version have none
            raise ValueError("its checksum is wrong")
        return tensors, state
    except FileNotFoundError:
        raise InputError(f"{run} holds no checkpoint yet: train it first (hvq train ... --resume).") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is damaged ({error}): delete it and train again.") from error


def finished_checkpoint(run: Path) -> tuple[dict[str, Tensor], dict]:
    """Read what :func:`read_checkpoint` reads. Raises InputError where the run is not finished, too."""
    tensors, state = read_checkpoint(run)
    if not state["done"]:
        raise InputError(f"The training in {run} is not finished: resume it with hvq train ... --resume.")
    return tensors, state


def _checksum(tensors: Mapping[str, Tensor]) -> str:
    """Compute the CRC-32 of all values, by name."""
    crc = 0
    for _, tensor in sorted(tensors.items()):
        crc = zlib.crc32(tensor.reshape(-1).view(torch.uint8).numpy().data, crc)
    return f"{crc:08x}"


def export(run: Path, out: Path) -> None:
    """Export a finished run, small enough to ship: what judging images needs, in float16 where the values fit.

    It trains no further: the optimiser and the codebooks' moving sums are dropped. Raises InputError when `run` is not
    finished or `out` holds something.
    """
    refuse_filled(out)
    description = read_run(run)
    tensors, state = finished_checkpoint(run)
    kept = {n: t for n, t in tensors.items() if not n.startswith("optimizer.") and not n.endswith(TRAINING_ONLY)}
    small = {}
    for name, tensor in kept.items():
        half = tensor.half() if name.startswith("model.") and tensor.is_floating_point() else tensor
        small[name] = half if half.isfinite().all() else tensor  # an unused code of a random start can be at 1e5
    with whole_folder(out) as made:
        write_run(made, *description)
        write_checkpoint(made, small, state)


def with_prefix(prefix: str, module: torch.nn.Module) -> dict[str, Tensor]:
    """Give a module's weights and buffers by name, with a prefix."""
    return {f"{prefix}.{name}": value for name, value in module.state_dict().items()}


def under_prefix(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Pick the tensors whose names start with `prefix`, and take it off."""
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}


def load_weights(model: torch.nn.Module, tensors: Mapping[str, Tensor], run: Path, prefix: str = "model.") -> None:
    """Put a checkpoint's tensors, those of a prefix, into the module that its configuration describes."""
    try:
        missing, strange = model.load_state_dict(under_prefix(tensors, prefix), strict=False)
        wrong = [name for name in missing if not name.endswith(TRAINING_ONLY)] + strange
    except RuntimeError as error:
        wrong = [str(error).splitlines()[-1].strip()]
    if wrong:
        raise InputError(f"{run}/checkpoint.safetensors does not fit its config.json ({wrong[0]}).")
