"""Coordinates and distances against closed forms and slow loops."""

import numpy as np
import pytest

from hvqlib.course.foundry import shapes


def test_distances_are_euclidean():
    u, v = shapes.coordinates(0.3, (100, 140))
    assert np.allclose(shapes.disc(u, v, 20), np.sqrt(u**2 + v**2) - 20)
    square = shapes.box(u, v, 30, 50)
    inside = (np.abs(u) < 15) & (np.abs(v) < 25)
    assert np.array_equal(square < 0, inside)
    corner = (u > 15) & (v > 25)
    assert np.allclose(square[corner], np.hypot(u[corner] - 15, v[corner] - 25))


def test_coordinates_turn_about_the_centre():
    u, v = shapes.coordinates(np.pi / 2, (128, 128))
    x, y = shapes.coordinates()
    assert np.allclose(u, y) and np.allclose(v, -x)


def test_stroke_is_the_distance_to_the_nearest_of_many_points():
    u, v = shapes.coordinates()
    points = np.array([[-40.0, -10.0], [20.0, 30.0], [60.0, -20.0]])
    dense = np.concatenate([np.linspace(a, b, 400) for a, b in zip(points[:-1], points[1:], strict=True)])
    for row, column in [(10, 10), (128, 128), (200, 90), (100, 190)]:
        expected = np.hypot(u[row, column] - dense[:, 0], v[row, column] - dense[:, 1]).min()
        assert shapes.stroke(points, u, v)[row, column] == pytest.approx(expected, abs=0.1)
