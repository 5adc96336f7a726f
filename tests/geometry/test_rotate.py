"""Scans turned on their table."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import pdist

from geoad.geometry import Camera, XYZImage, depth_to_xyz
from geoad.geometry.plane import Plane
from geoad.geometry.rotate import rotate_points, rotate_scan
from tests.trees import make_scan

TABLE = Plane(np.array([0, 0.1, -1.0]) / np.hypot(1, 0.1), np.array([0.01, -0.02, 0.6]))
CAMERA = Camera.pinhole(50.0, (21, 21))
FLAT = Plane(np.array([0, 0, -1.0]), np.array([0, 0, 1.0]))


def test_by_nothing_nothing_moves() -> None:
    scan = make_scan((48, 64), "hole")
    skewed = Camera.pinhole(70.0, (48, 64), centre=(20.3, 11.8))  # a calibration that does not fit
    for camera in (scan.camera, skewed):
        same = rotate_scan(scan.image, TABLE, 0.0, camera)
        assert np.array_equal(same.xyz, scan.image.xyz) and np.array_equal(same.rgb, scan.image.rgb)


@settings(max_examples=20)
@given(st.floats(-5, 5), st.integers(0, 10**6))
def test_distances_are_kept_and_the_way_back_leads_back(degrees: float, seed: int) -> None:
    points = np.random.default_rng(seed).normal(0, 0.1, (20, 3)) + np.array([0, 0, 0.6])
    turned = rotate_points(points, TABLE, degrees)
    np.testing.assert_allclose(pdist(turned), pdist(points), rtol=0, atol=1e-6)
    np.testing.assert_allclose(rotate_points(turned, TABLE, -degrees), points, rtol=0, atol=1e-12)
    np.testing.assert_allclose(turned @ TABLE.normal, points @ TABLE.normal, rtol=0, atol=1e-12)


def test_the_centre_of_the_table_stays() -> None:
    np.testing.assert_allclose(rotate_points(TABLE.point[None], TABLE, 5), TABLE.point[None], rtol=0, atol=1e-12)


def test_a_quarter_turn_is_that_of_the_picture() -> None:
    depth = np.ones((21, 21))
    depth[3:6, 12:19] = 0.9
    depth[10:12, 2:4] = 0
    rgb = np.random.default_rng(0).integers(0, 255, (21, 21, 3), np.uint8)
    image = XYZImage(depth_to_xyz(depth, CAMERA).xyz, rgb)
    turned = rotate_scan(image, FLAT, 90.0, CAMERA)
    assert turned.rgb is not None
    found = turned.xyz[..., 2]
    np.testing.assert_allclose(found, np.rot90(depth), atol=1e-6)
    assert np.array_equal(turned.rgb, np.rot90(rgb))  # where nothing came back, too


def test_the_nearest_point_is_seen_and_holes_are_invalid() -> None:
    scan = make_scan((48, 64))
    turned = rotate_scan(scan.image, TABLE, 5.0, scan.camera)
    points = rotate_points(scan.image.xyz[scan.image.valid], TABLE, 5.0)
    own = np.argwhere(scan.image.valid)[:, ::-1]
    shift = scan.camera.project(points) - scan.camera.project(scan.image.xyz[scan.image.valid])
    nearest = np.full((48, 64), np.inf)
    for (column, row), z in zip(np.rint(own + np.rint(shift)).astype(int), points[:, 2], strict=True):
        if 0 <= column < 64 and 0 <= row < 48:
            nearest[row, column] = min(nearest[row, column], z)
    assert np.array_equal(turned.valid, np.isfinite(nearest))
    np.testing.assert_array_equal(turned.xyz[turned.valid][:, 2], nearest[turned.valid].astype(np.float32))
    assert not turned.xyz[~turned.valid].any() and 0.75 < turned.valid.sum() / scan.image.valid.sum() < 1


def test_a_camera_of_another_size_is_refused() -> None:
    with pytest.raises(ValueError, match=r"camera must make images of \(48, 64\) like the scan, got \(21, 21\)"):
        rotate_scan(make_scan((48, 64)).image, TABLE, 1.0, CAMERA)


def test_what_cannot_be_turned() -> None:
    with pytest.raises(ValueError, match=r"points must have shape \(\.\.\., 3\), got \(4, 1\)"):
        rotate_points(np.ones((4, 1)), TABLE, 5)
    with pytest.raises(ValueError, match="degrees must be finite, got nan"):
        rotate_scan(make_scan((21, 21)).image, TABLE, np.nan, CAMERA)
    with pytest.raises(TypeError, match="degrees must be a number, got str"):
        rotate_points(np.ones((4, 3)), TABLE, "5")  # type: ignore[arg-type]


def test_what_is_masked_is_no_point() -> None:
    points = np.ma.masked_equal([[0.1, 0.2, -999], [0.1, 0.2, 0.5]], -999)
    turned = rotate_points(points, TABLE, 5)
    assert np.isnan(turned).any(1).tolist() == [True, False]
    assert np.array_equal(turned[1], rotate_points(np.array([[0.1, 0.2, 0.5]]), TABLE, 5)[0])
