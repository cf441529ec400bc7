"""Draw the figures of notebook 12: verdicts with their maps, scores by class, and changed photographs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from hvqlib.course.figures import canvas, tiles
from hvqlib.detector.detector import Prediction
from hvqlib.evaluation.figures import BLUE, DEFECT, GREY, png, thumbnail

WIDTH = 6.5  # inches: letters of 10 points can be read at half size


def draw_judged(judged: Sequence[Prediction]) -> bytes:
    """Draw photographs with their p-values, and below them their anomaly maps, from 0 to twice the threshold."""
    return _with_maps(judged, [f"p {one.p_value:.2f}" for one in judged], [one.verdict for one in judged])


def draw_found(judged: Sequence[Prediction], words: Sequence[str]) -> bytes:
    """Draw photographs with a word above each, and below them their maps and scores as multiples of the threshold."""
    return _with_maps(judged, words, [f"{one.score / one.threshold:.1f} x" for one in judged])


def _with_maps(judged: Sequence[Prediction], above: Sequence[str], below: Sequence[str]) -> bytes:
    figure, axes = canvas(2, len(judged), WIDTH, 0.5 + 13.0 / max(len(judged), 6))
    photographs, maps = np.reshape(axes, (2, -1))
    tiles(photographs, [thumbnail(one.path) for one in judged if one.path], above)
    tiles(maps, [one.anomaly_map / one.threshold for one in judged], low=0, high=2)
    for axis, one, word in zip(maps, judged, below, strict=True):
        axis.set_xlabel(word, fontsize=9, color="black" if one.verdict == "normal" else DEFECT)
    for axis in photographs:
        axis.title.set_fontsize(9)
    return png(figure, 100, light=True)


def draw_levels(scores: np.ndarray, groups: Sequence[Sequence[np.ndarray]], titles: Sequence[str]) -> bytes:
    """Draw the scores of each class of cells by the experts' probability of a defect, with the mean of each group."""
    figure, axes = canvas(1, len(titles), WIDTH, 3.2)
    for axis, of, title in zip(axes, groups, titles, strict=True):
        for group, (mark, colour) in enumerate((("o", BLUE), ("x", GREY), ("+", GREY), ("x", DEFECT))):
            some = scores[of[group]]
            spread = np.random.default_rng(0).uniform(-0.25, 0.25, len(some))
            axis.plot(group + spread, some, mark, ms=4, color=colour, alpha=0.7)
            axis.plot([group - 0.35, group + 0.35], [some.mean()] * 2, color="black", lw=2)
        axis.set_xticks(range(4), ["0\ngood", "1/3", "2/3", "1\ndefective"])
        axis.set_title(title, fontsize=11)
        axis.set(xlabel="probability of a defect", ylabel="image score (no unit)")
    return png(figure, 100)


def draw_ranked(paths: Sequence[Path], values: Sequence[float], slipped: Sequence[bool]) -> bytes:
    """Draw photographs in their order, with their scores and whether they slipped in."""
    figure, axes = canvas(2, len(paths) // 2, WIDTH, 3.4)
    tiles(axes, [thumbnail(path) for path in paths], [f"{value:.1f}" for value in values])
    for axis, defective in zip(axes.flat, slipped, strict=True):
        word, colour = ("slipped in", DEFECT) if defective else ("labelled good", "black")
        axis.set_xlabel(word, color=colour, fontsize=9)
    return png(figure, 100, light=True)


def draw_changes(answer: Mapping[str, tuple[float, np.ndarray]]) -> bytes:
    """Draw a photograph under several changes, with the share of such photographs that is called defective."""
    figure, axes = canvas(1, len(answer), WIDTH, 1.8)
    tiles(
        axes, [np.asarray(Image.fromarray(picture).resize((160, 160))) for _, picture in answer.values()], list(answer)
    )
    for axis, (share, _) in zip(axes, answer.values(), strict=True):
        axis.title.set_fontsize(9)
        axis.set_xlabel(f"{share:.0%} called\ndefective", fontsize=9, color=DEFECT if share > 0.05 else "black")
    return png(figure, 100, light=True)


def draw_beside(pictures: Sequence[np.ndarray], words: Sequence[str]) -> bytes:
    """Draw wide pictures below each other; maps (H, W) are coloured from 0 to twice the threshold."""
    figure, axes = canvas(len(pictures), 1, 5, 2.3 * len(pictures))
    tiles(axes, pictures, words, low=0, high=2)
    return png(figure, 90, light=True)
