from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.geometry.camera import Camera
from geoad.ops import reference, splat_points
from tests.ops.clouds import clouds

CAMERA = Camera.pinhole(focal=6.0, shape=(7, 9))


@settings(max_examples=80, deadline=None)
@given(clouds(max_size=150), st.floats(-1, 3, width=32), st.sampled_from([0.0, 0.02, np.inf]), st.integers(0, 99))
def test_equals_the_reference(points, shift, thickness, seed):
    values = np.random.default_rng(seed).normal(size=len(points)).astype(np.float32)
    points = points + np.array([-0.5, -0.5, shift], np.float32)
    expected = reference.splat_points(points, values, CAMERA, (7, 9), thickness=thickness)
    np.testing.assert_array_equal(splat_points(points, values, CAMERA, (7, 9), thickness=thickness), expected)


def test_a_pixel_per_ray_comes_back_exactly():
    rows, columns = np.indices((7, 9))
    points = CAMERA.rays(np.stack([columns.ravel(), rows.ravel()], 1)) * 2.5
    values = np.arange(63, dtype=np.float32)
    np.testing.assert_array_equal(splat_points(points, values, CAMERA, (7, 9)), values.reshape(7, 9))


def test_the_largest_counts_and_thickness_hides_what_is_behind():
    points, values = np.array([[0, 0, 1.0], [0, 0, 1.01], [0, 0, 2]]), np.array([1.0, 2, 3])
    for thickness, expected in ((0.0, 1), (0.02, 2), (np.inf, 3)):
        image = splat_points(points, values, CAMERA, (7, 9), thickness=thickness)
        assert image[3, 4] == expected and np.isfinite(image).sum() == 1


def test_order_of_points_does_not_matter():
    rng = np.random.default_rng(0)
    points, values = rng.normal((0, 0, 4), 1, size=(400, 3)), rng.normal(size=400)
    image = splat_points(points, values, CAMERA, (7, 9), thickness=0.1)
    shuffled = rng.permutation(400)
    again = splat_points(points[shuffled], values[shuffled], CAMERA, (7, 9), thickness=0.1)
    np.testing.assert_array_equal(image, again)


def test_points_behind_the_camera_or_not_finite_fall_nowhere():
    points = np.array([[0, 0, -1.0], [0, 0, 0], [np.nan, 0, 1], [0, 0, np.inf], [1e6, 0, 1]])
    assert np.isnan(splat_points(points, np.array([1, 1, np.nan, np.nan, 1]), CAMERA, (7, 9))).all()
    assert np.isnan(splat_points(np.empty((0, 3)), np.empty(0), CAMERA, (2, 2))).all()


def test_the_kind_of_array_is_kept():
    points, values = torch.tensor([[0, 0, 1.0]], dtype=torch.float64, requires_grad=True), torch.ones(1)
    image = splat_points(points, values, CAMERA, (7, 9))
    assert isinstance(image, torch.Tensor) and image.dtype == torch.float32 and image[3, 4] == 1


class Flat:
    def project(self, points):
        return points


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": np.zeros((4, 2))}, ValueError, r"points must have shape \(N, 3\)"),
        ({"values": np.zeros(3)}, ValueError, r"values must have shape \(4,\), got \(3,\)"),
        ({"values": np.full(4, np.nan)}, ValueError, "values must be finite where points are, got 4"),
        ({"camera": None}, TypeError, r"camera must have a method project\(points\) -> \(N, 2\), got NoneType"),
        ({"camera": Flat()}, ValueError, r"camera.project\(points\) must have shape \(4, 2\), got \(4, 3\)"),
        ({"shape": (4,)}, ValueError, r"shape must be \(H, W\), got \(4,\)"),
        ({"thickness": "3"}, TypeError, "thickness must be a number, got '3'"),
        ({"shape": (4, 0)}, ValueError, "shape must be positive, got 0"),
        ({"thickness": -1}, ValueError, "thickness must be 0 or more, got -1"),
        ({"thickness": np.nan}, ValueError, "thickness must be 0 or more, got nan"),
    ],
)
def test_bad_input(change, error, message):
    good = {"points": np.ones((4, 3)), "values": np.zeros(4), "camera": CAMERA, "shape": (7, 9)}
    with pytest.raises(error, match=message):
        splat_points(**{**good, **change})


class Mirror:
    """A camera that does not know what is behind it."""

    def project(self, points):
        return points[:, :2] / points[:, 2:] + 2


def test_what_is_behind_a_camera_is_not_seen():
    assert np.isnan(splat_points(np.array([[0.0, 0, -1]]), np.array([1.0]), Mirror(), (5, 5))).all()
