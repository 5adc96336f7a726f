"""The camera: projection and rays undo each other, with MVTec's real calibration too."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from geoad.geometry import Camera

TIRE = Camera(0.0103431, -2205.03, 3.74983e-06, 3.75e-06, 376.046, 423.07, 600, 800)


def points_on_rays(camera: Camera, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    pixels = random.uniform(-0.5, 0.5, (200, 2)) + random.uniform(0, 1, (200, 2)) * (camera.shape[1], camera.shape[0])
    return pixels, camera.rays(pixels) * random.uniform(0.1, 5, (200, 1))


@given(kappa=st.floats(-4000, 4000), focus=st.floats(0.005, 0.05), seed=st.integers(0, 2**32 - 1))
def test_project_undoes_rays(kappa: float, focus: float, seed: int) -> None:
    camera = Camera(focus, kappa, 3.75e-6, 3.75e-6, 300.0, 400.0, 600, 800)
    pixels, points = points_on_rays(camera, seed)
    np.testing.assert_allclose(camera.project(points), pixels, atol=1e-6)


def test_rays_undo_project() -> None:
    _, points = points_on_rays(TIRE, 0)
    np.testing.assert_allclose(TIRE.rays(TIRE.project(points)) * points[:, 2:], points, atol=1e-12)


def test_division_model_by_its_equation() -> None:
    """Steger's model in its published form: undistorted = distorted / (1 + kappa r²)."""
    column, row = 12.0, 700.0
    v = np.array([(column - TIRE.cx) * TIRE.sx, (row - TIRE.cy) * TIRE.sy])
    u = v / (1 + TIRE.kappa * (v @ v))
    np.testing.assert_allclose(TIRE.rays(np.array([[column, row]]))[0], [u[0] / TIRE.focus, u[1] / TIRE.focus, 1])


def test_many_points_are_projected_like_each_alone() -> None:
    """They are taken in pieces, whatever their shape and layout."""
    points = np.random.default_rng(2).normal((0, 0, 2), 1, (3, 7001, 3))
    pixels = TIRE.project(points)
    assert pixels.shape == (3, 7001, 2) and np.isnan(pixels).any()
    np.testing.assert_array_equal(TIRE.project(points.reshape(-1, 3)[16380:16390]), pixels.reshape(-1, 2)[16380:16390])
    np.testing.assert_array_equal(TIRE.project(np.asfortranarray(points)), pixels)
    np.testing.assert_array_equal(TIRE.project(points[1, 5]), pixels[1, 5])
    assert TIRE.project(np.empty((0, 3))).shape == (0, 2)


def test_ideal_pinhole_without_kappa() -> None:
    camera = Camera.pinhole(100.0, (64, 64), centre=(32, 32))
    corners = np.array([[x, y, 5.0] for x in (-0.5, 0.5) for y in (-0.5, 0.5)])
    assert camera.project(corners).tolist() == [[22, 22], [22, 42], [42, 22], [42, 42]]


def test_beyond_where_distortion_has_an_inverse_points_have_pixels() -> None:
    camera = Camera(1.0, 1.0, 0.01, 0.01, 0.0, 0.0, 10, 10)
    assert camera.project(np.array([[3.0, 0, 1]])).tolist() == [[600.0, 0.0]]


def test_what_is_behind_the_camera_has_no_pixel() -> None:
    assert np.isnan(TIRE.project(np.array([[0, 0, 0.0], [0, 0, -1.0], [np.nan, 0, 1]]))[:, 0]).all()


@pytest.mark.data
def test_real_calibration(shared_data: Path) -> None:
    camera = Camera.load(shared_data / "mvtec3d_tire_rgb_gt" / "tire" / "calibration" / "camera_parameters.json")
    assert camera == TIRE and camera.shape == (800, 600)
    pixels, points = points_on_rays(camera, 1)
    np.testing.assert_allclose(camera.project(points), pixels, atol=1e-6)
    ideal = Camera(camera.focus, 0.0, camera.sx, camera.sy, camera.cx, camera.cy, 600, 800)
    corner = np.array([[0.0, 0.0]])
    shift = np.linalg.norm(ideal.project(camera.rays(corner)) - corner)
    assert 4 < shift < 7  # what leaving the distortion out would cost, in pixels


def test_save_and_load(tmp_path: Path) -> None:
    TIRE.save(tmp_path / "camera.json")
    assert Camera.load(tmp_path / "camera.json") == TIRE
    assert [path.name for path in tmp_path.iterdir()] == ["camera.json"]
    assert json.loads((tmp_path / "camera.json").read_text())["camera_type"] == "area_scan_division"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"focus": None}, "focus must be a number, got None"),
        ({"focus": -1.0}, "focus must be positive, got -1.0"),
        ({"camera_type": "line_scan"}, "camera_type must be 'area_scan_division', got 'line_scan'"),
        ({"kappa": float("nan")}, "must be finite"),
    ],
)
def test_a_bad_camera_file_is_named(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    TIRE.save(tmp_path / "camera.json")
    fields = {**json.loads((tmp_path / "camera.json").read_text()), **change}
    (tmp_path / "camera.json").write_text(json.dumps(fields))
    with pytest.raises(ValueError, match=r"camera\.json: not a camera file") as caught:
        Camera.load(tmp_path / "camera.json")
    assert problem in str(caught.value) and "\n" not in str(caught.value)


def test_a_camera_file_without_a_field_or_not_json(tmp_path: Path) -> None:
    (tmp_path / "camera.json").write_text('{"focus": 1.0}')
    with pytest.raises(ValueError, match="no 'kappa'"):
        Camera.load(tmp_path / "camera.json")
    (tmp_path / "camera.json").write_text("[1, 2")
    with pytest.raises(ValueError, match=r"camera\.json"):
        Camera.load(tmp_path / "camera.json")


def test_numbers_of_numpy_are_saved(tmp_path: Path) -> None:
    camera = Camera.pinhole(np.float32(100), (4, 5))  # type: ignore[arg-type]
    camera.save(tmp_path / "camera.json")
    assert Camera.load(tmp_path / "camera.json") == camera


def test_sizes_are_whole_numbers_however_they_are_written() -> None:
    camera = Camera(1.0, 0.0, 1.0, 1.0, 1.5, 0.5, 4.0, 2.0)  # type: ignore[arg-type]
    assert camera.shape == (2, 4) and all(isinstance(size, int) for size in camera.shape)
    with pytest.raises(ValueError, match=r"image_width must be a whole number of pixels, got 4\.5"):
        Camera(1.0, 0.0, 1.0, 1.0, 1.5, 0.5, 4.5, 2)  # type: ignore[arg-type]


def test_points_and_pixels_are_rows_of_coordinates() -> None:
    for points in (np.ones((4, 2)), [1.0, 2.0], 3.0):
        with pytest.raises(ValueError, match=r"points must have shape \(\.\.\., 3\), got \("):
            TIRE.project(points)  # type: ignore[arg-type]
    for pixels in (np.array([[3.0], [4.0]]), 3.0):
        with pytest.raises(ValueError, match=r"pixels must have shape \(\.\.\., 2\), got \("):
            TIRE.rays(pixels)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="points must hold real numbers, got <U1"):
        TIRE.project([["0", "0", "1"]])  # type: ignore[arg-type]


def test_what_is_masked_has_no_pixel_and_no_ray() -> None:
    points = np.ma.masked_equal([[-999.0, 2, 1], [0, 0, 1]], -999)
    assert np.isnan(TIRE.project(points)).any(1).tolist() == [True, False]
    assert np.isnan(TIRE.rays(points[:, :2])).any(1).tolist() == [True, False]


def test_tensors_with_gradients_are_numbers_too() -> None:
    points = torch.tensor([[0.1, 0.2, 1.0]], requires_grad=True)
    assert np.array_equal(TIRE.project(points), TIRE.project(points.detach()))  # type: ignore[arg-type]
    assert np.array_equal(TIRE.rays(points[:, :2]), TIRE.rays(points[:, :2].detach()))  # type: ignore[arg-type]


def test_parameters_are_numbers() -> None:
    with pytest.raises(TypeError, match="kappa must be a number, got str"):
        Camera(1.0, "0.1", 1.0, 1.0, 1.5, 0.5, 4, 2)  # type: ignore[arg-type]
