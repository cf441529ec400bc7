"""Draw foundry's products in many variants, a class each, to train on the same number of images in 3 to 60 classes.

    python -m benchmarks.many_classes --classes 20 [--out data/foundry20] [--images 600]

A variant has its colours exchanged, is mirrored, or has light and dark exchanged, and its scenes are drawn from a seed
of its own. Needs about a quarter of a second of a core a picture.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import permutations
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from hvqlib.course.foundry import PRODUCTS
from hvqlib.course.foundry.dataset import COUNTS, draw_picture, save_picture
from hvqlib.errors import InputError

VARIANTS = 24  # of a product: six orders of the colours, mirrored or not, light and dark exchanged or not


def changed(picture: np.ndarray, variant: int) -> np.ndarray:
    """Change a picture (H, W, 3) or a mask (H, W) as its variant is, 0 to 23: 0 leaves it as it is."""
    if variant // 6 % 2:
        picture = picture[:, ::-1]
    if picture.ndim == 2:
        return picture
    picture = picture[..., list(permutations(range(3)))[variant % 6]]
    return 255 - picture if variant // 12 else picture


def classes(number: int) -> list[tuple[str, int]]:
    """List the product and the variant of each class: all products as they are, then all in variant 1, and so on."""
    if not 1 <= number <= VARIANTS * len(PRODUCTS):
        raise InputError(f"{number} classes: choose from 1 to {VARIANTS * len(PRODUCTS)}.")
    return [(product, variant) for variant in range(VARIANTS) for product in PRODUCTS][:number]


def pictures(number: int, images: int) -> Iterator[tuple[str, int, str, int, str | None]]:
    """Yield product, variant, split, number and kind of defect of each picture; `images` to train on, in all."""
    for product, variant in classes(number):
        kinds = PRODUCTS[product][1]
        for split, count in (COUNTS | {"train": images // number}).items():
            for i in range(count):
                yield product, variant, split, i, kinds[i % len(kinds)] if split == "defective" else None


def draw(task: tuple[Path, str, int, str, int, str | None]) -> None:
    """Draw a picture into the folder of its class and kind, and the mask of its defect beside it."""
    root, product, variant, split, number, defect = task
    picture, mask = (changed(one, variant) for one in draw_picture(product, split, number, variant, defect))
    save_picture(root / f"{product}_{variant}", split, number, defect, picture, mask)


def main() -> None:
    """Draw the data set."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--classes", type=int, required=True)
    options.add_argument("--out", type=Path, help="default: data/foundryN")
    options.add_argument("--images", type=int, default=600, help="to train on, in all; default: 600")
    given = options.parse_args()
    out = given.out or Path(f"data/foundry{given.classes}")
    if out.exists():
        raise SystemExit(f"{out} is there already: move it away, or choose another --out.")
    if given.images < given.classes:
        raise SystemExit(f"--images is {given.images}; each of {given.classes} classes needs one or more.")
    beside = out.with_name(f".{out.name}.part")  # the folder appears when it is complete
    shutil.rmtree(beside, ignore_errors=True)
    try:
        tasks = [(beside, *picture) for picture in pictures(given.classes, given.images)]
    except InputError as error:
        raise SystemExit(str(error)) from None
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(draw, tasks, chunksize=8))
    beside.rename(out)
    print(f"{out}: {len(tasks)} pictures of {given.classes} classes")


if __name__ == "__main__":
    main()
