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
    voxels, channels = int(shape.prod()), values.shape[1]
    count, means = np.zeros(voxels, np.int64), np.zeros((voxels, channels), np.float32)
    if channels == 0:
        _count(index, count)
        return index, count, means
    most = min(len(index), voxels)
    total, sums = np.empty(most, np.int64), np.empty((most, channels), np.float64)
    if channels == 3:
        _add_three(index, values.reshape(-1), count, total, sums)
    else:
        _add(index, values, count, total, sums)
    _divide(count, total, sums, means)
    return index, count, means


def locate(
    points: NDArray[np.float32], origin: NDArray[np.float64], cell: float, shape: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the flat voxel (N,) of each point, -1 outside."""
    with np.errstate(over="ignore"):
        low, high = origin.astype(np.float32), (origin + shape * cell).astype(np.float32)
    index: NDArray[Any] = np.empty(len(points), np.int64)
    _locate(points.reshape(-1), origin, cell, shape.astype(np.float64), low, high, index)
    return index


@njit(cache=True, nogil=True)
def _locate(numbers, origin, cell, shape, low, high, index):  # type: ignore[no-untyped-def]
    """Write the flat voxel of each point; with no branch, and a known step from point to point, it is vectorised."""
    zero, one = np.float64(0), np.float64(1)
    ox, oy, oz, nx, ny, nz = origin[0], origin[1], origin[2], shape[0], shape[1], shape[2]
    lx, ly, lz, hx, hy, hz = low[0], low[1], low[2], high[0], high[1], high[2]
    for i in range(index.shape[0]):
        x, y, z = numbers[3 * i], numbers[3 * i + 1], numbers[3 * i + 2]
        inside = (lx <= x) & (x <= hx) & (ly <= y) & (y <= hy) & (lz <= z) & (z <= hz)  # not finite is not inside
        a, b, c = np.floor((x - ox) / cell), np.floor((y - oy) / cell), np.floor((z - oz) / cell)
        a, b, c = (a if a > zero else zero), (b if b > zero else zero), (c if c > zero else zero)
        a, b, c = (a if a < nx else nx - one), (b if b < ny else ny - one), (c if c < nz else nz - one)
        index[i] = np.int64((a * ny + b) * nz + c) if inside else -1


@njit(cache=True, nogil=True)
def _count(index, count):  # type: ignore[no-untyped-def]
    """Count the points of each voxel."""
    for i in range(index.shape[0]):
        if index[i] >= 0:
            count[index[i]] += 1


@njit(cache=True, nogil=True)
def _add(index, values, number, total, sums):  # type: ignore[no-untyped-def]
    """Number the occupied voxels from 1 on as they come, and add up each one's points and values.

    Only these, which are few on a surface, have sums.
    """
    used = 0
    for i in range(index.shape[0]):
        if index[i] >= 0:
            voxel = np.uint64(index[i])
            if number[voxel] == 0:
                total[used], sums[used] = 0, 0
                used += 1
                number[voxel] = used
            place = np.uint64(number[voxel] - 1)
            total[place] += 1
            for c in range(values.shape[1]):
                sums[place, c] += values[i, c]


@njit(cache=True, nogil=True)
def _add_three(index, values, number, total, sums):  # type: ignore[no-untyped-def]
    """Do what `_add` does with three values a point, such as colours, one after the other in `values`.

    The sums stay in registers while points fall into the same voxel, as neighbouring pixels do: a sum in memory would
    have each point wait for the one before. They are added in the same order.
    """
    used, voxel, place = 0, np.int64(-1), np.uint64(0)
    many, a, b, c = 0, 0.0, 0.0, 0.0
    for i in range(index.shape[0]):
        if index[i] != voxel:
            if voxel >= 0:
                total[place], sums[place, 0], sums[place, 1], sums[place, 2] = many, a, b, c
            voxel = index[i]
            if voxel >= 0 and number[voxel] == 0:
                total[used], sums[used] = 0, 0
                used += 1
                number[voxel] = used
            if voxel >= 0:
                place = np.uint64(number[voxel] - 1)
                many, a, b, c = total[place], sums[place, 0], sums[place, 1], sums[place, 2]
        many += 1
        a += values[3 * i]
        b += values[3 * i + 1]
        c += values[3 * i + 2]
    if voxel >= 0:
        total[place], sums[place, 0], sums[place, 1], sums[place, 2] = many, a, b, c


@njit(cache=True, nogil=True)
def _divide(count, total, sums, means):  # type: ignore[no-untyped-def]
    """Write each voxel's mean, and its number of points where its number among the occupied ones stood."""
    for voxel in range(count.shape[0]):
        if count[voxel] > 0:
            place = count[voxel] - 1
            count[voxel] = total[place]
            for c in range(means.shape[1]):
                means[voxel, c] = sums[place, c] / total[place]
