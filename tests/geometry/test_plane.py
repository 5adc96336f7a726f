"""The background plane, found among points that are not on it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geoad.geometry.plane import Plane, fit_background


def table(slope: float = 0.1, noise: float = 0.0) -> NDArray[np.float64]:
    y, x = np.mgrid[-20:20, -20:20] / 200
    z = 0.5 + slope * y + np.random.default_rng(0).normal(0, noise, y.shape)
    return np.stack([x, y, z], -1).reshape(-1, 3)


def test_a_part_that_covers_more_than_half_does_not_pull_it() -> None:
    points = table(noise=1e-4)
    points[:900] -= [0, 0, 0.03]
    points[-10:] += [0, 0, 0.2]  # reflections, behind the table
    plane = fit_background(points)
    wanted = np.array([0, 0.1, -1.0]) / np.hypot(1, 0.1)
    assert np.degrees(np.arccos(plane.normal @ wanted)) < 0.1
    assert abs((plane.point - [0, 0, 0.5]) @ wanted) < 1e-4


def test_points_in_millimetres_have_the_same_plane() -> None:
    points = table(noise=1e-4)
    points[:900] -= [0, 0, 0.03]
    small, large = fit_background(points), fit_background(1000 * points)
    np.testing.assert_allclose(large.normal, small.normal, atol=1e-6)
    np.testing.assert_allclose(large.point, 1000 * small.point, rtol=1e-6)


def test_the_larger_plane_on_top_is_not_the_background() -> None:
    points = table(slope=0.0)
    points[:1100, 2] -= 0.04
    assert fit_background(points).point[2] == pytest.approx(0.5)


def test_the_same_points_give_the_same_bits() -> None:
    one, two = fit_background(table(noise=1e-4)), fit_background(table(noise=1e-4))
    assert np.array_equal(one.normal, two.normal) and np.array_equal(one.point, two.point)


def test_no_background_is_said() -> None:
    ball = np.random.default_rng(0).normal(size=(500, 3))
    with pytest.raises(ValueError, match="no plane lies behind the 500 points"):
        fit_background(ball / np.linalg.norm(ball, axis=1, keepdims=True) * 0.3 + [0, 0, 1])
    for points in (np.zeros((0, 3)), -table()):
        with pytest.raises(ValueError, match="points must lie before the camera"):
            fit_background(points)
    with pytest.raises(ValueError, match=r"got 1600 of median z -0.5 m$"):
        fit_background(table(slope=0) * [1, 1, -1])
    with pytest.raises(ValueError, match=r"normal must have shape \(3,\)"):
        Plane(np.zeros(2), np.zeros(3))


def test_a_normal_has_length_one() -> None:
    assert Plane([0, 0, -1], [0, 0, 1]).normal.dtype == np.float64
    with pytest.raises(ValueError, match=r"normal must have length 1, got \[0\.0, 0\.0, -2\.0\]"):
        Plane(np.array([0, 0, -2.0]), np.zeros(3))


def test_a_table_of_which_a_fifth_is_seen_behind_a_flat_part() -> None:
    points = table(slope=0.0)
    points[:1280, 2] -= 0.04
    assert fit_background(points).point[2] == pytest.approx(0.5)


def test_numpys_own_generator_is_left_alone() -> None:
    before = repr(np.random.get_state(legacy=False))  # noqa: NPY002
    fit_background(table())
    assert repr(np.random.get_state(legacy=False)) == before  # noqa: NPY002


def test_what_is_masked_or_not_finite_is_left_out() -> None:
    points = table(noise=1e-4)
    strange = np.concatenate([points, np.full((400, 3), 9e9), np.full((5, 3), np.nan)])
    found, wanted = fit_background(np.ma.masked_equal(strange, 9e9)), fit_background(points)
    assert np.array_equal(found.normal, wanted.normal) and np.array_equal(found.point, wanted.point)


def test_a_plane_is_where_numbers_are() -> None:
    with pytest.raises(ValueError, match=r"point must be finite, got \[nan, 0\.0, 0\.0\]"):
        Plane([0, 0, -1], [np.nan, 0, 0])  # type: ignore[arg-type]
    plane = Plane(torch.tensor([0.0, 0, -1], requires_grad=True), torch.ones(3, requires_grad=True))  # type: ignore[arg-type]
    assert plane.normal.tolist() == [0, 0, -1] and plane.point.dtype == np.float64
