"""CPU kernel of `voxel_downsample`: a hash table of occupied cells that grows with their number."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

FIRST = 1024  # slots at first; a power of two, as all later sizes
MIX = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F), np.uint64(0x165667B19E3779F9))  # odd
HIGH = np.uint64(32)


def downsample(
    points: NDArray[np.float32], values: NDArray[np.float64], cell: float
) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return means (M, 3 + C), index (N,) and count (M,)."""
    index: NDArray[Any] = np.empty(len(points), np.int64)
    rows = number_cells(points, cell, index)
    sums, count = gather(points, values, index, rows)
    return sums.astype(np.float32), index, count


@njit(cache=True, nogil=True)
def number_cells(points, cell, index):  # type: ignore[no-untyped-def]
    """Write the number of each point's cell, cells counted as they appear; return how many there are."""
    slots, cells = np.full(FIRST, -1, np.int64), np.empty((FIRST // 2, 3), np.int64)
    rows, row = 0, -1
    for i in range(points.shape[0]):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        if not (np.isfinite(x) and np.isfinite(y) and np.isfinite(z)):
            index[i] = -1
            continue
        a = np.int64(np.floor(np.float64(x) / cell))
        b = np.int64(np.floor(np.float64(y) / cell))
        c = np.int64(np.floor(np.float64(z) / cell))
        if row < 0 or cells[row, 0] != a or cells[row, 1] != b or cells[row, 2] != c:  # often that of the point before
            slot = _find(slots, cells, a, b, c)
            row = slots[slot]
            if row < 0:
                row = slots[slot] = rows
                cells[row, 0], cells[row, 1], cells[row, 2] = a, b, c
                rows += 1
                if rows == cells.shape[0]:
                    slots, cells = _grown(cells)
        index[i] = row
    return rows


@njit(cache=True, nogil=True)
def _find(slots, cells, a, b, c):  # type: ignore[no-untyped-def]
    """Return the slot of a cell, or the empty one that it takes."""
    mask = np.uint64(slots.shape[0] - 1)
    mixed = np.uint64(a) * MIX[0] ^ np.uint64(b) * MIX[1] ^ np.uint64(c) * MIX[2]
    mixed = (mixed ^ mixed >> HIGH) * MIX[0]
    slot = np.int64((mixed >> HIGH) & mask)
    while slots[slot] >= 0:
        row = slots[slot]
        if cells[row, 0] == a and cells[row, 1] == b and cells[row, 2] == c:
            break
        slot = (slot + 1) & np.int64(mask)
    return slot


@njit(cache=True, nogil=True)
def _grown(cells):  # type: ignore[no-untyped-def]
    """Return a table of twice as many slots for the same cells, half of them free."""
    rows = cells.shape[0]
    slots, larger = np.full(4 * rows, -1, np.int64), np.empty((2 * rows, 3), np.int64)
    larger[:rows] = cells
    for row in range(rows):
        slots[_find(slots, larger, cells[row, 0], cells[row, 1], cells[row, 2])] = row
    return slots, larger


@njit(cache=True, nogil=True)
def gather(points, values, index, rows):  # type: ignore[no-untyped-def]
    """Return the means (M, 3 + C) of coordinates and values, and the number of points, a row."""
    count = np.zeros(rows, np.int64)
    sums = np.zeros((rows, 3 + values.shape[1]), np.float64)
    for i in range(index.shape[0]):
        row = index[i]
        if row >= 0:
            count[row] += 1
            for c in range(3):
                sums[row, c] += points[i, c]
            for c in range(values.shape[1]):
                sums[row, 3 + c] += values[i, c]
    for row in range(rows):
        for c in range(sums.shape[1]):
            sums[row, c] /= count[row]
    return sums, count
