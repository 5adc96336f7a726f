"""Thin a cloud to one mean point a cubic cell."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

from geoad import _check
from geoad.ops import _arrays


class Downsampled(NamedTuple):
    """Occupied cells in the order of their first points: `points` (M, 3) float32 and `values` are means.

    `values` is (M,) or (M, C) float32, None without; `index` (N,) int64 is the row that each point went to, −1 for one
    that is not finite; `count` (M,) int64 says how many did.

    >>> found = voxel_downsample(np.array([[0.5, 0, 0], [9, 9, 9], [0.7, 0, 0]]), 1.0)
    >>> found.index.tolist(), found.count.tolist()
    ([0, 1, 0], [2, 1])
    """

    points: Any
    values: Any
    index: Any
    count: Any


def voxel_downsample(points: Any, cell: float, *, values: Any = None) -> Downsampled:
    """Replace those of points (N, 3) that share a cube of side `cell` by their mean, and so their values.

    The cube of a point is floor(p / cell) of its float32 coordinates, one at a time in double precision: cubes hang on
    the origin of the frame, so that which points share one does not depend on the others. Rows come in the order of
    each cube's first point. `values` is (N,) or (N, C); sums are double precision, in the order of the points, and
    rounded to float32. Points that are not finite, and their values, are left out.

    Points are numpy or torch (CPU), and the result is of the same kind; no gradient flows. Raises ValueError where a
    coordinate is 2⁶² cells or more from the origin.

    >>> import numpy as np
    >>> points = np.array([[0.25, 0, 0], [-0.25, 0, 0], [0.75, 0, 0]])
    >>> found = voxel_downsample(points, 1.0, values=np.array([1.0, 5, 2]))
    >>> found.points[:, 0].tolist(), found.values.tolist(), found.index.tolist()
    ([0.5, -0.25], [1.5, 5.0], [0, 1, 0])
    """
    cloud = _arrays.to_points("points", points)
    side = _arrays.to_side(cell)
    numbers = np.empty((len(cloud), 0)) if values is None else _arrays.to_numpy("values", values)
    _check.shape("values", numbers, (len(cloud), *(("C",) if numbers.ndim == 2 else ())))
    channels = numbers.reshape(len(cloud), math.prod(numbers.shape[1:]))
    far = float(np.abs(cloud, where=np.isfinite(cloud), out=np.zeros_like(cloud)).max(initial=0))
    if far / side >= 2**62:
        raise ValueError(f"cell must be larger than {far / 2**62} for coordinates up to {far}, got {cell}")
    from geoad.ops.voxel_downsample_numba import downsample

    means, index, count = downsample(cloud, np.require(channels, np.float64, ["C", "W"]), side)
    thinned = means[:, 3:].reshape(len(means), *numbers.shape[1:])
    return Downsampled(
        _arrays.like(np.ascontiguousarray(means[:, :3]), points),
        None if values is None else _arrays.like(np.ascontiguousarray(thinned), points),
        _arrays.like(index, points),
        _arrays.like(count, points),
    )
