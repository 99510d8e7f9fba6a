"""Shaping functions against their formulas, and bit-equality over batch sizes."""

import math

import numpy as np
import pytest

from metasim.core.rewards import distance, hamacher, norm, rect_prism, tolerance


def test_tolerance_by_hand() -> None:
    x = np.array([0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    long_tail = [1, 1, 1, 1 / (1 + 9 * 0.25), 0.1, 1 / 37]
    np.testing.assert_allclose(tolerance(x, 1.0, 1.0), long_tail, rtol=1e-15)
    np.testing.assert_allclose(tolerance(x[3:], 1.0, 1.0, sigmoid="gaussian"), [10**-0.25, 0.1, 1e-4], rtol=1e-12)
    np.testing.assert_allclose(tolerance(np.array([-0.5, 0.0]), 1.0, 0.5, low=0.0), [0.1, 1.0], rtol=1e-15)
    np.testing.assert_allclose(tolerance(np.array([1.0, 1.1]), 1.0, 0.0), [1.0, 0.0], atol=1e-9)
    with pytest.raises(ValueError, match="gausian"):
        tolerance(x, 1.0, 1.0, sigmoid="gausian")


def test_hamacher_by_hand() -> None:
    a, b = np.array([0.0, 0.5, 1.0, 1.0]), np.array([0.0, 0.5, 0.3, 1.0])
    np.testing.assert_allclose(hamacher(a, b), [0.0, 0.25 / 0.75, 0.3, 1.0], rtol=1e-15)


def test_rect_prism_by_hand() -> None:
    zero, one = np.array([[0.0, 0.0, 1.0]] * 3), np.array([[1.0, 2.0, 0.0]] * 3)
    points = np.array([[0.5, 1.0, 0.5], [2.0, 1.0, 0.5], [1.0, 2.0, 0.0]])
    np.testing.assert_allclose(rect_prism(points, zero, one), [0.125, 1.0, 1.0])


def test_norm_is_the_norm_and_does_not_depend_on_the_batch() -> None:
    points = np.random.default_rng(0).normal(size=(257, 3))
    whole = norm(points)
    np.testing.assert_allclose(whole, [math.sqrt(x * x + y * y + z * z) for x, y, z in points], rtol=1e-15)
    for n in (1, 2, 7, 64):
        np.testing.assert_array_equal(norm(points[:n]), whole[:n])
        np.testing.assert_array_equal(norm(points[:n, ::2]), norm(points[:, ::2])[:n])
    np.testing.assert_array_equal(distance(points, np.zeros(3)), whole)
