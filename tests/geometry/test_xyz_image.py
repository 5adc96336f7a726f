"""XYZ images: what is valid, what is refused."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from geoad.geometry import PointCloud, XYZImage


def test_valid_means_finite_and_not_all_zero() -> None:
    row = [[0, 0, 0], [0, 0, 1], [1, 0, 0], [np.nan, 0, 1], [0, np.inf, 1], [-0.0, 0, 0]]
    assert XYZImage(np.array([row], np.float32)).valid.tolist() == [[False, True, True, False, False, False]]


def test_float64_is_converted_and_other_memory_orders_too() -> None:
    xyz = np.asfortranarray(np.random.default_rng(0).random((4, 5, 3)))
    image = XYZImage(xyz)
    assert image.xyz.dtype == np.float32 and image.xyz.flags.c_contiguous
    np.testing.assert_array_equal(image.xyz, xyz.astype(np.float32))


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 4), (3,)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"xyz must have shape \(H, W, 3\), got"):
        XYZImage(np.zeros(shape, np.float32))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int64, bool])
def test_other_dtypes_are_refused(dtype: type) -> None:
    with pytest.raises(TypeError, match="xyz must be float32 in metres, got"):
        XYZImage(np.zeros((4, 5, 3), dtype))


def test_rgb_has_the_size_of_xyz() -> None:
    with pytest.raises(ValueError, match=r"rgb must have shape \(4, 5, 3\), got \(5, 4, 3\)"):
        XYZImage(np.ones((4, 5, 3), np.float32), np.zeros((5, 4, 3), np.uint8))


def test_one_row_is_not_organised() -> None:
    assert not XYZImage(np.ones((1, 5, 3), np.float32)).organised
    assert XYZImage(np.ones((2, 5, 3), np.float32)).organised


def test_masked_coordinates_are_invalid() -> None:
    xyz = np.ma.masked_array(np.ones((1, 2, 3)), mask=[[[True] * 3, [False] * 3]])
    xyz.data[0, 0] = 9e9
    image = XYZImage(xyz)
    assert image.valid.tolist() == [[False, True]] and type(image.xyz) is np.ndarray


@pytest.mark.parametrize("rgb", [np.full((1, 2, 3), 0.7), np.full((1, 2, 3), 257)])
def test_colours_that_are_no_bytes_are_refused(rgb: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"rgb must be uint8 in 0\.\.255, got (float|int)64: scale and convert it"):
        XYZImage(np.ones((1, 2, 3)), rgb)


@pytest.mark.parametrize("make", [lambda xyz: XYZImage(xyz), lambda xyz: PointCloud(xyz.reshape(-1, 3))])
def test_points_that_float32_would_flatten_are_refused(make: Callable[[np.ndarray], object]) -> None:
    y, x = np.mgrid[:48, :48] * 1e-3
    plate = np.stack([x, y, np.full_like(x, 0.5)], -1)
    make(plate)
    far = plate + np.array([450, 5600, 100])
    make(far.astype(np.float32).astype(np.float64))  # nothing is lost of what is left
    match = r"(xyz|points) must be near the origin for float32, .*: subtract \(450, 5600, 10[01]\) from all$"
    with pytest.raises(ValueError, match=match):
        make(far)


def test_whole_numbers_that_float32_would_flatten_are_refused() -> None:
    with pytest.raises(ValueError, match="points must be near the origin"):
        PointCloud(np.arange(30).reshape(10, 3) + np.array([450_000_000, 0, 0]))


@pytest.mark.parametrize("nothing", [np.finfo(np.float64).max, 1e300, -1e40, 1e30, 1e10])
def test_a_huge_number_for_no_measurement_does_not_count_as_far(nothing: float) -> None:
    xyz = np.random.default_rng(0).random((30, 30, 3))
    xyz[3, 4] = nothing
    assert XYZImage(xyz).valid.sum() == (900 if abs(nothing) < 1e38 else 899)


def test_what_a_few_columns_hold_decides_nothing() -> None:
    y, x = np.mgrid[:400, :400] * 1e-3
    far = np.stack([x, y, np.full_like(x, 0.5)], -1) + np.array([4.5e5, 5.6e6, 100])
    far[:, ::8] = 0
    with pytest.raises(ValueError, match="xyz must be near the origin"):
        XYZImage(far)
    angle = np.linspace(0, np.pi, 64) + np.random.default_rng(0).normal(0, 1e-5, (40_000, 1))
    XYZImage(np.stack([10 * np.cos(angle) + 40, 10 * np.sin(angle), np.full_like(angle, 0.5)], -1))


def test_a_cloud_may_be_a_column() -> None:
    assert not XYZImage(np.ones((5, 1, 3))).organised and not XYZImage(np.ones((1, 5, 3))).organised


def test_no_colour_is_masked() -> None:
    rgb = np.ma.masked_equal(np.arange(6, dtype=np.uint8).reshape(1, 2, 3), 3)
    with pytest.raises(ValueError, match="rgb must not be masked"):
        XYZImage(np.ones((1, 2, 3)), rgb)
    rgb.mask = False
    assert type(XYZImage(np.ones((1, 2, 3)), rgb).rgb) is np.ndarray


def test_a_tensor_with_gradients_is_an_image_too() -> None:
    xyz = torch.ones(2, 3, 3, requires_grad=True)
    assert XYZImage(xyz).valid.all() and XYZImage(xyz.double()).xyz.dtype == np.float32  # type: ignore[arg-type]
