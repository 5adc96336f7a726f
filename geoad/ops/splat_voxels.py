"""Draw the values of voxels into the image of a camera."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays, _projection

SLAB = 1 << 14
"""Corners projected at a time, so that what a camera computes of them stays in the cache."""


def splat_voxels(
    values: Any, origin: Any, cell: float, camera: Any, shape: tuple[int, int], *, axes: Any = None
) -> Any:
    """Return an image `shape` (H, W) float32: the largest of the values (X, Y, Z) of the voxels on each pixel.

    NaN marks pixels without a voxel. A voxel falls on the pixels whose centres are in or on the convex hull of its
    eight projected corners, `camera.project(points) -> (N, 2)` column then row (thesis 9.3.1); hidden voxels count as
    well. Corners are rounded to 1/256 of a pixel; from there on the hull is exact. Not drawn are voxels whose value is
    NaN or -inf, and those with a corner that is not in front of the camera (z <= 0), is projected to what is not
    finite, or to more than 131072 pixels (2¹⁷) from pixel (0, 0).

    The grid is one of cubes of side `cell` from the corner `origin` (3,) in the frame of the camera; the rows of
    `axes` (3, 3) are the unit vectors, perpendicular to each other, along which x, y and z of the grid run.

    Values are numpy or torch (CPU), and the result is of the same kind.

    >>> import numpy as np
    >>> class Camera:
    ...     def project(self, points):
    ...         return points[:, :2] / points[:, 2:]
    >>> values = np.array([1.0, 3, 2]).reshape(3, 1, 1)
    >>> splat_voxels(values, (0, 0, 1), 1.0, Camera(), (2, 5)).tolist()
    [[1.0, 3.0, 3.0, 2.0, nan], [1.0, 3.0, 3.0, 2.0, nan]]
    """
    numbers = _arrays.to_floats("values", values, ("X", "Y", "Z"))
    corner, side = _arrays.to_corner(origin), _arrays.to_side(cell)
    turned = np.eye(3) if axes is None else _to_axes(axes)
    sides = _projection.image_sides(shape)
    _projection.check_camera(camera)
    from geoad.ops import splat_voxels_numba

    columns, rows = _to_places(numbers.shape, corner, side, turned, camera)
    return _arrays.like(splat_voxels_numba.draw(numbers, columns, rows, sides), values)


def _to_axes(axes: Any) -> NDArray[np.float64]:
    """Return `axes` as an array of unit vectors that are perpendicular up to rounding to float32."""
    turned = np.array(axes.tolist() if _arrays.is_tensor(axes) else axes, dtype=np.float64)
    _check.shape("axes", turned, (3, 3))
    if not np.allclose(turned @ turned.T, np.eye(3), rtol=0, atol=1e-5):
        raise ValueError(f"axes must be perpendicular unit vectors, got {turned.tolist()}")
    return turned


def _to_places(
    shape: tuple[int, ...], origin: NDArray[np.float64], cell: float, axes: NDArray[np.float64], camera: Any
) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return the columns and rows (X + 1, Y + 1, Z + 1) of the corners, in steps of the kernel."""
    from geoad.ops.splat_voxels_numba import quantise

    count = tuple(side + 1 for side in shape)
    x, y, z = (np.outer(axis, np.arange(n) * cell) for n, axis in zip(count, axes, strict=True))
    columns, rows = np.empty(count, np.int32), np.empty(count, np.int32)
    step = max(SLAB // math.prod(count[1:]), 1)
    for first in range(0, count[0], step):
        part = slice(first, first + step)
        along = origin[:, None] + x[:, part]
        points = ((along[:, :, None] + y[:, None])[..., None] + z[:, None, None]).reshape(3, -1)
        with np.errstate(all="ignore"):
            place = _projection.project(camera, points.T)
        quantise(place, points[2], columns[part].reshape(-1), rows[part].reshape(-1))
    return columns, rows
