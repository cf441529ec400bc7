"""The pictures of notebook 10: pieces of photographs where they belong, and each figure at its size."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from hvqlib.course.figures import inside
from hvqlib.course.painting import Answer

PHOTO = np.random.default_rng(0).integers(0, 256, (224, 224, 3), np.uint8)
NAMES = ("ballscrew", "board", "capsule", "cloth", "gear", "terrazzo", "wood")


def size(picture: bytes) -> tuple[int, int]:
    return Image.open(io.BytesIO(picture)).size


def test_a_crop_has_its_place_in_the_middle() -> None:
    cut = inside.crop(PHOTO, 14 * 3 + 5)  # row 3, column 5
    assert np.array_equal(cut[16:32, 16:32], PHOTO[48:64, 80:96])
    assert np.array_equal(inside.crop(PHOTO, 0)[16:, 16:], PHOTO[:32, :32])  # over the edge


def test_gluing_the_patches_of_a_photograph_gives_the_photograph() -> None:
    glued = inside.glue([inside.crop(PHOTO, place, 32) for place in range(196)])
    assert np.abs(glued.astype(int) - PHOTO).max() <= 1


def test_orange_is_where_a_prototype_is_used() -> None:
    counts = np.zeros((14, 14))
    counts[2, 3] = 60
    drawn = inside.where(PHOTO.astype(float), counts)
    assert (drawn[32:48, 48:64] == inside.TINT).all() and (np.ptp(drawn[64:], axis=2) <= 1).all()


def test_frames_leave_the_inside_of_a_place() -> None:
    framed = inside.framed(PHOTO, [0])
    assert (framed[0, :16] == inside.TINT).all() and np.array_equal(framed[1:15, 1:15], PHOTO[1:15, 1:15])
    assert np.array_equal(framed[16:], PHOTO[16:])


def test_shrunk() -> None:
    assert np.allclose(inside.shrunk(np.full((256, 256, 3), 51, np.uint8)), np.full((112, 112, 3), 0.2))


def test_figures() -> None:
    patch, share = np.zeros((48, 48, 3), np.uint8), np.linspace(0, 1, 7)
    assert size(inside.draw_page([[PHOTO, patch], [PHOTO]], ["a", "b"], "title"))[0] == 600
    assert size(inside.bars(NAMES, {"place": share, "top prototype": share}, "share")) == (720, 306)
    assert size(inside.bars(NAMES, dict.fromkeys("abc", share), "share")) == (720, 306)
    assert size(inside.draw_pairs([PHOTO] * 4, [PHOTO] * 4, ["a"] * 4)) == (640, 360)
    assert size(inside.draw_rows([(PHOTO, np.zeros((14, 14)))], ["a"], ("image", "map"), 3))[0] == 640
    assert size(inside.draw_survival(NAMES, dict.fromkeys("abc", share))) == (720, 324)
    assert size(inside.draw_noticed(NAMES, ["a", "b"], np.ones((7, 2)))) == (765, 378)
    for score in (1.0, 9.0):
        assert size(inside.draw_verdict(PHOTO, Answer([3], np.ones((224, 224)), score, 5.0), 1.0)) == (720, 272)
