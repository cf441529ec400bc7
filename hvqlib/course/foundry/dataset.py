"""The bundled data set "foundry": six products drawn from seeds, in MVTec AD layout, never downloaded.

Every picture has its own seed, made of the data set's seed, the product, the split and a number, so any picture can
be drawn alone, in any order, on any machine. A defective picture is a good one with a defect added: the same scene
seed without the defect gives its clean twin, which is how the tests check that masks are exact.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from hvqlib.course.foundry import PRODUCTS
from hvqlib.course.foundry.drawing import Array, Random, camera
from hvqlib.errors import InputError

VERSION = 1  # of the drawings: raise it whenever a picture changes
COUNTS = {"train": 60, "good": 15, "defective": 30}  # pictures a product
_SPLITS = ("train", "good", "defective")


def draw_picture(
    product: str, split: str, number: int, seed: int = 0, defect: str | None = None
) -> tuple[Array, Array]:
    """One picture of the data set.

    Parameters
    ----------
    product : a key of PRODUCTS.
    split : "train", "good" or "defective"; with `number` and `seed` it picks the scene.
    defect : a kind of the product's defects, or None for the scene without any.

    Returns
    -------
    picture (256, 256, 3) uint8 and mask (256, 256) bool, True on the defect.
    """
    function, _ = PRODUCTS[product]
    key = [seed, list(PRODUCTS).index(product), _SPLITS.index(split), number]
    scene, mask = function(Random([*key, 0]), defect, Random([*key, 1]))
    return np.rint(camera(scene, Random([*key, 2])) * 255).astype(np.uint8), mask


def pictures_to_draw(counts: dict[str, int] = COUNTS) -> list[tuple[str, str, int, str | None]]:
    """(product, split, number, defect) of every picture; the kinds of defect take turns."""
    jobs: list[tuple[str, str, int, str | None]] = []
    for product, (_, kinds) in PRODUCTS.items():
        jobs += [(product, "train", i, None) for i in range(counts["train"])]
        jobs += [(product, "good", i, None) for i in range(counts["good"])]
        jobs += [(product, "defective", i, kinds[i % len(kinds)]) for i in range(counts["defective"])]
    return jobs


def draw_foundry(root: str | Path, seed: int = 0, counts: dict[str, int] = COUNTS, workers: int | None = None) -> bool:
    """Draw the whole data set into `root`, or do nothing if it is already there.

    The folder appears under its name only when it is complete; `foundry.json` in it says what was drawn.

    Returns
    -------
    True if it was drawn now, False if it was there.

    Raises
    ------
    InputError : `root` holds something else, or `seed` is out of range.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; it must be from 0 to {2**32 - 1}.")
    root = Path(root)
    about = {"data_set": "foundry", "version": VERSION, "seed": seed, "counts": counts}
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        try:
            there = json.loads((root / "foundry.json").read_text())
        except (OSError, ValueError):
            there = None
        if there == about:
            return False
        raise InputError(
            f"{root} holds something other than this data set ({about}): move it away or choose another folder."
        )
    beside = root.with_name(f".{root.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        jobs = [(beside, seed, *job) for job in pictures_to_draw(counts)]
        workers = workers or os.cpu_count() or 1
        # One thread a process: matrix products of 256 x 256 are not worth two, and the spinning doubles the time.
        with ProcessPoolExecutor(workers, get_context("spawn"), threadpool_limits, (1,)) as pool:
            list(pool.map(_save, jobs, chunksize=8))
        (beside / "foundry.json").write_text(json.dumps(about, indent=2) + "\n")
        if root.exists():
            root.rmdir()  # empty
        beside.rename(root)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


def _save(job: tuple[Path, int, str, str, int, str | None]) -> None:
    root, seed, product, split, number, defect = job
    picture, mask = draw_picture(product, split, number, seed, defect)
    kind = defect or "good"
    folder = root / product / ("train" if split == "train" else "test") / kind
    folder.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(folder / f"{number:03d}.png")
    if defect:
        truth = root / product / "ground_truth" / kind
        truth.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask.astype(np.uint8) * 255).save(truth / f"{number:03d}_mask.png")
