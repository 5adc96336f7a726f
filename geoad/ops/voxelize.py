"""Sort points into the cells of a regular grid."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays

MOST = 2**53  # voxels that have a number in double precision


class Voxels(NamedTuple):
    """`index` (N,) int64: each point's flat voxel, −1 outside; `count` (X, Y, Z) int64: points a voxel; `values`.

    `values` (X, Y, Z) or (X, Y, Z, C) float32 are the means of the points' values, 0 in empty voxels; None without.

    >>> voxelize(np.array([[0.5, 0.5, 1.5], [0.0, 0.0, 9.0]]), np.zeros(3), 1.0, (1, 1, 2)).index.tolist()
    [1, -1]
    """

    index: Any
    count: Any
    values: Any


def voxelize(points: Any, origin: Any, cell: float, shape: tuple[int, int, int], values: Any = None) -> Voxels:
    """Return the voxel of each of points (N, 3) and, a voxel, the number of points and the mean of their values.

    The grid has `shape` (X, Y, Z) cubes of side `cell` from the corner `origin` (3,); voxel (i, j, k) has the flat
    index (i · Y + j) · Z + k. A point on the face between two cells belongs to the upper one, on the upper face of
    the grid to the last one. The outer faces are rounded to float32, as the points are, so that a grid spanned by
    points holds them. Points that are not finite are outside. `values` is (N,) or (N, C); sums are double precision.

    Points are numpy or torch (CPU), and the result is of the same kind; no gradient flows.

    >>> import numpy as np
    >>> points = np.array([[0.0, 0, 0], [0.1, 0, 0], [2, 2, 2], [9, 0, 0]])
    >>> found = voxelize(points, (0, 0, 0), 1.0, (2, 2, 2), values=np.array([1.0, 3, 5, 7]))
    >>> found.index.tolist(), found.values[0, 0, 0], found.count.sum()
    ([0, 0, 7, -1], np.float32(2.0), np.int64(3))
    """
    problem = to_problem(points, origin, cell, shape, values)
    from geoad.ops.voxelize_numba import sort

    index, count, means = sort(*problem[:5])
    width = problem.width
    grid = None if width is None else _arrays.like(means.reshape(*shape, *width), points)
    return Voxels(_arrays.like(index, points), _arrays.like(count.reshape(shape), points), grid)


class Problem(NamedTuple):
    """Arguments of the kernels; `width` is () or (C,) for values (N,) or (N, C), None without values.

    >>> to_problem(np.zeros((2, 3)), (0, 0, 0), 1.0, (1, 1, 2), np.zeros(2)).width
    ()
    """

    points: NDArray[np.float32]
    origin: NDArray[np.float64]
    cell: float
    sides: NDArray[np.int64]
    channels: NDArray[np.float32] | NDArray[np.float64]
    width: tuple[int, ...] | None


def to_problem(points: Any, origin: Any, cell: float, shape: tuple[int, int, int], values: Any = None) -> Problem:
    """Return the arguments of `voxelize`, checked, as its kernels take them.

    >>> to_problem(np.zeros((2, 3)), (0, 0, 0), 1.0, (1, 1, 2)).channels.shape
    (2, 0)
    """
    cloud = _arrays.to_points("points", points)
    corner, side, sides = _arrays.to_corner(origin), _arrays.to_side(cell), _to_sides(shape)
    width = None
    channels: NDArray[Any] = np.empty((len(cloud), 0), np.float32)
    if values is not None:
        numbers = _arrays.to_numpy("values", values)
        _check.shape("values", numbers, (len(cloud), *(("C",) if numbers.ndim == 2 else ())))
        width = numbers.shape[1:]
        exact = np.float32 if np.can_cast(numbers.dtype, np.float32) else np.float64
        channels = np.require(numbers.reshape(len(cloud), math.prod(width)), exact, ["C", "W"])
    return Problem(cloud, corner, side, sides, channels, width)


def _to_sides(shape: tuple[int, int, int]) -> NDArray[np.int64]:
    """Return the numbers of cells along the axes."""
    if not hasattr(shape, "__len__") or len(shape) != 3:
        raise ValueError(f"shape must be (X, Y, Z), got {shape}")
    sides = [_arrays.whole("shape", side) for side in shape]
    if math.prod(sides) > MOST:
        raise ValueError(f"shape must be of at most 2^53 voxels, got {shape}")
    return np.array(sides)
