"""Exact farthest point sampling that skips what a pick cannot change.

A new pick lowers the distance of a point only if it is nearer than that distance. Buckets of points, groups of buckets
and blocks of groups each keep a bounding box and their largest distance: whatever lies at least that far from the pick
is skipped whole. The box distance is computed as the point distance is, and rounding is monotone, so nothing that
would change is ever skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import kd_tree_numba

LEAF = 128  # points a bucket, at most
FAN = 4  # log2 of the buckets a group and of the groups a block
LAST = np.int32(2**31 - 1)


def sample(points: NDArray[np.float32], n: int, start: int) -> NDArray[Any]:
    """Return n <= N picks from finite points (N, 3) float32."""
    order, axes, boxes = kd_tree_numba.build(points, LEAF)
    depth = kd_tree_numba.depth_for(len(points), LEAF)
    return pick(points, order, axes, np.ascontiguousarray(boxes.T), depth, n, start)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def pick(points, order, axes, sides, depth, n, start):  # type: ignore[no-untyped-def]
    """Pick n points; `far` and `who` hold, a node, the largest distance and the lowest index that has it."""
    distance = np.full(order.shape[0], np.float32(np.inf), np.float32)
    far = np.full(2 << depth, np.float32(np.inf), np.float32)
    near = np.empty(2 << depth, np.float32)
    who = _lowest(order, depth)
    place = np.empty(order.shape[0], np.int32)
    for t in range(order.shape[0]):
        place[order[t]] = t
    skip = min(depth, 2 * FAN)
    first = 1 << (depth - skip)
    picks = np.empty(n, np.int64)
    p = start
    for s in range(n):
        picks[s] = p
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        distance[place[p]] = np.float32(-1)  # never again
        home = (1 << depth) + _leaf_of(place[p], order.shape[0], depth)
        _box_distances(sides, first, first, x, y, z, near)
        for block in range(first, 2 * first):
            if near[block] < far[block] or block == home >> skip:
                _visit_block(block, order, axes, sides, depth, distance, near, far, who, x, y, z, home)
        p = _farthest(far, who, first, first)[1]
    return picks


@njit(cache=True, nogil=True)
def _lowest(order, depth):  # type: ignore[no-untyped-def]
    """Return the lowest index under each node."""
    count, leaves = order.shape[0], 1 << depth
    who = np.empty(2 * leaves, np.int32)
    for leaf in range(leaves):
        who[leaves + leaf] = order[leaf * count >> depth : (leaf + 1) * count >> depth].min()
    for node in range(leaves - 1, 0, -1):
        who[node] = min(who[2 * node], who[2 * node + 1])
    return who


@njit(cache=True, nogil=True)
def _leaf_of(place, count, depth):  # type: ignore[no-untyped-def]
    """Return the leaf that holds the point at `place` in tree order."""
    leaf = (np.int64(place) << depth) // count
    while (leaf + 1) * count >> depth <= place:
        leaf += 1
    return leaf


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _box_distances(sides, first, count, x, y, z, near):  # type: ignore[no-untyped-def]
    """Write the squared distance of (x, y, z) to the boxes of nodes first … first + count - 1."""
    zero = np.float32(0)
    for node in range(first, first + count):
        dx = max(max(sides[0, node] - x, x - sides[3, node]), zero)
        dy = max(max(sides[1, node] - y, y - sides[4, node]), zero)
        dz = max(max(sides[2, node] - z, z - sides[5, node]), zero)
        near[node] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _visit_block(block, order, axes, sides, depth, distance, near, far, who, x, y, z, home):  # type: ignore[no-untyped-def]
    """Lower the distances under one block, group by group, bucket by bucket."""
    count, leaves = order.shape[0], 1 << depth
    skip = min(depth, FAN)  # levels from buckets to groups
    fan = 1 << (min(depth, 2 * FAN) - skip)
    _box_distances(sides, block * fan, fan, x, y, z, near)
    for group in range(block * fan, block * fan + fan):
        if near[group] < far[group] or group == home >> skip:
            _box_distances(sides, group << skip, 1 << skip, x, y, z, near)
            for node in range(group << skip, (group + 1) << skip):
                if near[node] < far[node] or node == home:
                    first, last = (node - leaves) * count >> depth, (node - leaves + 1) * count >> depth
                    far[node], who[node] = _lower(axes, order, distance, first, last, x, y, z)
            far[group], who[group] = _farthest(far, who, group << skip, 1 << skip)
    far[block], who[block] = _farthest(far, who, block * fan, fan)


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _lower(axes, order, distance, first, last, x, y, z):  # type: ignore[no-untyped-def]
    """Lower the distances of one bucket; return the largest left and the lowest index that has it."""
    best = np.float32(-1)
    for t in range(first, last):
        dx, dy, dz = axes[0, t] - x, axes[1, t] - y, axes[2, t] - z
        d = min(dx * dx + dy * dy + dz * dz, distance[t])
        distance[t] = d
        best = max(best, d)
    index = LAST
    for t in range(first, last):
        index = min(index, order[t] if distance[t] == best else LAST)
    return best, index


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _farthest(far, who, first, count):  # type: ignore[no-untyped-def]
    """Return the largest distance of nodes first … first + count - 1 and the lowest index that has it."""
    best, index = far[first], LAST
    for node in range(first + 1, first + count):
        best = max(best, far[node])
    for node in range(first, first + count):
        index = min(index, who[node] if far[node] == best else LAST)
    return best, index
