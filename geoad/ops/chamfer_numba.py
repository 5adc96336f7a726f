"""CPU kernel of `chamfer`: the nearest partner both ways, by looking at all pairs or, of large clouds, in a k-d tree.

`knn` is not asked: float64 points keep their precision here, and one that has no distance to anyone gets a partner.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import kd_tree_numba
from geoad.ops._lanes_numba import LANES
from geoad.ops._vector_numba import at, load, splat, square, store, where_less

LARGE = 1 << 23  # pairs from which on the tree is faster
LEAF = 16


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
    finite = np.flatnonzero(np.isfinite(points).all(1))
    index: NDArray[np.int32] = np.zeros(len(queries), np.int32)
    if len(finite):
        order, axes, boxes = kd_tree_numba.build(np.require(points[finite], np.float32, ["C", "W"]), LEAF)
        _ask(np.require(queries, np.float32, ["C", "W"]), finite.astype(np.int32)[order], axes, boxes, index)
    return index


@njit(cache=True, nogil=True)
def _ask(queries, number, axes, boxes, index):  # type: ignore[no-untyped-def]
    """Write the nearest of the points `axes` in tree order, by their `number`, nearer boxes first."""
    leaves, count = boxes.shape[0] // 2, number.shape[0]
    stack, gaps = np.empty(64, np.int64), np.empty(64, np.float32)
    for q in range(queries.shape[0]):
        x, y, z = queries[q, 0], queries[q, 1], queries[q, 2]
        best, who = np.float32(np.inf), np.int32(0)
        stack[0], gaps[0], top = 1, 0, int(np.isfinite(x) and np.isfinite(y) and np.isfinite(z))
        while top > 0:
            top -= 1
            if gaps[top] > best:
                continue
            low, high = stack[top], stack[top] + 1
            alike = boxes[low, 0] == boxes[low, 3] and boxes[low, 1] == boxes[low, 4] and boxes[low, 2] == boxes[low, 5]
            if low < leaves and not alike:
                near, far = 2 * low, 2 * low + 1
                gap, other = _gap(boxes, near, x, y, z), _gap(boxes, far, x, y, z)
                if other < gap:
                    near, far, gap, other = far, near, other, gap
                stack[top], gaps[top], stack[top + 1], gaps[top + 1] = far, other, near, gap
                top += 2
                continue
            while low < leaves:
                low, high = 2 * low, 2 * high
            first, last = (low - leaves) * count // leaves, (high - leaves) * count // leaves
            for t in range(first, first + 1 if alike else last):  # of points that coincide the lowest comes first
                dx, dy, dz = x - axes[0, t], y - axes[1, t], z - axes[2, t]
                sq_dist = (dx * dx + dy * dy) + dz * dz
                if sq_dist < best or (sq_dist == best and number[t] < who):
                    best, who = sq_dist, number[t]
        index[q] = who


@njit(cache=True, nogil=True)
def _gap(boxes, node, x, y, z):  # type: ignore[no-untyped-def]
    """Return the squared distance to a node's box, which rounds to no more than that to any point inside."""
    zero = np.float32(0)
    dx = max(max(boxes[node, 0] - x, x - boxes[node, 3]), zero)
    dy = max(max(boxes[node, 1] - y, y - boxes[node, 4]), zero)
    dz = max(max(boxes[node, 2] - z, z - boxes[node, 5]), zero)
    return (dx * dx + dy * dy) + dz * dz
