"""Sort points into the cells of a regular grid, and keep the occupied ones alone."""

from __future__ import annotations

from typing import Any, NamedTuple

from geoad.ops import _arrays
from geoad.ops.voxelize import to_problem


class Occupied(NamedTuple):
    """`index` (N,) int64: each point's flat voxel, −1 outside; a row a voxel with points: `voxel` (M,), ascending.

    `count` (M,) int64 says how many points it has, `values` (M,) or (M, C) float32 are their means; None without.

    >>> import numpy as np
    >>> occupied_voxels(np.array([[0.5, 0.5, 1.5], [0.0, 0.0, 9.0]]), np.zeros(3), 1.0, (1, 1, 2)).voxel.tolist()
    [1]
    """

    index: Any
    voxel: Any
    count: Any
    values: Any


def occupied_voxels(points: Any, origin: Any, cell: float, shape: tuple[int, int, int], values: Any = None) -> Occupied:
    """Return what `voxelize` does of the voxels with points alone: two bits of memory a voxel, a row an occupied one.

    Arguments, means and errors are those of `voxelize`.

    >>> import numpy as np
    >>> points = np.array([[2, 2, 2], [0.0, 0, 0], [0.1, 0, 0], [9, 0, 0]])
    >>> found = occupied_voxels(points, (0, 0, 0), 1.0, (2, 2, 2), values=np.array([5, 1.0, 3, 7]))
    >>> found.index.tolist(), found.voxel.tolist(), found.count.tolist(), found.values.tolist()
    ([7, 0, 0, -1], [0, 7], [2, 1], [2.0, 5.0])
    """
    problem = to_problem(points, origin, cell, shape, values)
    from geoad.ops.occupied_voxels_numba import gather
    from geoad.ops.voxelize_numba import locate

    index = locate(*problem[:4])
    voxel, count, means = gather(index, problem.channels, int(problem.sides.prod()))
    kept = None if problem.width is None else _arrays.like(means.reshape(len(voxel), *problem.width), points)
    return Occupied(_arrays.like(index, points), _arrays.like(voxel, points), _arrays.like(count, points), kept)
