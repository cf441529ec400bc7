"""Sentences of notebook 03 that rest on a figure, where it can be computed again in seconds."""

import numpy as np

from hvqlib.course.figures.shortcut import SIZES


def fall(size: float) -> np.ndarray:
    """Losses of the ball of section 2 after 0, 1, ... 12 steps."""
    rng = np.random.default_rng(0)
    along = rng.normal(0, 2, 80)
    first, second = (np.stack([0.9 * along, 0.45 * along], 1) + rng.normal(0, 0.2, (80, 2))).T
    path = [-0.6]
    for _ in range(12):
        path.append(path[-1] - size * np.mean(2 * (path[-1] * first - second) * first))
    return ((np.array(path)[:, None] * first - second) ** 2).mean(1)


def test_a_ball_crawls_arrives_or_climbs_by_its_step_size():
    least = fall(0.13).min()
    crawling, good, climbing = (fall(SIZES[name][0]) for name in ("too small", "good", "too large"))
    assert crawling[-1] > 5 * least  # not yet there
    assert good[3] < 1.05 * least  # there in a few steps
    assert (np.diff(climbing) > 0).all()  # higher with every step
    assert fall(0.3)[1] < fall(0.3)[0] and fall(0.3)[-1] < 1.5 * least  # the one first shown: overshoots, and arrives
