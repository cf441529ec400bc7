"""Say what can be amiss with the files of a data set, and what follows from it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hvqlib.config import Config
from hvqlib.data.tiles import FAR_FROM_SQUARE

SIDE = Config.image_size
# What can be found about files: whether the set cannot be used before it is mended, what it is, what follows from it.
FILES = {
    "image": (True, "Images that cannot be read", "training or evaluation would stop there: replace or remove them"),
    "mask": (True, "Masks that cannot be read, or have another size than their image",
             "evaluation would stop there: replace them"),
    "no mask": (True, "Defective images without a mask, in classes with masks",
                "training and evaluation would stop there: add the masks"),
    "stray mask": (True, "Masks of no image, or of one of several that have one name",
                   "call each STEM_mask.png after its image, or remove it"),
    "second mask": (True, "Second masks of an image", "remove one of the two"),
    "black mask": (False, "Masks that mark no pixel", "their images count as defective, without a defect to find: "
                   "draw the masks, or move the images to the good ones"),
    "grey mask": (False, "Masks with greys between black and white",
                  "what is above the middle counts as defect: save masks as PNG, and without smoothing"),
    "label mask": (False, "Masks that number regions", "the commonest value counts as background, all else as defect"),
    "full mask": (False, "Masks that mark more than 90 % of their image",
                  "white, which marks the defect, and black may be swapped: look at them"),
    "thin mask": (False, f"Masks whose defects are thinner than a pixel of the anomaly map, {SIDE} x {SIDE}",
                  "the pixels that such a defect touches count as it, and it is hard to find"),
    "called a mask": (False, "Images called like the mask of another beside them",
                      "they count as images: move masks into ground_truth/DEFECT"),
    "pages": (False, "Images of several pages, or films", "the first page is read, the others are not"),
    "upper bits": (False, "Images whose colours have 16 bits, of which only the upper 8 can be read",
                   "save them as RGB without transparency, or with 8 bits"),
    "dark": (False, "Images of more than 8 bits without any pixel of a sixteenth of full brightness",
             "they are read nearly black: bring all images to one range of values"),
    "bright": (False, "Test images with pixels brighter than the full brightness of the training images",
               "these are read as white: bring all images to one range of values"),
    "squeezed": (False, f"Images more than {FAR_FROM_SQUARE} times as wide as high, or as high as wide",
                 f"they are squeezed to a square of {SIDE} x {SIDE} pixels; hvq train --fit letterbox keeps their "
                 "shape, --tiles cuts them into squares"),
    "train and test": (False, "Images in test that are, byte for byte, in train too",
                       "the test result will look too good: remove them from one of the two"),
    "twice in train": (False, "Training images that are, byte for byte, copies of another",
                       "they count double, and images held out to calibrate may have been seen: remove the copies"),
}  # fmt: skip


def finding(kind: str, problem: bool, sentence: str, files: Sequence[Path] = ()) -> dict[str, Any]:
    """Make one finding of a report, ready for JSON."""
    return {"kind": kind, "problem": problem, "sentence": sentence, "files": [str(path) for path in files]}
