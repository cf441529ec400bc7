"""The six products of the bundled data set: how each is drawn, and the kinds of defect it can have.

Each is a function (random, defect, hurt) -> scene (256, 256, 3) in [0, 1] before the camera, mask (256, 256) bool.
`random` draws the scene; `hurt` draws the defect, of the kind `defect`, or none if that is None. The mask is True on
the defect; everywhere else the scene is, bit for bit, the one without it.
"""

from hvqlib.course.foundry.board import board
from hvqlib.course.foundry.capsule import capsule
from hvqlib.course.foundry.cloth import cloth
from hvqlib.course.foundry.gear import gear
from hvqlib.course.foundry.terrazzo import terrazzo
from hvqlib.course.foundry.wood import wood

PRODUCTS = {
    "cloth": (cloth, ("scratch", "stain", "hole", "misweave")),
    "wood": (wood, ("scratch", "stain", "hole", "inlay")),
    "terrazzo": (terrazzo, ("scratch", "stain", "hole", "cluster")),
    "gear": (gear, ("scratch", "stain", "missing", "misplaced")),
    "capsule": (capsule, ("scratch", "stain", "hole", "swapped")),
    "board": (board, ("scratch", "stain", "missing", "misplaced")),
}
