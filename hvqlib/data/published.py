"""Compare a folder with the data set that it seems to be, as its authors describe it."""

from __future__ import annotations

from typing import Any

# What the authors publish: Bergmann et al., CVPR 2019; Zou et al., ECCV 2022.
PUBLISHED = {
    "MVTec AD": {"classes": 15, "train": 3629, "test good": 467, "test defective": 1258},
    "VisA": {"classes": 12, "train": 8659, "test good": 962, "test defective": 1200},
}

NAMES = {
    "MVTec AD": "bottle cable capsule carpet grid hazelnut leather metal_nut pill screw tile toothbrush transistor "
    "wood zipper",
    "VisA": "candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 pipe_fryum",
}


def compare_counts(layout: str, classes: dict[str, dict[str, Any]]) -> dict[str, Any] | None:
    """Compare the counts that authors publish with those here, where most of the classes are theirs; else None.

    `classes` are those of `inspect_folder`.
    """
    names = NAMES.get(layout, "").split()
    if 2 * len(classes.keys() & set(names)) <= len(names):
        return None
    here = {
        "classes": len(classes),
        "train": sum(one["train"] for one in classes.values()),
        "test good": sum(one["test_good"] for one in classes.values()),
        "test defective": sum(sum(one["test_defective"].values()) for one in classes.values()),
    }
    return {"data_set": layout, "wanted": PUBLISHED[layout], "found": here}
