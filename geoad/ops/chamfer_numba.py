"""CPU kernel of `chamfer`: the nearest partner both ways, by looking at all pairs or, of large clouds, in a k-d tree.

`knn` is not asked: float64 points keep their precision here, and one that has no distance to anyone gets a partner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import knn_numba
from geoad.ops._lanes_numba import LANES
from geoad.ops._vector_numba import at, load, splat, square, store, where_less

LARGE = 1 << 23  # pairs from which on the tree is faster


def nearest(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for each point of `a` the index of the nearest in `b`, and the other way (lowest index on ties)."""
    dtype = np.result_type(a, b, np.float32)
    if dtype == np.float32 and len(a) * len(b) >= LARGE:  # the arithmetic of the tree
        return _nearest_in_tree(b, a), _nearest_in_tree(a, b)
    rows_a, rows_b = (np.ascontiguousarray(cloud.T, dtype=dtype) for cloud in (a, b))
    return _nearest(rows_a, rows_b), _nearest(rows_b, rows_a)


@njit(cache=True, nogil=True)
def _nearest(a, b):  # type: ignore[no-untyped-def]
    # Two vectors of queries stay in registers, with the least distance so far and its number as a float, while all
    # partners pass: fewer than `LARGE` in single precision, whose numbers it holds.
    n, two = a.shape[1], 2 * LANES
    whole = (n + two - 1) // two * two
    rows, who = np.zeros(3 * whole, a.dtype), np.empty(whole, a.dtype)
    for c in range(3):
        rows[c * whole : c * whole + n] = a[c]
    x, y, z = b[0], b[1], b[2]
    zero, far = splat(a.dtype.type(0)), splat(a.dtype.type(np.inf))
    for i in range(0, whole, two):
        x0, y0, z0 = load(rows, i), load(rows, whole + i), load(rows, 2 * whole + i)
        x1, y1, z1 = load(rows, i + LANES), load(rows, whole + i + LANES), load(rows, 2 * whole + i + LANES)
        best0, best1, who0, who1 = far, far, zero, zero
        for j in range(b.shape[1]):
            bx, by, bz, number = splat(at(x, j)), splat(at(y, j)), splat(at(z, j)), splat(a.dtype.type(j))
            sq_dist = (square(x0 - bx) + square(y0 - by)) + square(z0 - bz)
            who0, best0 = where_less(sq_dist, best0, number, who0), where_less(sq_dist, best0, sq_dist, best0)
            sq_dist = (square(x1 - bx) + square(y1 - by)) + square(z1 - bz)
            who1, best1 = where_less(sq_dist, best1, number, who1), where_less(sq_dist, best1, sq_dist, best1)
        store(who, i, who0)
        store(who, i + LANES, who1)
    return who[:n].astype(np.int32)


def _nearest_in_tree(points: NDArray[np.float32], queries: NDArray[np.float32]) -> NDArray[np.int32]:
    """Return the same as `_nearest`; who has no distance to anyone gets 0, as there."""
    held, asked = (np.flatnonzero(np.isfinite(cloud).all(1)) for cloud in (points, queries))
    index: NDArray[np.int32] = np.zeros(len(queries), np.int32)
    if len(held) and len(asked):
        near, sq_dist = knn_numba.search(points[held], queries[asked], 1, include_self=True)
        index[asked] = np.where(np.isfinite(sq_dist[:, 0]), held[near[:, 0]], 0)
    return index
