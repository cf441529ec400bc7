"""The three textures of the bundled data set, each with the kinds of defect it can have."""

from __future__ import annotations

from .cloth import cloth
from .terrazzo import terrazzo
from .wood import wood

TEXTURES = {
    "cloth": (cloth, ("scratch", "stain", "hole", "misweave")),
    "wood": (wood, ("scratch", "stain", "hole", "inlay")),
    "terrazzo": (terrazzo, ("scratch", "stain", "hole", "cluster")),
}
