"""Primitives against closed forms and slow loops."""

import numpy as np
import pytest

from hvqlib.course.foundry import drawing
from hvqlib.course.foundry.drawing import Random


def test_distances_are_euclidean():
    u, v = drawing.coordinates(0.3, (100, 140))
    assert np.allclose(drawing.disc(u, v, 20), np.sqrt(u**2 + v**2) - 20)
    square = drawing.box(u, v, 30, 50)
    inside = (np.abs(u) < 15) & (np.abs(v) < 25)
    assert np.array_equal(square < 0, inside)
    corner = (u > 15) & (v > 25)
    assert np.allclose(square[corner], np.hypot(u[corner] - 15, v[corner] - 25))


def test_coordinates_turn_about_the_centre():
    u, v = drawing.coordinates(np.pi / 2, (128, 128))
    x, y = drawing.coordinates()
    assert np.allclose(u, y) and np.allclose(v, -x)


def test_stroke_is_the_distance_to_the_nearest_of_many_points():
    u, v = drawing.coordinates()
    points = np.array([[-40.0, -10.0], [20.0, 30.0], [60.0, -20.0]])
    dense = np.concatenate([np.linspace(a, b, 400) for a, b in zip(points[:-1], points[1:], strict=True)])
    for row, column in [(10, 10), (128, 128), (200, 90), (100, 190)]:
        expected = np.hypot(u[row, column] - dense[:, 0], v[row, column] - dense[:, 1]).min()
        assert drawing.stroke(points, u, v)[row, column] == pytest.approx(expected, abs=0.1)


def test_area_of_a_covered_disc():
    u, v = drawing.coordinates()
    assert drawing.cover(drawing.disc(u, v, 40)).sum() == pytest.approx(np.pi * 40**2, rel=1e-3)


def test_light_is_one_on_the_flat_and_brighter_towards_the_lamp():
    u, _ = drawing.coordinates()
    flat, _ = drawing.light(np.zeros_like(u), 0.0)
    assert np.allclose(flat, 1)
    facing, _ = drawing.light(-0.3 * u, 0.0)
    away, _ = drawing.light(0.3 * u, 0.0)
    assert facing[9, 9] > 1 > away[9, 9]


def test_noise_is_standardised_smooth_and_of_its_seed():
    a, b = drawing.noise(Random(1), 4, 2), drawing.noise(Random(1), 4, 2)
    assert np.array_equal(a, b) and not np.array_equal(a, drawing.noise(Random(2), 4, 2))
    assert a.mean() == pytest.approx(0, abs=1e-9) and a.std() == pytest.approx(1)
    assert np.abs(np.diff(a)).mean() < 0.3


def test_camera_keeps_the_range_and_the_scene():
    scene = np.full((256, 256, 3), 0.5)
    shot = drawing.camera(scene, Random(0))
    assert shot.min() >= 0 and shot.max() <= 1
    assert 0.4 < shot.mean() < 0.6 and shot.std() > 0.005
