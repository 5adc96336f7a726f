"""CPU kernel of `voxelize`: one pass over the points, one over the voxels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def sort(
    points: NDArray[np.float32],
    origin: NDArray[np.float64],
    cell: float,
    shape: NDArray[np.int64],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return index (N,), count (V,) and means (V, C)."""
    with np.errstate(over="ignore"):
        low, high = origin.astype(np.float32), (origin + shape * cell).astype(np.float32)
    index: NDArray[Any] = np.empty(len(points), np.int64)
    _locate(points, origin, cell, shape, low, high, index)
    count, sums = _gather(index, values, int(shape.prod()))
    return index, count, sums.astype(np.float32)


@njit(cache=True, nogil=True)
def _locate(points, origin, cell, shape, low, high, index):  # type: ignore[no-untyped-def]
    """Write the flat voxel of each point."""
    for i in range(points.shape[0]):
        flat = np.int64(0)
        for c in range(3):
            p = points[i, c]
            if not (low[c] <= p <= high[c]):  # not finite is not inside
                flat = np.int64(-1)
                break
            place = np.int64(np.floor((np.float64(p) - origin[c]) / cell))
            flat = flat * shape[c] + min(max(place, 0), shape[c] - 1)
        index[i] = flat


@njit(cache=True, nogil=True)
def _gather(index, values, voxels):  # type: ignore[no-untyped-def]
    """Return the number of points and the mean of their values, a voxel."""
    count = np.zeros(voxels, np.int64)
    sums = np.zeros((voxels, values.shape[1]), np.float64)
    for i in range(index.shape[0]):
        v = index[i]
        if v >= 0:
            count[v] += 1
            for c in range(values.shape[1]):
                sums[v, c] += values[i, c]
    for v in range(voxels):
        if count[v] > 1:
            for c in range(values.shape[1]):
                sums[v, c] /= count[v]
    return count, sums
