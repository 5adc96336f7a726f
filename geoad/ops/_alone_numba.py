"""The k nearest points of one query, nearer boxes first: for queries whose leaf has too many points in common.

Keys are those of `_leaves_numba`. They gather unordered behind the best so far, and are cut to these when half as many
have come, so that a key costs the same whatever k is.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geoad.ops._lanes_numba import LANES, at_most_16, lowest
from geoad.ops._leaves_numba import LEAF, NEVER, ONE, box_gap, coincides
from geoad.ops.kd_tree_numba import select

DEEP = 128  # boxes that wait at most


@njit(cache=True, nogil=True)
def room(wanted):  # type: ignore[no-untyped-def]
    """Return what a walk needs to write to: keys, the distances to points at hand, boxes that wait and their gaps."""
    keys = np.empty(wanted + wanted // 2 + max(wanted, LEAF), np.int64)
    return keys, np.empty(LANES, np.float32), np.empty(DEEP, np.int64), np.empty(DEEP, np.float32)


@njit(cache=True, nogil=True)
def nearest(tree, x, y, z, wanted, room):  # type: ignore[no-untyped-def]
    """Write the keys of the `wanted` points nearest to (x, y, z), unordered, to the start of room[0].

    Returns how many there are.
    """
    boxes = tree[2]
    _, _, stack, gaps = room
    count, leaves, hull = tree[0].shape[0], boxes.shape[0] // 2, (x, y, z, x, y, z)
    limit, worst, size = np.float32(np.inf), NEVER, 0
    stack[0], gaps[0], top = 1, 0, 1
    while top > 0:
        top -= 1
        low, high = stack[top], stack[top] + 1
        if gaps[top] > limit:
            continue
        same = coincides(boxes, low)
        if low < leaves and not same:
            near = 2 * low
            gap, other = box_gap(boxes, near, hull), box_gap(boxes, near + 1, hull)
            right = other < gap
            stack[top], gaps[top] = near + 1 - right, max(gap, other)
            stack[top + 1], gaps[top + 1] = near + right, min(gap, other)
            top += 2
            continue
        while low < leaves:
            low, high = 2 * low, 2 * high
        first, last = (low - leaves) * count // leaves, (high - leaves) * count // leaves
        if same:
            last = min(last, first + wanted)  # their indices ascend
        size = _gather(tree, first, last, x, y, z, limit, worst, room, size)
        if size > wanted + wanted // 2:
            limit, worst, size = _cut(room, size, wanted)
    return size if size <= wanted else _cut(room, size, wanted)[2]


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _gather(tree, first, last, x, y, z, limit, worst, room, size):  # type: ignore[no-untyped-def]
    """Append the keys below `worst` of points first … last - 1; `limit` is its distance. Returns how many keys wait."""
    order, axes, _ = tree
    keys, distance, _, _ = room
    bits = distance.view(np.int32)
    for start in range(first, last, LANES):
        for u in range(LANES):
            dx, dy, dz = axes[0, start + u] - x, axes[1, start + u] - y, axes[2, start + u] - z
            distance[u] = dx * dx + dy * dy + dz * dz
        inside = at_most_16(distance, 0, limit)
        inside &= (ONE << np.uint64(min(last - start, LANES))) - ONE
        while inside != 0:
            u = lowest(inside)
            inside &= inside - ONE
            key = np.int64(bits[u]) << 32 | np.int64(order[start + u])
            keys[size] = key
            size += key < worst
    return size


@njit(cache=True, nogil=True)
def _cut(room, size, wanted):  # type: ignore[no-untyped-def]
    """Keep the `wanted` smallest keys; return the distance of the largest of them, itself, and `wanted`."""
    keys, distance, _, _ = room
    select(keys, 0, size, wanted)
    worst = keys[0]
    for i in range(1, wanted):
        worst = max(worst, keys[i])
    distance.view(np.int32)[0] = worst >> 32
    return distance[0], worst, wanted
