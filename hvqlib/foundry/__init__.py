"""The six products of the bundled data set: how each is drawn, and the kinds of defect it can have."""

from .board import board
from .capsule import capsule
from .cloth import cloth
from .gear import gear
from .terrazzo import terrazzo
from .wood import wood

# name -> draw(random, defect, hurt) -> scene and mask, and the kinds of defect
PRODUCTS = {
    "cloth": (cloth, ("scratch", "stain", "hole", "misweave")),
    "wood": (wood, ("scratch", "stain", "hole", "inlay")),
    "terrazzo": (terrazzo, ("scratch", "stain", "hole", "cluster")),
    "gear": (gear, ("scratch", "stain", "missing", "misplaced")),
    "capsule": (capsule, ("scratch", "stain", "hole", "swapped")),
    "board": (board, ("scratch", "stain", "missing", "misplaced")),
}
