"""The convex hull of a voxel's eight projected corners, row of pixels by row, in exact arithmetic.

Places are whole steps of 1/256 pixel within ±2²⁵. Orientations are then exact in 64 bits, and a column is the floor or
the ceiling of a quotient of whole numbers below 2⁵³, which one division in double precision never puts on the wrong
side of a whole number.
"""

from __future__ import annotations

import numpy as np
from numba import njit

STEP = 8  # bits of a place behind the point
UNIT = 1 << STEP
REACH = 1 << 25  # the farthest place, in steps


@njit(cache=True, nogil=True)
def sort_corners(columns, rows, v, corners):  # type: ignore[no-untyped-def]
    """Write the corners of voxel v as row · 2³² + column, ascending."""
    ny, nz = columns.shape[1] - 1, columns.shape[2] - 1
    i, j, k = v // (ny * nz), v // nz % ny, v % nz
    for c in range(8):
        x, y, z = i + c // 4, j + c // 2 % 2, k + c % 2
        place = np.int64(rows[x, y, z]) * (1 << 32) + columns[x, y, z]
        at = c
        while at > 0 and corners[at - 1] > place:
            corners[at] = corners[at - 1]
            at -= 1
        corners[at] = place


@njit(cache=True, nogil=True)
def trace(corners, side, chain, top, bottom, limit):  # type: ignore[no-untyped-def]
    """Write the first (side 1) or the last (-1) column of each row of the hull of ascending corners."""
    size = 0
    for c in range(8):
        y = (corners[c] + (1 << 31)) >> 32
        x = corners[c] - y * (1 << 32)
        while size > 1:
            ax, ay, bx, by = chain[size - 2, 0], chain[size - 2, 1], chain[size - 1, 0], chain[size - 1, 1]
            if side * ((bx - ax) * (y - ay) - (by - ay) * (x - ax)) < 0:  # b is beyond the line from a to the corner
                break
            size -= 1
        chain[size, 0], chain[size, 1] = x, y
        size += 1
    for e in range(size - 1):
        _trace_edge(chain[e, 0], chain[e, 1], chain[e + 1, 0], chain[e + 1, 1], side, top, bottom, limit)


@njit(cache=True, nogil=True)
def _trace_edge(ax, ay, bx, by, side, top, bottom, limit):  # type: ignore[no-untyped-def]
    """Write where an edge from a to b, which is not lower, meets the rows; edges with a common end agree there."""
    start, end = max((ay + (UNIT - 1)) >> STEP, top), min(by >> STEP, bottom)
    if ay == by:  # level, from left to right: a point
        ax = bx = ax if side > 0 else bx
        by = ay + 1
    place, step = np.float64(ax * (by - ay) + ((start << STEP) - ay) * (bx - ax)), np.float64((bx - ax) << STEP)
    scale = np.float64((by - ay) << STEP)
    for row in range(start, end + 1):
        limit[row] = np.int64(np.ceil(place / scale) if side > 0 else np.floor(place / scale))
        place += step
