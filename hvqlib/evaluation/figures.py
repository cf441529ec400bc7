"""Draw static figures: one palette, safe for colour-blind eyes, readable at half size."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from hvqlib.data.decoding import White
from hvqlib.data.images import read_image, read_mask
from hvqlib.files import write_atomic

if TYPE_CHECKING:
    from hvqlib.evaluation.evaluate import Example


# Okabe and Ito's palette. A defect is always vermilion.
BLUE, ORANGE, GREEN, PURPLE, GREY, DEFECT = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#767676", "#D55E00"
OWN = ("Software", "hvqlib")  # in heat maps and masks, so that they are never taken for photographs
HEAT = "magma"  # anomaly maps: perceptually even, dark is normal


def png(figure: Figure, dpi: int = 90, light: bool = False) -> bytes:
    """Render a figure as the bytes of a PNG, of width x height x dpi pixels exactly.

    A `light` one has 256 colours, close to this module's, and a third of the bytes: for figures with photographs.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi, facecolor="white")
    if not light:
        return buffer.getvalue()
    picture, colours = Image.open(buffer).convert("RGB"), Image.new("P", (1, 1))
    kept = [int(c[i : i + 2], 16) for c in (BLUE, ORANGE, GREEN, PURPLE, GREY, DEFECT) for i in (1, 3, 5)]
    some = picture.resize((max(1, picture.width // 4), max(1, picture.height // 4)), Image.Resampling.NEAREST)
    chosen = (some.quantize(250, kmeans=1).getpalette() or [])[: 3 * 250]  # from all pixels: up to 5 s
    colours.putpalette(chosen + [0] * (3 * 250 - len(chosen)) + kept)
    buffer = io.BytesIO()
    picture.quantize(palette=colours, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def thumbnail(path: str | Path, side: int = 224, white: White = None) -> np.ndarray:
    """Read an image file as the network sees it: (side, side, 3) uint8; `white` is as for `read_image`."""
    return np.asarray(Image.fromarray(read_image(path, white)).resize((side, side), Image.Resampling.BILINEAR))


def save(figure: Figure, path: str | Path, dpi: int = 110) -> None:
    """Write a figure as PNG, whole or not at all."""
    write_atomic(Path(path), png(figure, dpi))


def curves(history: np.ndarray, path: str | Path) -> None:
    """Draw loss, code usage and learning rate of a training.

    `history` (steps, 5): loss, commitment, learning rate, share of codes used, perplexity (nan where not known).
    """
    step = np.arange(1, len(history) + 1)
    loss, commitment, rate, usage, perplexity = history.T
    figure = Figure(figsize=(11, 3.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    left.plot(step, loss, color=GREY, alpha=0.35, linewidth=0.8)
    window = max(1, len(loss) // 50)
    smooth = np.convolve(loss, np.ones(window) / window, "valid")
    left.plot(step[window - 1 :], smooth, color=BLUE, linewidth=2, label=f"loss, mean of {window} steps")
    left.set(title="Loss", xlabel="step", ylabel="squared error (standardised features)", yscale="log")
    if np.isfinite(usage).any():
        left.plot(step, commitment, color=ORANGE, linewidth=1, label="commitment, sum of levels")
        middle.plot(step, 100 * usage, color=GREEN, linewidth=2)
        middle.set(ylim=(0, 103), ylabel="codes used in an epoch (%)")
        other = middle.twinx()
        other.plot(step, perplexity, color=PURPLE, linewidth=2, linestyle="--")
        other.set_ylabel("perplexity (codes)", color=PURPLE)
        other.set_ylim(bottom=0)
        middle.yaxis.label.set_color(GREEN)
    else:
        middle.text(0.5, 0.5, "no codebooks", ha="center", transform=middle.transAxes, color=GREY)
    middle.set(title="Codebooks, mean of levels and classes", xlabel="step")
    left.legend(frameon=False, fontsize=8)
    right.plot(step, rate, color=BLUE, linewidth=2)
    right.set(title="Learning rate", xlabel="step", ylabel="step size of AdamW")
    for axes in (left, middle, right):
        axes.spines["top"].set_visible(False)
    save(figure, path)


def outline(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Draw the edge of a mask (S, S) on a picture (S, S, 3) uint8, two pixels wide, in the defect's colour."""
    import torch
    from scipy.ndimage import binary_dilation
    from torchvision.utils import draw_segmentation_masks

    edge = torch.from_numpy(binary_dilation(mask, iterations=2) & ~mask)
    pixels = torch.tensor(picture).permute(2, 0, 1)  # (3, S, S), a copy: pictures may be read-only
    return draw_segmentation_masks(pixels, edge, alpha=1.0, colors=DEFECT).permute(1, 2, 0).numpy()


def gallery(examples: Sequence[Example], path: str | Path, white: White = None) -> None:
    """Draw rows of image | truth | anomaly map: of a class, the median and the lowest-scored defective image."""
    names = list(dict.fromkeys(e.sample.class_name for e in examples))
    figure = Figure(figsize=(11, 1.9 * max(1, len(names)) + 0.6), layout="constrained")
    grid = figure.subplots(max(1, len(names)), 6, squeeze=False)
    for axes in grid.flat:
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
    heads = ("image", "truth", "anomaly map")
    for j, head in enumerate(heads * 2):
        grid[0, j].set_title(head + (" (median score)" if j == 0 else " (lowest score)" if j == 3 else ""), fontsize=9)
    for row, name in zip(grid, names, strict=False):
        row[0].set_ylabel(legible(name), fontsize=11)
        for k, example in enumerate([e for e in examples if e.sample.class_name == name]):
            image, truth, heat = row[3 * k : 3 * k + 3]
            side = example.anomaly_map.shape[0]
            picture = thumbnail(example.sample.path, side, white)
            image.imshow(picture)
            if example.sample.mask is None:
                truth.text(0.5, 0.5, "no mask", ha="center", va="center", transform=truth.transAxes, color=GREY)
            else:
                truth.imshow(outline(picture, read_mask(example.sample, side)))
            truth.set_xlabel(legible(example.sample.defect), fontsize=8)
            heat.imshow(example.anomaly_map, cmap=HEAT, vmin=example.low, vmax=example.high)
            heat.set_xlabel(f"score {example.score:.2f}", fontsize=8)
    save(figure, path)


def legible(name: str) -> str:
    """Write a name so that a figure can show it: what its font lacks as escapes, and no dollar as mathematics."""
    from matplotlib import font_manager

    known = font_manager.get_font(font_manager.findfont("DejaVu Sans")).get_charmap()
    escaped = (c if ord(c) in known else c.encode("ascii", "backslashreplace").decode() for c in name)
    return "".join(escaped).replace("$", r"\$")


def heat_map(path: str | Path, picture: np.ndarray, anomaly_map: np.ndarray, low: float, high: float) -> None:
    """Write a picture (H, W, 3) uint8 and its anomaly map (S, S) side by side, coloured from `low` to `high`."""
    from matplotlib import colormaps

    height, width = picture.shape[:2]
    shade = np.uint8(255 * colormaps[HEAT](np.clip((anomaly_map - low) / (high - low), 0, 1))[..., :3])
    both = Image.new("RGB", (2 * width, height))
    both.paste(Image.fromarray(picture), (0, 0))
    both.paste(Image.fromarray(shade).resize((width, height), Image.Resampling.BILINEAR), (width, 0))
    save_picture(path, both)


def save_picture(path: str | Path, picture: Image.Image) -> None:
    """Write a picture as PNG, whole or not at all, with a note of who made it."""
    note, buffer = PngInfo(), io.BytesIO()
    note.add_text(*OWN)
    picture.save(buffer, "PNG", pnginfo=note)
    write_atomic(Path(path), buffer.getvalue())


def is_own(path: str | Path) -> bool:
    """Say whether a file is a picture that :func:`save_picture` wrote."""
    try:
        with Image.open(path) as picture:
            return picture.format == "PNG" and picture.info.get(OWN[0]) == OWN[1]
    except Exception:  # no image at all, which reading it will say
        return False
