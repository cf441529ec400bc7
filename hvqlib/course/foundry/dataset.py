"""The bundled data set "foundry": six products drawn from seeds and one photographed, in MVTec AD layout.

Every picture has its own seed, made of the data set's seed, the product, the split and a number, so any picture can
be drawn alone, in any order, on any machine. A defective picture is a good one with a defect added: the same scene
seed without the defect gives its clean twin, which is how the tests check that masks are exact. The photographs of the
seventh product are copied from the data folder of a checkout. Nothing is downloaded.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from PIL import Image
from threadpoolctl import threadpool_limits

from hvqlib.course.foundry import PRODUCTS
from hvqlib.course.foundry.rendering import camera
from hvqlib.course.foundry.shapes import Array, Random
from hvqlib.errors import InputError
from hvqlib.files import data_folder
from hvqlib.progress import Progress

VERSION = 1  # of the drawings: raise it whenever a picture changes
COUNTS = {"train": 60, "good": 15, "defective": 30}  # pictures a product; the order is part of the seeds
PHOTOGRAPHED = "ballscrew"  # the product whose pictures come with a checkout, with a licence of their own
Job = tuple[str, str, int, str | None]  # product, split, number, defect


def make_foundry(root: str | Path, seed: int = 0) -> list[str]:
    """Make the data set in the folder `root`, and return what was done: nothing if all is there already.

    The six products are drawn (:func:`draw_foundry`), and the photographed one is copied from the data folder; where
    that has none, as beside an installed package, six products are all. Each part appears only when it is complete.
    """
    root, photographs = Path(root).resolve(), data_folder(make=True) / PHOTOGRAPHED
    done = ["drawn"] if draw_foundry(root, seed) else []
    if (photographs / "train").is_dir() and not (root / PHOTOGRAPHED).exists():
        beside = root.with_name(f".{root.name}.{os.getpid()}.part")
        try:
            shutil.copytree(photographs, beside)
            beside.rename(root / PHOTOGRAPHED)
        except OSError:
            if not (root / PHOTOGRAPHED).exists():  # by another process meanwhile
                raise
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        done.append(f"photographs of {PHOTOGRAPHED} copied")
    return done


def draw_picture(
    product: str, split: str, number: int, seed: int = 0, defect: str | None = None
) -> tuple[Array, Array]:
    """Draw a picture (256, 256, 3) uint8 and its mask (256, 256) bool, True on the defect.

    `product` is a key of PRODUCTS; `split`, a key of COUNTS, `number` and `seed` pick its scene; `defect` is one of its
    kinds of defect, or None for the scene without any.
    """
    function, _ = PRODUCTS[product]
    key = [seed, list(PRODUCTS).index(product), list(COUNTS).index(split), number]
    scene, mask = function(Random([*key, 0]), defect, Random([*key, 1]))
    return np.rint(camera(scene, Random([*key, 2])) * 255).astype(np.uint8), mask


def pictures_to_draw(counts: dict[str, int] = COUNTS) -> list[Job]:
    """List (product, split, number, defect) of every picture; the kinds of defect take turns."""
    return [
        (product, split, number, kinds[number % len(kinds)] if split == "defective" else None)
        for product, (_, kinds) in PRODUCTS.items()
        for split in COUNTS
        for number in range(counts[split])
    ]


def draw_foundry(root: str | Path, seed: int = 0, counts: dict[str, int] = COUNTS, workers: int | None = None) -> bool:
    """Draw the six products into the folder `root`, and return True; return False if they are already there.

    The folder appears under its name only when it is complete; `foundry.json` in it says what was drawn. Raises
    InputError if `root` holds something else, or `seed` is out of range.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; it must be from 0 to {2**32 - 1}.")
    root = Path(root).resolve()
    recipe = {"data_set": "foundry", "version": VERSION, "seed": seed, "counts": counts}
    if _drawn(root, recipe):
        return False
    if root.exists() and (not root.is_dir() or any(root.iterdir())):
        raise InputError(
            f"'{root}' is or holds something other than this data set, of seed {seed}: move it away, or choose another "
            "folder."
        )
    beside = root.with_name(f".{root.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    try:
        jobs = [(beside, seed, job) for job in pictures_to_draw(counts)]
        number = workers or min(os.cpu_count() or 1, 32)  # Windows allows 61
        # One thread a process: matrix products of 256 x 256 are not worth two, and the spinning doubles the time.
        with ProcessPoolExecutor(number, get_context("spawn"), threadpool_limits, (1,)) as pool:
            done = pool.map(_save, jobs, chunksize=8)
            list(Progress(done, total=len(jobs), desc="drawing the data set", unit="picture", disable=None))
        (beside / "foundry.json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        try:
            if root.exists():
                root.rmdir()  # empty
            beside.rename(root)
        except OSError:
            if _drawn(root, recipe):  # by another process meanwhile
                return False
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return True


def _drawn(root: Path, recipe: dict) -> bool:
    """Say whether a folder holds what the recipe says."""
    with suppress(OSError, ValueError):  # no such file, or not ours
        return bool(json.loads((root / "foundry.json").read_text(encoding="utf-8")) == recipe)
    return False


def _save(task: tuple[Path, int, Job]) -> None:
    """Draw a picture into the folder of its class and kind, and the mask of its defect beside it."""
    root, seed, (product, split, number, defect) = task
    save_picture(root / product, split, number, defect, *draw_picture(product, split, number, seed, defect))


def save_picture(folder: Path, split: str, number: int, defect: str | None, picture: Array, mask: Array) -> None:
    """Write a picture (H, W, 3) uint8 into the folder of its class, and the mask (H, W) bool of its defect, if any."""
    kind = defect or "good"
    files = {f"{'train' if split == 'train' else 'test'}/{kind}/{number:03d}.png": picture}
    if defect:
        files[f"ground_truth/{kind}/{number:03d}_mask.png"] = mask.astype(np.uint8) * 255
    for name, pixels in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
