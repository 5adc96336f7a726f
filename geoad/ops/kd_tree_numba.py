"""A balanced k-d tree without pointers: the order of the points, and one bounding box a node.

Leaf l of 2**depth holds points order[l * N >> depth : (l + 1) * N >> depth]; node i has the children 2 i and 2 i + 1,
the root is 1, leaf l is node 2**depth + l. Boxes are those of the points, so that a distance to a box never exceeds
the distance, computed in the same float32 arithmetic, to any point inside.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

SAMPLE = 128  # points of a large node that decide about its axis
FEW = 24  # points that are sorted rather than partitioned


def depth_for(count: int, leaf: int) -> int:
    """Return the least depth at which no leaf holds more than `leaf` of `count` points."""
    depth = 0
    while leaf << depth < count:
        depth += 1
    return depth


def build(points: NDArray[np.float32], leaf: int) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]:
    """Return order (N,), axes (3, N + 16) and boxes (2**(depth + 1), 6) of finite points (N, 3), N > 0.

    `leaf` > 1 bounds the points of a leaf. axes[:, :N] is points[order].T; the zeros behind it let sixteen lanes read
    at any point. A box is (x0, y0, z0, x1, y1, z1). With `leaf` <= 24 the indices ascend within a leaf and within any
    node whose points coincide.
    """
    depth = depth_for(len(points), leaf)
    order = kd_order(points, points.view(np.int32), depth)
    axes, boxes = node_boxes(points, order, depth)
    return order, axes, boxes


@njit(cache=True, nogil=True)
def kd_order(points, bits, depth):  # type: ignore[no-untyped-def]
    """Split every node at the median of its widest axis; ties by index, so that no split is arbitrary."""
    count = points.shape[0]
    keys = np.empty(count, np.int64)  # coordinate in the high half, index in the low half
    for i in range(count):
        keys[i] = i
    stack = np.empty((depth + 2, 3), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2], top = 0, 0, -1, 1
    while top > 0:
        top -= 1
        level, node, keyed = stack[top, 0], stack[top, 1], stack[top, 2]
        below = depth - level
        first, last = (node << below) * count >> depth, ((node + 1) << below) * count >> depth
        if level == depth:
            keys[first:last] &= 0xFFFFFFFF
            if last - first <= FEW:
                _sort_few(keys, first, last)
            continue
        axis = _widest_axis(points, keys, first, last)
        if axis != keyed:
            _key_by_axis(keys, first, last, bits, axis)
        select(keys, first, last, ((2 * node + 1) << (below - 1)) * count >> depth)
        for child in range(2):
            stack[top, 0], stack[top, 1], stack[top, 2] = level + 1, 2 * node + 1 - child, axis
            top += 1
    return keys.astype(np.int32)


@njit(cache=True, nogil=True)
def _widest_axis(points, keys, first, last):  # type: ignore[no-untyped-def]
    """Return the axis along which the points of a node, or a sample of many, extend the most."""
    i = keys[first] & 0xFFFFFFFF
    x0 = x1 = points[i, 0]
    y0 = y1 = points[i, 1]
    z0 = z1 = points[i, 2]
    for t in range(first + 1, last, 1 + (last - first) // SAMPLE):
        i = keys[t] & 0xFFFFFFFF
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        x0, x1, y0, y1, z0, z1 = min(x0, x), max(x1, x), min(y0, y), max(y1, y), min(z0, z), max(z1, z)
    x, y, z = x1 - x0, y1 - y0, z1 - z0
    return 0 if x >= y and x >= z else (1 if y >= z else 2)


@njit(cache=True, nogil=True)
def _key_by_axis(keys, first, last, bits, axis):  # type: ignore[no-untyped-def]
    """Put the coordinate, as an integer of the same order as the float, above the index."""
    for t in range(first, last):
        i = keys[t] & 0xFFFFFFFF
        b = np.int64(bits[i, axis])
        if b == -0x80000000:  # -0.0 coincides with 0.0
            b = np.int64(0)
        keys[t] = (b ^ ((b >> 63) & 0x7FFFFFFF)) << 32 | i


@njit(cache=True, nogil=True)
def select(keys, first, last, middle):  # type: ignore[no-untyped-def]
    """Partition keys[first:last] so that those before `middle` are smaller; keys are distinct.

    The pivot is the median of three a third apart that begin anywhere: no order of the points, such as that of a
    contour, which goes out and comes back, makes it the smallest again and again.
    """
    while last - first > FEW:
        span = last - first
        start = ((first * 0x9E3779B1 + last * 0x85EBCA77) & 0x7FFFFFFF) % span
        a = keys[first + start]
        b = keys[first + (start + span // 3) % span]
        c = keys[first + (start + 2 * span // 3) % span]
        pivot = max(min(a, b), min(max(a, b), c))
        split = first
        for t in range(first, last):  # branch-free: a swap at every step
            v = keys[t]
            keys[t] = keys[split]
            keys[split] = v
            split += v < pivot
        if split <= middle:
            first = split
        else:
            last = split
    _sort_few(keys, first, last)


@njit(cache=True, nogil=True)
def _sort_few(keys, first, last):  # type: ignore[no-untyped-def]
    """Sort keys[first:last] by insertion."""
    for t in range(first + 1, last):
        v = keys[t]
        u = t
        while u > first and keys[u - 1] > v:
            keys[u] = keys[u - 1]
            u -= 1
        keys[u] = v


@njit(cache=True, nogil=True)
def node_boxes(points, order, depth):  # type: ignore[no-untyped-def]
    """Return the coordinates in tree order, and the bounding box of each node; row 0 is unused."""
    count, leaves = order.shape[0], 1 << depth
    axes = np.zeros((3, count + 16), np.float32)
    boxes = np.zeros((2 * leaves, 6), np.float32)
    for c in range(3):
        for leaf in range(leaves):
            first, last = leaf * count >> depth, (leaf + 1) * count >> depth
            low = high = points[order[first], c]
            for t in range(first, last):
                p = points[order[t], c]
                axes[c, t], low, high = p, min(low, p), max(high, p)
            boxes[leaves + leaf, c], boxes[leaves + leaf, c + 3] = low, high
        for node in range(leaves - 1, 0, -1):
            boxes[node, c] = min(boxes[2 * node, c], boxes[2 * node + 1, c])
            boxes[node, c + 3] = max(boxes[2 * node, c + 3], boxes[2 * node + 1, c + 3])
    return axes, boxes
