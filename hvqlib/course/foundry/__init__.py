"""The six products of the bundled data set: how each is drawn, and the kinds of defect it can have."""

from hvqlib.course.foundry.board import board
from hvqlib.course.foundry.capsule import capsule
from hvqlib.course.foundry.cloth import cloth
from hvqlib.course.foundry.gear import gear
from hvqlib.course.foundry.terrazzo import terrazzo
from hvqlib.course.foundry.wood import wood

# name -> draw(random, defect, hurt) -> scene and mask, and the kinds of defect
PRODUCTS = {
    "cloth": (cloth, ("scratch", "stain", "hole", "misweave")),
    "wood": (wood, ("scratch", "stain", "hole", "inlay")),
    "terrazzo": (terrazzo, ("scratch", "stain", "hole", "cluster")),
    "gear": (gear, ("scratch", "stain", "missing", "misplaced")),
    "capsule": (capsule, ("scratch", "stain", "hole", "swapped")),
    "board": (board, ("scratch", "stain", "missing", "misplaced")),
}
