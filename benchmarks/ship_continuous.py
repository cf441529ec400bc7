"""Keep of a run without codebooks what the explainer shows of it: the weights of its model, in float16.

    hvq train --data data/foundry --out runs/continuous --preset tiny --method continuous --seed 0
    python -m benchmarks.ship_continuous [--run runs/continuous] [--out data/checkpoints/continuous.safetensors]

The first takes about 18 minutes of one CPU core.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save

from hvqlib.course.material import shipped
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.files import data_folder, write_atomic


def ship(run: Path, out: Path) -> None:
    """Write the file. Raises InputError where the run sees other features than the shipped detector."""
    detector, other = Detector.load(run, "cpu"), shipped()
    same = (torch.allclose(getattr(detector.standardize, n), getattr(other.standardize, n)) for n in ("mean", "std"))
    if detector.config.method != "continuous" or detector.classes != other.classes or not all(same):
        raise InputError(f"{run} is no run without codebooks on the shipped detector's images: train as above.")
    write_atomic(out, save({name: value.half() for name, value in detector.model.state_dict().items()}))


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, default=Path("runs/continuous"))
    parser.add_argument("--out", type=Path, default=data_folder() / "checkpoints" / "continuous.safetensors")
    options = parser.parse_args()
    ship(options.run, options.out)


if __name__ == "__main__":
    main()
