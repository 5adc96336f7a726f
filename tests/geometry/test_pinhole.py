"""Cameras for scans without calibration."""

from __future__ import annotations

import numpy as np
import pytest

from geoad.geometry import Camera, XYZImage, depth_to_xyz
from geoad.geometry.pinhole import fit_pinhole
from tests.trees import make_scan


def test_a_lens_with_distortion_is_fitted_to_a_pixel() -> None:
    scan = make_scan((48, 64))
    camera = fit_pinhole(scan.image)
    points = scan.image.xyz[scan.image.valid]
    assert np.abs(camera.project(points) - scan.camera.project(points)).max() < 1.0
    assert camera.kappa == 0 and camera.shape == (48, 64)


def test_a_pinhole_is_found_again() -> None:
    wanted = Camera(1.0, 0.0, 0.02, 0.025, 10.0, 22.0, 40, 30)
    found = fit_pinhole(depth_to_xyz(1 + np.random.default_rng(0).random((30, 40)), wanted))
    got = (found.sx / found.focus, found.sy / found.focus, found.cx, found.cy)
    np.testing.assert_allclose(got, (0.02, 0.025, 10.0, 22.0), rtol=1e-5)


@pytest.mark.parametrize("what", ["cloud", "other frame", "nothing"])
def test_what_no_pinhole_sees_is_refused(what: str) -> None:
    xyz = np.random.default_rng(0).random((24, 32, 3)).astype(np.float32) + 0.1
    image = {"cloud": xyz.reshape(1, -1, 3), "other frame": xyz, "nothing": 0 * xyz}[what]
    with pytest.raises(ValueError, match=r"add calibration/camera_parameters\.json"):
        fit_pinhole(XYZImage(image))


def test_points_that_no_camera_sees_do_not_count() -> None:
    xyz = depth_to_xyz(1 + np.random.default_rng(0).random((30, 40)), Camera.pinhole(50.0, (30, 40))).xyz.copy()
    xyz[0, :4] *= -1
    xyz[1, :4, 2] = 0
    camera = fit_pinhole(XYZImage(xyz))
    assert camera.focus / camera.sx == pytest.approx(50, rel=1e-5)


def test_rays_that_are_off_by_pixels_are_no_pinholes() -> None:
    rng = np.random.default_rng(0)
    image = depth_to_xyz(1 + rng.random((30, 40)), Camera.pinhole(50.0, (30, 40)))
    off = rng.normal(0, 1.5 / 50, (30, 40, 1)) * image.xyz[..., 2:] * [1, 0, 0]  # 1.5 pixels, where 0.4 may be
    with pytest.raises(ValueError, match="no pinhole camera sees"):
        fit_pinhole(XYZImage(image.xyz + off))
