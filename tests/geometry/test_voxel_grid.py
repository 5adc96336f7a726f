"""Voxel grids: what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from geoad.geometry import VoxelGrid


def test_upper_corner_and_types() -> None:
    grid = VoxelGrid(np.array([1, 2, 3]), 0.5, (2, 4, 6))
    assert grid.upper.tolist() == [2, 4, 6] and grid.origin.dtype == np.float64


@pytest.mark.parametrize(
    ("origin", "cell", "shape", "problem"),
    [
        (np.zeros(2), 1.0, (2, 2, 2), r"origin must have shape \(3,\)"),
        ([np.nan, 0, 0], 1.0, (2, 2, 2), "origin must be finite, got"),
        (np.ma.masked_equal([0.0, 0, 1], 1), 1.0, (2, 2, 2), "origin must be finite, got"),
        (np.zeros(3), 0.0, (2, 2, 2), "cell must be positive"),
        (np.zeros(3), np.inf, (2, 2, 2), "cell must be finite, got inf"),
        (np.zeros(3), 1.0, (2, 2), "shape must be three positive numbers"),
        (np.zeros(3), 1.0, (2, 0, 2), "shape must be three positive numbers"),
    ],
)
def test_nonsense_is_refused(origin: np.ndarray, cell: float, shape: tuple[int, ...], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        VoxelGrid(origin, cell, shape)


def test_values_fit_the_shape() -> None:
    with pytest.raises(ValueError, match=r"values must have shape \(C, 2, 2, 2\), got \(2, 2, 2\)"):
        VoxelGrid(np.zeros(3), 1.0, (2, 2, 2), values=np.zeros((2, 2, 2), np.float32))
