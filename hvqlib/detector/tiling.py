"""Choose what the network sees of an image: all of it, or one tile after another; and put maps of tiles together.

An image is squeezed to a square; or padded to one, which keeps its shape ("letterbox"); or cut into overlapping squares
("tiles"). Each tile goes through the network as an image of its own, and each position of a tile in a class has its own
codebooks and normal statistics, as a class has that is seen whole: it is a *part*. Scores and promises are of images.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from hvqlib.config import Config
from hvqlib.data.dataset import AnomalyDataset
from hvqlib.data.images import Picture, size_of
from hvqlib.data.tiles import FAR_FROM_SQUARE, Tile, squares
from hvqlib.detector.anomaly_map import image_score, upsample
from hvqlib.detector.level import held_out

AT_ONCE = 64  # tiles whose maps are enlarged at once


@dataclass(frozen=True)
class Tiles:
    """Say which tiles show N images, M tiles in all, those of an image one after another.

    Images that are seen whole are their own only tiles: `boxes` is then None.
    """

    number: int  # N
    pictures: list[Picture | Tile]  # M
    image: Tensor  # (M,), ascending: which image a tile is of
    boxes: Tensor | None = None  # (M, 4): left, top, right, bottom as shares of the image's width and height
    row: Tensor | None = None  # (M,), in 0 to 1: in which of the image's rows of tiles, at its middle
    column: Tensor | None = None  # (M,), likewise

    @classmethod
    def whole(cls, number: int) -> Tiles:
        """Say that so many images are seen whole."""
        return cls(number, [], torch.arange(number))

    def rows(self, some: slice) -> Tensor:
        """Number the tiles of some of the images."""
        return ((self.image >= some.start) & (self.image < some.stop)).nonzero()[:, 0]

    def take(self, some: slice) -> Tiles:
        """Pick the tiles of some of the images."""
        rows = self.rows(some)
        rest = (None if values is None else values[rows] for values in (self.boxes, self.row, self.column))
        pictures = [self.pictures[i] for i in rows] if self.pictures else []
        return Tiles(len(range(self.number)[some]), pictures, self.image[rows] - some.start, *rest)

    def mean(self, vectors: Tensor) -> Tensor:
        """Average vectors (M, C) over the tiles of an image, (N, C)."""
        if self.boxes is None:
            return vectors
        image = self.image.to(vectors.device)
        sums = vectors.new_zeros(self.number, vectors.shape[1]).index_add_(0, image, vectors)
        return sums / sums.new_zeros(self.number).index_add_(0, image, sums.new_ones(len(image)))[:, None]

    def length(self, lengths: Tensor) -> Tensor:
        """Join the lengths (M,) of vectors to that of all vectors of an image together, (N,)."""
        return lengths if self.boxes is None else self.mean(lengths[:, None].square())[:, 0].sqrt()

    def join(self, maps: Tensor, side: int) -> tuple[Tensor, Tensor]:
        """Join maps of tiles (M, H, W) to maps of images (N, side, side), and score them (N,).

        Where tiles overlap, a pixel is a mean of theirs, each weighted by how far it is from its tile's edge, so that
        no seam shows. The score is the highest of the tiles, at their own resolution; what lies beyond an image counts
        as the lowest value within.
        """
        if self.boxes is None:
            large = upsample(maps, (side, side))
            return large, image_score(large)
        scores = maps.new_full((self.number,), -math.inf)
        sums, weights = maps.new_zeros(self.number, side, side), maps.new_zeros(self.number, side, side)
        middles = (torch.arange(side).to(maps) + 0.5) / side  # (side,), of pixels
        for some in torch.arange(len(maps)).split(AT_ONCE):
            large = upsample(maps[some], (side, side))
            boxes, image = self.boxes[some].to(maps), self.image[some].to(maps.device)
            start, end = boxes[:, :2, None], boxes[:, 2:, None]  # (m, 2, 1)
            there = start + (end - start) * middles  # (m, 2, side): where a tile's pixels are in their image
            wide, high = ((there >= 0) & (there <= 1)).unbind(1)
            beyond = ~(high[:, :, None] & wide[:, None])  # (m, side, side)
            beyond &= ~beyond.all(2, keepdim=True).all(1, keepdim=True)  # an image too thin to hold a pixel's middle
            lowest = large.masked_fill(beyond, math.inf).amin((1, 2), keepdim=True)
            scores.scatter_reduce_(0, image, image_score(torch.where(beyond, lowest, large)), "amax")
            here = (middles - start) / (end - start)  # (m, 2, side): where an image's pixels are in its tile
            weight = torch.minimum(here, 1 - here).clamp(min=1e-6) * ((here >= 0) & (here <= 1))
            x, y = (2 * here - 1).unbind(1)
            grid = torch.stack(torch.broadcast_tensors(x[:, None], y[:, :, None]), 3)  # (m, side, side, 2)
            seen = F.grid_sample(large[:, None], grid, padding_mode="border", align_corners=False)[:, 0]
            both = weight[:, 1, :, None] * weight[:, 0, None]
            sums.index_add_(0, image, seen * both)
            weights.index_add_(0, image, both)
        return sums / weights, scores


class Tiling:
    """Cut images, and number the parts of C classes: class after class, each row by row.

    Parameters
    ----------
    config : its `fit`, `tile` and `overlap` say how images are cut.
    layouts : rows and columns of tiles of each class, as :meth:`measure` finds them. An image of another shape has as
        many tiles as it needs, and each counts as the part nearest to its own place.
    """

    def __init__(self, config: Config, layouts: Sequence[tuple[int, int]]) -> None:
        self.config, self.layouts = config, tuple((int(rows), int(columns)) for rows, columns in layouts)
        self.rows, self.columns = torch.tensor(self.layouts).T
        self.first = torch.tensor([0, *(rows * columns for rows, columns in self.layouts)]).cumsum(0)[:-1]
        self.parts = sum(rows * columns for rows, columns in self.layouts)

    @classmethod
    def measure(
        cls, config: Config, images: Sequence[Picture], class_ids: Tensor, classes: int, held: Tensor
    ) -> Tiling:
        """Find which layout is the commonest among the training images of each class, less those `held` (N,) out."""
        if config.fit != "tiles":
            return cls(config, [(1, 1)] * classes)
        found = [Counter[tuple[int, int]]() for _ in range(classes)]
        for image, c, out in zip(images, class_ids.tolist(), held.tolist(), strict=True):
            if out:
                continue
            _, rows, columns = squares(*size_of(image), config)
            found[c][len(rows), len(columns)] += 1
        return cls(config, [max(sorted(counts), key=counts.__getitem__) if counts else (1, 1) for counts in found])

    def cut(self, images: Sequence[Picture]) -> Tiles:
        """Cut N images into tiles. Of image files only the headers are read. Raises InputError where one cannot be."""
        if self.config.fit == "squeeze":
            return Tiles(len(images), list(images), torch.arange(len(images)))
        pictures: list[Picture | Tile] = []
        number, boxes, places = list[int](), list[list[float]](), list[tuple[float, float]]()
        for i, image in enumerate(images):
            width, height = size_of(image)
            side, rows, columns = squares(width, height, self.config)
            for r, top in enumerate(rows):
                for c, left in enumerate(columns):
                    pictures.append(Tile(image, (left, top, left + side, top + side)))
                    number.append(i)
                    boxes.append([left / width, top / height, (left + side) / width, (top + side) / height])
                    places.append(((r + 0.5) / len(rows), (c + 0.5) / len(columns)))
        row, column = torch.tensor(places).reshape(-1, 2).T
        shown, shares = torch.tensor(number, dtype=torch.long), torch.tensor(boxes).reshape(-1, 4)
        return Tiles(len(images), pictures, shown, shares, row, column)

    def part_ids(self, tiles: Tiles, class_ids: Tensor) -> Tensor:
        """Number the part (M,) that each tile shows, of images whose classes (N,) are known."""
        if self.config.fit != "tiles":
            return class_ids
        assert tiles.row is not None and tiles.column is not None
        c = class_ids.cpu()[tiles.image]
        rows, columns = self.rows[c], self.columns[c]
        return (self.first[c] + (tiles.row * rows).long() * columns + (tiles.column * columns).long()).to(class_ids)


def told_fit(config: Config, dataset: AnomalyDataset) -> str:
    """Say in a line how images become squares; nothing where they nearly are, and are squeezed."""
    if config.fit == "letterbox":
        return "Images are padded to squares; their edges are repeated.\n"
    if config.fit == "tiles":
        class_ids = torch.tensor([sample.class_id for sample in dataset.train])
        held = held_out(class_ids, config.holdout, config.seed)
        paths = [sample.path for sample in dataset.train]
        tiling = Tiling.measure(config, paths, class_ids, len(dataset.classes), held)
        named = zip(dataset.classes, tiling.layouts, strict=True)
        side = f"{config.tile} pixels" if config.tile else "the shorter side"
        cut = ", ".join(f"{name} {rows} x {columns}" for name, (rows, columns) in named)
        return f"Images are cut into squares of {side}, rows x columns: {cut}.\n"
    shapes = [(sample.class_name, size_of(sample.path)) for sample in dataset.train]
    far = list(dict.fromkeys(name for name, size in shapes if max(size) > FAR_FROM_SQUARE * min(size)))
    if not far:
        return ""
    return (
        f"Images of {', '.join(far)} are far from square, and are squeezed to squares: --fit letterbox keeps their "
        "shape, --tiles cuts them into squares.\n"
    )
