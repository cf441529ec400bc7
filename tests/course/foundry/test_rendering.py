"""Coverage, light, noise and the camera against what must hold."""

import numpy as np
import pytest

from hvqlib.course.foundry import rendering, shapes


def test_area_of_a_covered_disc():
    u, v = shapes.coordinates()
    assert rendering.cover(shapes.disc(u, v, 40)).sum() == pytest.approx(np.pi * 40**2, rel=1e-3)


def test_light_is_one_on_the_flat_and_brighter_towards_the_lamp():
    u, _ = shapes.coordinates()
    flat, _ = rendering.light(np.zeros_like(u), 0.0)
    assert np.allclose(flat, 1)
    facing, _ = rendering.light(-0.3 * u, 0.0)
    away, _ = rendering.light(0.3 * u, 0.0)
    assert facing[9, 9] > 1 > away[9, 9]


def test_noise_is_standardised_smooth_and_of_its_seed():
    a, b = rendering.noise(shapes.Random(1), 4), rendering.noise(shapes.Random(1), 4)
    assert np.array_equal(a, b) and not np.array_equal(a, rendering.noise(shapes.Random(2), 4))
    assert a.mean() == pytest.approx(0, abs=1e-9) and a.std() == pytest.approx(1)
    assert np.abs(np.diff(a)).mean() < 0.3


def test_camera_keeps_the_range_and_the_scene():
    scene = np.full((256, 256, 3), 0.5)
    shot = rendering.camera(scene, shapes.Random(0))
    assert shot.min() >= 0 and shot.max() <= 1
    assert 0.4 < shot.mean() < 0.6 and shot.std() > 0.005
