"""Draw what a detector knows and how it takes a defect apart (notebook 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image

from hvqlib.course.figures import canvas, tiles
from hvqlib.course.painting import Answer
from hvqlib.evaluation.figures import BLUE, DEFECT, GREEN, GREY, HEAT, ORANGE, PURPLE, png

LARGE = 12  # points, of what must be read at half size
TINT = np.array([int(ORANGE[i : i + 2], 16) for i in (1, 3, 5)])


def crop(photo: np.ndarray, place: int, side: int = 48) -> np.ndarray:
    """Cut the square of a photo (224, 224, 3) around a token's place (0 to 195); the edge repeats beyond itself."""
    row, column = 16 * (place // 14) + 8, 16 * (place % 14) + 8
    half = side // 2
    wide = np.pad(photo, ((half, half), (half, half), (0, 0)), mode="edge")
    return wide[row : row + side, column : column + side]


def shrunk(picture: np.ndarray) -> np.ndarray:
    """Shrink a picture (H, W, 3) uint8 to the size of the drawings from features: (112, 112, 3), 0 to 1."""
    return np.asarray(Image.fromarray(picture).resize((112, 112), Image.Resampling.BOX)) / 255


def where(mean: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Draw on the mean image (224, 224, 3) of a product, pale, in orange where counts (14, 14) are high."""
    grey = mean.mean(2, keepdims=True)
    pale = 130 + 115 * (grey - grey.min()) / np.ptp(grey)
    alpha = np.kron(np.sqrt(counts / max(counts.max(), 1)), np.ones((16, 16)))[..., None]
    return (pale * (1 - alpha) + TINT * alpha).astype(np.uint8)


def glue(patches: Sequence[np.ndarray]) -> np.ndarray:
    """Glue 196 patches (32, 32, 3) into a picture (224, 224, 3), each over its place and fading to its sides."""
    soft = np.hanning(34)[1:-1]
    weights = (soft[:, None] * soft)[..., None]
    total, weight = np.zeros((240, 240, 3)), np.zeros((240, 240, 1))
    for place, patch in enumerate(patches):
        y, x = 16 * (place // 14), 16 * (place % 14)
        total[y : y + 32, x : x + 32] += weights * patch
        weight[y : y + 32, x : x + 32] += weights
    return (total / weight)[8:-8, 8:-8].astype(np.uint8)


def bare(axes: Any) -> None:
    """Take ticks and frame from axes that hold a picture."""
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def draw_page(rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str], title: str) -> bytes:
    """Draw lines of the atlas: where a prototype is used, then its closest normal patches."""
    columns, side, gap = max(len(row) for row in rows), 96, 5
    sheet = np.full((len(rows) * (side + gap), columns * (side + gap) + 12, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            y, x = i * (side + gap), j * (side + gap) + 12 * (j > 0)
            enlarged = Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC)
            sheet[y : y + side, x : x + side] = np.asarray(enlarged)
    figure, axes = canvas(width=7.5, height=0.5 + 5.9 / 6 * len(rows))
    axes.imshow(sheet)
    bare(axes)
    axes.set_yticks(side / 2 + (side + gap) * np.arange(len(rows)), labels)
    axes.tick_params(length=0, labelsize=LARGE - 1)
    axes.set_title(title, fontsize=LARGE)
    return png(figure, dpi=80, light=True)


def bars(names: Sequence[str], values: Mapping[str, np.ndarray], ylabel: str) -> bytes:
    """Draw a group of bars per name; the keys say what the bars are."""
    looks = ((GREY, "//"), (ORANGE, None)) if len(values) == 2 else ((DEFECT, None), (BLUE, "//"), (GREY, ".."))
    figure, axes = canvas(width=8, height=3.4)
    width = 0.8 / len(values)
    for j, ((name, row), (color, hatch)) in enumerate(zip(values.items(), looks, strict=True)):
        x = np.arange(len(names)) + width * (j - (len(values) - 1) / 2)
        axes.bar(x, row, 0.95 * width, color=color, hatch=hatch, edgecolor="white", label=name)
    axes.set_xticks(np.arange(len(names)), names)
    axes.set(ylim=(0, 1.25), yticks=(0, 0.25, 0.5, 0.75, 1))
    axes.set_ylabel(ylabel, fontsize=LARGE)
    axes.tick_params(labelsize=LARGE - 1)
    axes.legend(frameon=False, ncols=3, loc="upper right", fontsize=LARGE - 1)
    return png(figure)


def draw_pairs(above: Sequence[np.ndarray], below: Sequence[np.ndarray], titles: Sequence[str]) -> bytes:
    """Draw images over what was made of them."""
    figure, axes = canvas(2, len(above), width=8, height=4.5)
    tiles(axes[0], above, titles)
    tiles(axes[1], below)
    for one, name in zip(axes[:, 0], ("image", "its top codes"), strict=True):
        one.set_ylabel(name, fontsize=LARGE)
    for one in axes[0]:
        one.title.set_fontsize(LARGE)
    return png(figure, dpi=80, light=True)


def draw_rows(rows: Sequence[Sequence[np.ndarray]], labels: Sequence[str], heads: Sequence[str], high: float) -> bytes:
    """Draw rows of pictures, maps from 0 to `high`, with a label before each row and a head over each column."""
    figure, axes = canvas(len(rows), len(heads), width=8, height=0.4 + 8 / len(heads) * len(rows))
    for row, pictures, label in zip(np.atleast_2d(axes), rows, labels, strict=True):
        for one, picture in zip(row, pictures, strict=True):
            one.imshow(picture, cmap=HEAT, vmin=0, vmax=high, interpolation="nearest" if len(picture) == 14 else None)
            bare(one)
        row[0].set_ylabel(label, fontsize=LARGE)
    for one, head in zip(np.atleast_2d(axes)[0], heads, strict=True):
        one.set_title(head, fontsize=LARGE - 1)
    return png(figure, dpi=80, light=True)


def draw_survival(names: Sequence[str], survived: Mapping[str, np.ndarray]) -> bytes:
    """Draw how much survives for each product; the keys say of what and where."""
    figure, axes = canvas(width=8, height=3.6)
    looks = ((BLUE, "o"), (DEFECT, "X"), (GREY, "s"))
    for (name, row), (color, marker) in zip(survived.items(), looks, strict=True):
        axes.plot(names, row, color=color, marker=marker, linestyle="", markersize=11, label=name)
    axes.grid(axis="y", color=GREY, alpha=0.3)
    axes.set(ylim=(0, 1.45), yticks=(0, 0.25, 0.5, 0.75, 1))
    axes.set_ylabel("survival (1: all of it)", fontsize=LARGE)
    axes.tick_params(labelsize=LARGE)
    axes.legend(frameon=False, fontsize=LARGE - 1, loc="upper left")
    return png(figure)


def framed(picture: np.ndarray, places: Sequence[int]) -> np.ndarray:
    """Draw a thin orange frame around each of the places (0 to 195) of a picture (224, 224, 3)."""
    picture = picture.copy()
    for place in places:
        y, x = 16 * (place // 14), 16 * (place % 14)
        inner = picture[y + 1 : y + 15, x + 1 : x + 15].copy()
        picture[y : y + 16, x : x + 16] = TINT
        picture[y + 1 : y + 15, x + 1 : x + 15] = inner
    return picture


def draw_verdict(pixels: np.ndarray, answer: Answer, clean_score: float) -> bytes:
    """Draw a painted image with flipped codes framed, its map, and the scores (few artists: quick)."""
    flipped, heat, score, threshold = answer
    figure, axes = canvas(height=3.4)
    figure.set_layout_engine("none")
    shade = np.uint8(255 * colormaps[HEAT](heat / (3 * threshold))[..., :3])
    for left, picture in ((10, framed(pixels, flipped)), (250, shade)):
        figure.figimage(picture, left, 12)
    bad = score > threshold
    axes.set_position((0.74, 0.1, 0.25, 0.76))
    hatch = [None, "//" if bad else None]
    axes.bar(["clean", "painted"], (clean_score, score), color=[BLUE, DEFECT if bad else BLUE], hatch=hatch)
    axes.axhline(threshold, color=GREY, linestyle="--")
    axes.text(-0.4, threshold + 0.5, "threshold", color=GREY, fontsize=LARGE - 1)
    axes.set(ylim=(0, max(42, 1.05 * score)), ylabel="image score")
    heads = ((122, f"{len(flipped)} of 196 top codes flipped"), (362, "anomaly map"))
    for x, text in (*heads, (620, f"score {score:.1f}: {'defective' if bad else 'normal'}")):
        figure.text(x / 720, 0.92, text, ha="center", fontsize=LARGE)
    return png(figure, dpi=80, light=True)


def draw_noticed(names: Sequence[str], paints: Sequence[str], ratio: np.ndarray) -> bytes:
    """Draw image scores (products, paints) as multiples of the threshold."""
    figure, axes = canvas(width=8.5, height=4.2)
    colours = ("black", BLUE, GREEN, ORANGE, GREY, PURPLE, "black")
    axes.axvspan(1, 16, color=DEFECT, alpha=0.08, linewidth=0)
    for c, (marker, color) in enumerate(zip("*sovD^P", colours, strict=True)):
        y = np.arange(len(paints)) + 0.1 * (c - 3)
        axes.scatter(ratio[c], y, marker=marker, color=color, s=80 if marker == "*" else 50, label=names[c])
    axes.axvline(1, color=GREY, linestyle="--")
    axes.set(xscale="log", xlim=(0.4, 16), xticks=[0.5, 1, 2, 4, 8], yticks=range(len(paints)), yticklabels=paints)
    axes.set_xlabel("image score, in thresholds (shaded: defective)", fontsize=LARGE)
    axes.set_xticklabels(["0.5", "1", "2", "4", "8"])
    axes.tick_params(labelsize=LARGE - 1)
    axes.minorticks_off()
    axes.invert_yaxis()
    axes.legend(frameon=False, fontsize=LARGE - 1, loc="upper left", bbox_to_anchor=(1, 1))
    return png(figure)
