"""Train the network that draws pictures from a detector's features (notebook 10; it plays no part in detecting).

    python -m benchmarks.train_pictures [--run data/checkpoints/foundry] [--data data/foundry] [--out FILE]

Made `data/checkpoints/pictures.safetensors`, in about 10 minutes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from safetensors.torch import save
from torch.nn import functional as F
from tqdm.auto import tqdm

from hvqlib.course.feature_pictures import SIDE, PictureDecoder
from hvqlib.data.dataset import AnomalyDataset, load_dataset
from hvqlib.data.images import read_image
from hvqlib.detector.detector import Detector
from hvqlib.errors import InputError
from hvqlib.files import data_folder, write_atomic


def train_pictures(
    detector: Detector,
    dataset: AnomalyDataset,
    out: str | Path,
    steps: int = 900,
    seed: int = 0,
    cache: str | Path | None = None,
    batch: int = 8,
    progress: bool = True,
) -> PictureDecoder:
    """Learn to draw a data set's normal training images from their features; writes `out` (float16 safetensors).

    Mean absolute difference of pixels, and of the steps between neighbouring ones, which keeps edges.
    """
    if not dataset.train:
        raise InputError(f"{dataset.root} has no training images: put some into CLASS/train/good.")
    paths = [sample.path for sample in dataset.train]
    features = detector.features(paths, cache, progress)
    pixels = (torch.from_numpy(read_image(path)).permute(2, 0, 1)[None].float() / 255 for path in paths)
    images = torch.cat([F.interpolate(image, (SIDE, SIDE), mode="area") for image in pixels])  # (N, 3, 112, 112)
    torch.manual_seed(seed)
    decoder = PictureDecoder(features.shape[1])
    optimizer = torch.optim.AdamW(decoder.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
    for _ in tqdm(range(steps), desc="pictures", disable=not progress):
        some = torch.randint(len(images), (batch,))
        drawn, truth = decoder(features[some]), images[some]
        loss = (drawn - truth).abs().mean()
        for axis in (2, 3):
            loss = loss + (drawn.diff(dim=axis) - truth.diff(dim=axis)).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    write_atomic(Path(out), save({name: value.half() for name, value in decoder.state_dict().items()}))
    return decoder.eval()


def main() -> None:
    data = data_folder()
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--run", type=Path, default=data / "checkpoints/foundry")
    options.add_argument("--data", type=Path, default=data / "foundry")
    options.add_argument("--out", type=Path, default=data / "checkpoints/pictures.safetensors")
    given = options.parse_args()
    train_pictures(Detector.load(given.run, "cpu"), load_dataset(given.data), given.out, cache=data / "cache")


if __name__ == "__main__":
    main()
