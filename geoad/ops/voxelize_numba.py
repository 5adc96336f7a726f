"""CPU kernel of `voxelize`: one pass over the points to find their voxels, one to add them up, one over the voxels."""

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
    values: NDArray[np.float32] | NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return index (N,), count (V,) and means (V, C)."""
    index = locate(points, origin, cell, shape)
    return (index, *_gather(index, values, int(shape.prod())))


def locate(
    points: NDArray[np.float32], origin: NDArray[np.float64], cell: float, shape: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the flat voxel (N,) of each point, -1 outside."""
    with np.errstate(over="ignore"):
        low, high = origin.astype(np.float32), (origin + shape * cell).astype(np.float32)
    index: NDArray[Any] = np.empty(len(points), np.int64)
    _locate(points, origin, cell, shape.astype(np.float64), low, high, index)
    return index


@njit(cache=True, nogil=True)
def _locate(points, origin, cell, shape, low, high, index):  # type: ignore[no-untyped-def]
    """Write the flat voxel of each point, without a branch."""
    zero, one = np.float64(0), np.float64(1)
    ox, oy, oz, nx, ny, nz = origin[0], origin[1], origin[2], shape[0], shape[1], shape[2]
    lx, ly, lz, hx, hy, hz = low[0], low[1], low[2], high[0], high[1], high[2]
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        inside = (lx <= x) & (x <= hx) & (ly <= y) & (y <= hy) & (lz <= z) & (z <= hz)  # not finite is not inside
        a, b, c = np.floor((x - ox) / cell), np.floor((y - oy) / cell), np.floor((z - oz) / cell)
        a, b, c = (a if a > zero else zero), (b if b > zero else zero), (c if c > zero else zero)
        a, b, c = (a if a < nx else nx - one), (b if b < ny else ny - one), (c if c < nz else nz - one)
        index[i] = np.int64((a * ny + b) * nz + c) if inside else -1


@njit(cache=True, nogil=True)
def _gather(index, values, voxels):  # type: ignore[no-untyped-def]
    """Return the number of points and the mean of their values, a voxel.

    Sums are kept for occupied voxels alone, which are few on a surface; until the end `count` holds the number of a
    voxel among these, from 1 on.
    """
    count, means = np.zeros(voxels, np.int64), np.zeros((voxels, values.shape[1]), np.float32)
    if values.shape[1] == 0:
        for i in range(index.shape[0]):
            if index[i] >= 0:
                count[index[i]] += 1
        return count, means
    most = min(index.shape[0], voxels)
    total, sums = np.empty(most, np.int64), np.empty((most, values.shape[1]), np.float64)
    used = 0
    for i in range(index.shape[0]):
        if index[i] >= 0:
            v = np.uint64(index[i])
            if count[v] == 0:
                total[used], sums[used] = 0, 0
                used += 1
                count[v] = used
            place = np.uint64(count[v] - 1)
            total[place] += 1
            for c in range(values.shape[1]):
                sums[place, c] += values[i, c]
    for flat in range(voxels):
        if count[flat] > 0:
            number = count[flat] - 1
            count[flat] = total[number]
            for c in range(values.shape[1]):
                means[flat, c] = sums[number, c] / total[number]
    return count, means
