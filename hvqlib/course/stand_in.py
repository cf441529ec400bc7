"""Make folders of photographs for those who have none at hand: a heap as a camera leaves it, and solar cells."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from hvqlib.course.material import foundry
from hvqlib.errors import InputError

PLACES = (("cells", "train/good", 0, 150), ("cells", "test/good", 0, 75), ("cells", "test/defective", 1, 75),
          ("doubt", "third", 1 / 3, 30), ("doubt", "two_thirds", 2 / 3, 30))  # fmt: skip


def heap(folder: Path, products: tuple[str, ...] = ("capsule", "wood")) -> dict[str, str]:
    """Copy pictures of products of foundry into one folder, under a camera's names, with a list as Excel saves it.

    Of each product four good and four defective ones are not inspected. One photograph is blurred, one is there twice,
    and one file is cut short. Returns what is true of those that are not inspected, by file name. Raises InputError
    where the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"'{folder}' cannot be made ({error.strerror}): work in a copy of the course (hvq course copy), whose data "
            "folder is yours."
        ) from error
    dataset, rng, shots = foundry(), np.random.default_rng(0), list[tuple[Path, str, str]]()
    for product in products:
        test = [s for s in dataset.test if s.class_name == product]
        paths = [[s.path for s in test if s.label == k] for k in (0, 1)]
        good, bad = ([some[i] for i in rng.permutation(len(some))] for some in paths)
        known = [s.path for s in dataset.train if s.class_name == product] + good[4:]
        shots += [(path, product, "Good") for path in known] + [(path, product, "NOK") for path in bad[4:14]]
        shots += [(path, "", "") for path in (*good[:4], *bad[:4])]
    answers, rows = {}, list[tuple[str, str, str]]()
    for number, i in enumerate(rng.permutation(len(shots))):
        path, product, inspected = shots[i]
        rows.append((f"IMG_{2041 + number}.png", product, inspected))
        shutil.copy(path, folder / rows[-1][0])
        if not inspected:
            answers[rows[-1][0]] = f"{path.parents[2].name}, {path.parent.name}"
    twice, blurred, cut = [row for row in rows if row[2] == "Good"][3:12:4]
    shutil.copy(folder / twice[0], folder / "IMG_3001.png")
    sharp = Image.open(folder / blurred[0])
    sharp.filter(ImageFilter.GaussianBlur(3)).save(folder / blurred[0])
    (folder / "IMG_3002.png").write_bytes((folder / cut[0]).read_bytes()[:2000])
    rows += [("IMG_3001.png", *twice[1:]), ("IMG_3002.png", *cut[1:])]
    with open(folder / "list.csv", "w", newline="", encoding="utf-8-sig") as file:
        csv.writer(file, delimiter=";").writerows([("File", "Product", "Inspected"), *rows])
    return answers


def solar_cells(folder: Path) -> None:
    """Copy 150 + 75 good, 75 defective and 30 + 30 doubtful solar cells of each kind into a folder, in the layout.

    Those of the package elpv-dataset, drawn at random: ``cells/KIND/train/good`` and ``test``, and beside them
    ``doubt/KIND/third`` and ``two_thirds``, whose probability of a defect is that.
    """
    import elpv_dataset

    data, rng = Path(elpv_dataset.__file__).parent / "data", np.random.default_rng(0)
    lines = [line.split() for line in (data / "labels.csv").read_text("utf-8").splitlines()]  # file, probability, kind
    for kind in ("mono", "poly"):
        taken: set[str] = set()
        for part, place, probability, number in PLACES:
            those = [file for file, p, k in lines if k == kind and abs(float(p) - probability) < 0.01]
            those = [file for file in rng.permutation(those).tolist() if file not in taken][:number]
            taken.update(those)
            goal = folder / part / kind / place
            goal.mkdir(parents=True, exist_ok=True)
            for file in those:
                shutil.copy(data / file, goal)
