"""Normals of surfaces that are known, and where there are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.descriptors import normals


def sphere(n: int) -> np.ndarray:
    points = np.random.default_rng(0).normal(size=(n, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_those_of_a_sphere_are_its_radii() -> None:
    points = sphere(5000)
    found = normals(points)  # the viewpoint is the centre
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-6)
    assert ((found * -points).sum(1) > 0.99).all()


def test_they_point_to_the_viewpoint() -> None:
    points = sphere(2000)
    found = normals(points, viewpoint=(0, 0, 100))
    seen = points[:, 2] > 0.1
    assert ((found * points).sum(1)[seen] > 0.9).all() and ((found * points).sum(1)[points[:, 2] < -0.1] < -0.9).all()


def test_a_plane_s_is_exact_in_any_unit_and_place() -> None:
    plane = np.random.default_rng(0).random((500, 3)) * [1, 1, 0] + [0, 0, 2]
    for unit, place in ((1, 0), (1e-4, 0), (1e3, 1e8)):
        found = normals(plane * unit + place, k=10, viewpoint=(place, place, place))
        np.testing.assert_array_equal(found, np.tile(np.float32([0, 0, -1]), (500, 1)))


@pytest.mark.parametrize("n", [0, 1, 2, 200])
@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("place", [0, 3, 1e4])
def test_on_a_line_there_is_none(n: int, kind: type, place: float) -> None:
    line = np.linspace(0, 1, n)[:, None] * np.array([[0.3, 0.77, 0.11]]) + place
    found = normals(line.astype(kind))
    assert np.isnan(found).all() and found.shape == (n, 3)


@pytest.mark.parametrize("far", [3.4e38, 1e20, -1e9])
def test_one_point_far_away_changes_no_other(far: float) -> None:
    for kind in (np.float32, np.float64):
        points = (sphere(500) * 1.1 + 2).astype(kind)
        found = normals(np.concatenate([points, np.full((1, 3), far, kind)]), k=10)
        np.testing.assert_allclose(found[:500], normals(points, k=10), atol=1e-5)


def test_a_tensor_may_say_where_the_viewpoint_is() -> None:
    points = sphere(100)
    place = torch.tensor([0.0, 0, 9], requires_grad=True)
    np.testing.assert_array_equal(normals(points, viewpoint=place), normals(points, viewpoint=(0, 0, 9)))


def test_a_point_that_is_not_finite_has_none_and_changes_no_other() -> None:
    points = sphere(300)
    holes = points.copy()
    holes[7] = np.nan
    found = normals(holes, k=10)
    assert np.isnan(found[7]).all()
    np.testing.assert_array_equal(np.delete(found, 7, 0), normals(np.delete(points, 7, 0), k=10))


def test_tensors_give_tensors() -> None:
    points = sphere(100)
    np.testing.assert_array_equal(normals(torch.from_numpy(points)).numpy(), normals(points))
