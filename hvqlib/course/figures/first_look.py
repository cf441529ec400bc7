"""Draw the figures of notebook 00: a detector at work, its mistakes, its promise, and one look inside."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.patches import Rectangle

from hvqlib.course.figures import canvas, close_up, tiles
from hvqlib.evaluation.figures import BLUE, DEFECT, HEAT, png

TITLE, LABEL = 13, 12  # points
LIMIT = 44  # above the scores of nearly all images


def lay_over(picture: np.ndarray, heat: np.ndarray, low: float = 2, high: float = 20) -> np.ndarray:
    """Draw an anomaly map (S, S) over its picture (S, S, 3) in grey: the hotter, the less is seen of the picture."""
    share = np.clip((heat - low) / (high - low), 0, 1)[..., None]
    grey = picture.mean(2, keepdims=True) / 255
    shown: np.ndarray = (1 - 0.85 * share) * grey + 0.85 * share * colormaps[HEAT](share[..., 0])[..., :3]
    return shown


def draw_verdict(
    picture: np.ndarray, hot: np.ndarray, corner: tuple[int, int], score: float, threshold: float, title: str
) -> bytes:
    """Draw an image, its map laid over it with the hottest square at `corner` (row, column), and score and threshold.

    `title` has two lines.
    """
    figure, axes = canvas(1, 3, height=3.9)
    tiles(axes[:2], [picture, hot])
    axes[0].set_title(title, fontsize=TITLE)
    axes[1].set_title("its anomaly map over it\nwhite: the hottest square", fontsize=TITLE)
    axes[1].add_patch(Rectangle((corner[1], corner[0]), 16, 16, fill=False, ec="white", lw=1.5))
    bar = axes[2]
    bar.axvspan(0, threshold, color=BLUE, alpha=0.15, lw=0)
    bar.axvspan(threshold, LIMIT, color=DEFECT, alpha=0.2, lw=0, hatch="//", ec="white")
    bar.axvline(threshold, color="black", lw=2)
    bar.plot([score], [0.5], "D", ms=13, color=DEFECT if score > threshold else BLUE, mec="black", clip_on=False)
    verdict = "DEFECTIVE" if score > threshold else "normal"
    bar.set_title(f"score {score:.1f}, threshold {threshold:.1f}\nverdict: {verdict}", fontsize=TITLE)
    bar.set(xlim=(0, LIMIT), ylim=(0, 1), yticks=[], box_aspect=0.4)
    bar.set_xlabel("score (line: threshold)", fontsize=LABEL)
    bar.tick_params(labelsize=LABEL)
    return png(figure)


def hottest_square(anomaly_map: np.ndarray, side: int = 16) -> tuple[int, int]:
    """Find the top left corner (row, column) of the square of a map (S, S) with the highest mean."""
    sums = np.pad(anomaly_map.astype(np.float64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    means = sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]
    row, column = np.unravel_index(means.argmax(), means.shape)
    return int(row), int(column)


def draw_mistakes(
    product: str,
    normal: np.ndarray,
    defective: np.ndarray,
    threshold: float,
    here: Sequence[int],
    thresholds: np.ndarray,
    counts: np.ndarray,
) -> bytes:
    """Draw the scores of a product in two colours, and its false alarms and misses (T, 2) at T thresholds.

    `here` is the two counts at `threshold`.
    """
    figure, (left, right) = canvas(1, 2, height=3.8)
    names = [f"{len(normal)} normal", f"{len(defective)} defective"]
    *_, bars = left.hist([normal, defective], np.arange(0, LIMIT + 1), stacked=True, color=[BLUE, DEFECT], label=names)
    for bar in bars[1]:
        bar.set(hatch="///", edgecolor="white")
    left.set(xlim=(0, LIMIT), ylim=(0, 12), yticks=range(0, 10, 3))
    left.set_xlabel("score", fontsize=LABEL)
    left.set_ylabel("images", fontsize=LABEL)
    left.set_title(product, fontsize=TITLE)
    right.plot(thresholds, counts[:, 0], color=BLUE, lw=2.5, label="false alarms")
    right.plot(thresholds, counts[:, 1], color=DEFECT, lw=2.5, ls="--", label="misses")
    right.plot([threshold] * 2, here, "ko", ms=8, zorder=3)
    right.set(xlim=(0, LIMIT), ylim=(-0.5, 40), yticks=range(0, 31, 10))
    right.set_xlabel("threshold", fontsize=LABEL)
    right.set_ylabel("images judged wrongly", fontsize=LABEL)
    alarms, misses = here
    right.set_title(f"at {threshold:.1f}: false alarms {alarms}, misses {misses}", fontsize=TITLE)
    for axis in (left, right):
        axis.axvline(threshold, 0, 0.77, color="black", lw=1.5)
        axis.legend(loc="upper right", ncols=2, frameon=False, fontsize=LABEL)
        axis.tick_params(labelsize=LABEL)
    return png(figure)


def draw_closer(
    outlined: Sequence[np.ndarray],
    pictures: Sequence[np.ndarray],
    centres: Sequence[np.ndarray],
    titles: Sequence[str],
    side: int = 64,
) -> bytes:
    """Draw outlined pictures (S, S, 3), each with a square round its centre (row, column); below, what is in it."""
    corners = [np.clip(np.subtract(centre, side // 2), 0, len(outlined[0]) - side).astype(int) for centre in centres]
    return close_up(outlined, [(y, x, side) for y, x in corners], titles, pictures)


def draw_piles(groups: Mapping[str, np.ndarray], line: float, told: str, right: float = 12) -> bytes:
    """Draw the scores of groups of images in a row each, the last one defective, and a line with what it is."""
    import seaborn as sns

    figure, axes = canvas(height=4.4)
    colours = [BLUE] * (len(groups) - 1) + [DEFECT]
    shown = {f"{name} ({len(scores)})": scores[scores <= right] for name, scores in groups.items()}
    sns.swarmplot(shown, orient="h", palette=colours, size=4, ax=axes)
    more = sum((scores > right).sum() for scores in groups.values())
    axes.text(right, len(groups) - 1.3, f"{more} more →", ha="right", fontsize=LABEL, color=DEFECT)
    axes.axvline(line, color="black", lw=1.5, ls="--")
    axes.text(line + 0.15, -0.3, told, fontsize=LABEL)
    axes.set(xlim=(-3, right))
    axes.set_xlabel("score on the common scale (deviations above the average normal image)", fontsize=LABEL)
    axes.tick_params(labelsize=LABEL)
    return png(figure)


def draw_inside(rows: Mapping[str, Sequence[np.ndarray]], place: tuple[int, int], reach: int = 3) -> bytes:
    """Draw what lies round a place (row, column), up to `reach` places away: a row for each image, four pictures each.

    They are the image (S, S, 3) and, on the grid (G, G), a feature, that feature rebuilt, and the whole difference.
    """
    figure, axes = canvas(len(rows), 4, height=2.35 * len(rows) + 0.3)
    heads = ["image", "one feature", "the same, rebuilt", "difference, all 192"]
    grid = len(next(iter(rows.values()))[1])
    top, left = (min(max(at - reach, 0), grid - 2 * reach - 1) for at in place)
    near = {name: [_cut(one, grid, top, left, 2 * reach + 1) for one in row] for name, row in rows.items()}
    shades = np.concatenate([np.ravel(row[1]) for row in near.values()])
    for line, (name, row) in zip(axes, near.items(), strict=True):
        tiles(line, row)
        line[0].set_ylabel(name, fontsize=TITLE)
        for k in (1, 2):
            line[k].images[0].set(cmap="gray", clim=(shades.min(), shades.max()))
        line[3].images[0].set(clim=(4, 14))
        for axis, picture in zip(line, row, strict=True):
            step = len(picture) / (2 * reach + 1)
            corner = (place[1] - left) * step - 0.5, (place[0] - top) * step - 0.5
            axis.add_patch(Rectangle(corner, step, step, fill=False, ec=DEFECT, lw=2.5))
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=TITLE)
    return png(figure)


def _cut(picture: np.ndarray, grid: int, top: int, left: int, side: int) -> np.ndarray:
    """Cut places of the grid, `side` x `side`, out of a picture or a map of any size."""
    step = len(picture) // grid
    return np.asarray(picture)[step * top : step * (top + side), step * left : step * (left + side)]
