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
FAN = 3  # log2 of the buckets a group and of the groups a block
LAST = np.int32(2**31 - 1)


def sample(points: NDArray[np.float32], n: int, start: int) -> NDArray[Any]:
    """Return n <= N picks from finite points (N, 3) float32."""
    order, axes, boxes = kd_tree_numba.build(points, LEAF)
    depth = kd_tree_numba.depth_for(len(points), LEAF)
    return pick(points, order, axes, boxes, depth, n, start)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def pick(points, order, axes, boxes, depth, n, start):  # type: ignore[no-untyped-def]
    """Pick n points; `far` and `who` hold, a node, the largest distance and the lowest index that has it."""
    distance = np.full(order.shape[0], np.float32(np.inf), np.float32)
    far = np.full(boxes.shape[0], np.float32(np.inf), np.float32)
    who = _lowest(order, depth)
    place = np.empty(order.shape[0], np.int32)
    for t in range(order.shape[0]):
        place[order[t]] = t
    first = 1 << max(depth - 2 * FAN, 0)
    blocks = np.ascontiguousarray(boxes[first : 2 * first].T)
    near = np.empty(first, np.float32)
    picks = np.empty(n, np.int64)
    p = start
    for s in range(n):
        picks[s] = p
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        distance[place[p]] = np.float32(-1)  # never again
        home = _leaf_of(place[p], order.shape[0], depth)
        _box_distances(blocks, x, y, z, near)
        for b in range(first):
            if near[b] < far[first + b] or b == home >> min(depth, 2 * FAN):
                _visit_block(first + b, order, axes, boxes, depth, distance, far, who, x, y, z, home)
        p = _farthest(far, who, first, first)[1]
    return picks


@njit(cache=True, nogil=True)
def _lowest(order, depth):  # type: ignore[no-untyped-def]
    """Return the lowest index under each node."""
    count, leaves = order.shape[0], 1 << depth
    who = np.empty(2 * leaves, np.int32)
    for leaf in range(leaves):
        who[leaves + leaf] = order[leaf * count >> depth]
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
def _box_distances(blocks, x, y, z, near):  # type: ignore[no-untyped-def]
    """Write the squared distance of (x, y, z) to each block's box."""
    zero = np.float32(0)
    for b in range(near.shape[0]):
        dx = max(max(blocks[0, b] - x, x - blocks[3, b]), zero)
        dy = max(max(blocks[1, b] - y, y - blocks[4, b]), zero)
        dz = max(max(blocks[2, b] - z, z - blocks[5, b]), zero)
        near[b] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _box_distance(box, x, y, z):  # type: ignore[no-untyped-def]
    """Return the squared distance of (x, y, z) to one box."""
    zero = np.float32(0)
    dx = max(max(box[0] - x, x - box[3]), zero)
    dy = max(max(box[1] - y, y - box[4]), zero)
    dz = max(max(box[2] - z, z - box[5]), zero)
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _visit_block(block, order, axes, boxes, depth, distance, far, who, x, y, z, home):  # type: ignore[no-untyped-def]
    """Lower the distances under one block, group by group, bucket by bucket."""
    leaves = 1 << depth
    level = max(depth - FAN, 0)  # of the groups
    fan = 1 << (level - max(depth - 2 * FAN, 0))
    buckets = leaves >> level
    for group in range(block * fan, block * fan + fan):
        inside = group == (leaves + home) >> (depth - level)
        if not (inside or _box_distance(boxes[group], x, y, z) < far[group]):
            continue
        for node in range(group * buckets, group * buckets + buckets):
            if node == leaves + home or _box_distance(boxes[node], x, y, z) < far[node]:
                count = order.shape[0]
                first, last = (node - leaves) * count >> depth, (node - leaves + 1) * count >> depth
                far[node], t = _lower(axes, distance, first, last, x, y, z)
                who[node] = order[t]
        far[group], who[group] = _farthest(far, who, group * buckets, buckets)
    far[block], who[block] = _farthest(far, who, block * fan, fan)


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _lower(axes, distance, first, last, x, y, z):  # type: ignore[no-untyped-def]
    """Lower the distances of one bucket; return the largest left and the first place that has it."""
    best = np.float32(-1)
    for t in range(first, last):
        dx, dy, dz = axes[0, t] - x, axes[1, t] - y, axes[2, t] - z
        d = min(dx * dx + dy * dy + dz * dz, distance[t])
        distance[t] = d
        best = max(best, d)
    for t in range(first, last):
        if distance[t] == best:
            return best, t
    return best, first


@njit(cache=True, nogil=True)
def _farthest(far, who, first, count):  # type: ignore[no-untyped-def]
    """Return the largest distance of nodes first … first + count - 1 and the lowest index that has it."""
    best, index = np.float32(-2), LAST
    for node in range(first, first + count):
        if far[node] > best or (far[node] == best and who[node] < index):
            best, index = far[node], who[node]
    return best, index
