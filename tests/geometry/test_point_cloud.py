"""Point clouds: attributes stay with their points."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.geometry import PointCloud


def cloud(n: int = 6) -> PointCloud:
    random = np.random.default_rng(0)
    rgb = random.integers(0, 256, (n, 3), dtype=np.uint8)
    points, normals = random.random((2, n, 3), dtype=np.float32)
    return PointCloud(points, rgb=rgb, normals=normals, pixel=np.arange(n) * 3)


def test_take_takes_every_attribute() -> None:
    index = np.array([4, 0, 4])
    taken = cloud().take(index)
    for name in ("points", "rgb", "normals", "pixel"):
        np.testing.assert_array_equal(getattr(taken, name), getattr(cloud(), name)[index])


def test_take_of_a_bare_cloud_is_bare() -> None:
    taken = PointCloud(np.zeros((3, 3), np.float32)).take(np.array([1]))
    assert taken.rgb is None and taken.normals is None and taken.pixel is None


def test_attributes_must_have_one_row_a_point() -> None:
    with pytest.raises(ValueError, match=r"pixel must have shape \(3,\), got \(4,\)"):
        PointCloud(np.zeros((3, 3), np.float32), pixel=np.arange(4))
    with pytest.raises(ValueError, match=r"points must have shape \(N, 3\), got \(4, 100\)"):
        PointCloud(np.zeros((4, 100), np.float32))


def test_points_become_float32_and_colours_stay_bytes() -> None:
    assert PointCloud([[0, 1, 2]]).points.dtype == PointCloud(np.zeros((1, 3))).points.dtype == np.float32
    assert np.isnan(PointCloud(np.ma.masked_equal([[0, 1, 2]], 2)).points).tolist() == [[False, False, True]]
    with pytest.raises(TypeError, match="points must hold real numbers, got bool"):
        PointCloud(np.zeros((1, 3), bool))
    with pytest.raises(ValueError, match=r"rgb must be uint8 in 0\.\.255, got float64"):
        PointCloud(np.zeros((1, 3)), rgb=np.full((1, 3), 0.7))


def test_no_colour_is_masked() -> None:
    rgb = np.ma.masked_equal(np.arange(6, dtype=np.uint8).reshape(2, 3), 3)
    with pytest.raises(ValueError, match="rgb must not be masked"):
        PointCloud(np.ones((2, 3)), rgb=rgb)
    rgb.mask = False
    assert type(PointCloud(np.ones((2, 3)), rgb=rgb).rgb) is np.ndarray


def test_attributes_are_of_the_kinds_that_they_say() -> None:
    made = PointCloud(np.zeros((2, 3)), normals=np.ones((2, 3)), pixel=np.array([0, 1], np.uint16))
    assert made.normals.dtype == np.float32 and made.pixel.dtype == np.int64
    with pytest.raises(TypeError, match="pixel must hold integers, got float64"):
        PointCloud(np.zeros((2, 3)), pixel=np.array([0.0, 1.0]))
    with pytest.raises(TypeError, match="normals must hold real numbers, got <U1"):
        PointCloud(np.zeros((1, 3)), normals=np.array([["0", "0", "1"]]))


def test_tensors_with_gradients_are_points_too() -> None:
    points = torch.rand(4, 3, requires_grad=True)
    made = PointCloud(points, normals=points, pixel=torch.arange(4))  # type: ignore[arg-type]
    assert np.array_equal(made.points, points.detach().numpy()) and np.array_equal(made.normals, made.points)
    assert type(made.pixel) is np.ndarray
