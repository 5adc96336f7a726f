"""Exact farthest point sampling that skips what a pick cannot change.

A new pick lowers the distance of a point only if it is nearer than that distance. Leaves of points, groups of leaves
and blocks of groups each keep a bounding box and their largest distance: whatever lies at least that far from the pick
is skipped whole. The box distance is computed as the point distance is, and rounding is monotone, so nothing that
would change is ever skipped.

Squared distances are never negative, so their bits, read as integers, have the same order: maxima are taken of these,
since a compiler vectorises them. Who has the largest distance is looked up when it is asked for, not kept.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import kd_tree_numba

LEAF = 96  # points a leaf, at most
FAN = 16  # leaves a group, groups a block, and the lanes of a loop
LAST = np.int32(2**31 - 1)  # stands for no index
UNKNOWN = np.int32(-1)
INFINITE = np.int32(0x7F800000)  # the bits of +inf
PICKED, ZERO = np.float32(-1), np.float32(0)
NEVER = np.int32(-(2**31))  # bits below those of all distances, PICKED among them


def sample(points: NDArray[np.float32], n: int, start: int) -> NDArray[Any]:
    """Return n <= N picks from finite points (N, 3) float32."""
    depth = kd_tree_numba.depth_for(len(points), LEAF)
    order = kd_tree_numba.kd_order(points, points.view(np.int32), depth)
    return pick(points, order, depth, n, start)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def pick(points, order, depth, n, start):  # type: ignore[no-untyped-def]
    """Pick n points."""
    axes, distance, index, place = _fill_leaves(points, order, 1 << depth)
    leaves = _level(axes.shape[0])
    for leaf in range(axes.shape[0]):
        for c in range(3):
            leaves[0][leaf // FAN, c, leaf % FAN] = axes[leaf, c].min()
            leaves[0][leaf // FAN, c + 3, leaf % FAN] = axes[leaf, c].max()
        leaves[1][leaf // FAN, leaf % FAN] = INFINITE
    groups = _level_over(leaves)
    blocks = _level_over(groups)
    bits, width = distance.view(np.int32), axes.shape[2]
    lanes = _lanes(), _lanes(), _lanes()
    near, near_bits = lanes[0]
    picks = np.empty(n, np.int64)
    p = start
    for s in range(n):
        picks[s] = p
        at = points[p, 0], points[p, 1], points[p, 2]
        home = place[p] // width
        distance[home, place[p] % width] = PICKED  # never again
        for t in range(blocks[0].shape[0]):
            _box_distances(blocks[0][t], at, near)
            for lane in range(FAN):
                block = t * FAN + lane
                if near_bits[lane] < blocks[1][t, lane] or block == home // (FAN * FAN):
                    _visit_block(block, home, at, groups, leaves, axes, distance, bits, lanes)
                    blocks[1][t, lane], blocks[2][t, lane] = _largest(groups[1][block]), UNKNOWN
        p = _farthest(blocks, groups, leaves, bits, index)
    return picks


@njit(cache=True, nogil=True)
def _fill_leaves(points, order, leaves):  # type: ignore[no-untyped-def]
    """Return axes (L, 3, W), distance and index (L, W) of the points in leaves, and where each point is in these.

    W is a multiple of the lanes; what fills a leaf up is a point of its own that counts as picked.
    """
    count = order.shape[0]
    width = ((count + leaves - 1) // leaves + FAN - 1) // FAN * FAN
    axes = np.empty((leaves, 3, width), np.float32)
    distance = np.full((leaves, width), PICKED, np.float32)
    index = np.full((leaves, width), LAST, np.int32)
    place = np.empty(count, np.int32)
    for leaf in range(leaves):
        first, last = leaf * count // leaves, (leaf + 1) * count // leaves
        for t in range(width):
            p = order[min(first + t, last - 1)]
            axes[leaf, 0, t], axes[leaf, 1, t], axes[leaf, 2, t] = points[p, 0], points[p, 1], points[p, 2]
            if first + t < last:
                distance[leaf, t], index[leaf, t], place[p] = np.float32(np.inf), p, leaf * width + t
    return axes, distance, index, place


@njit(cache=True, nogil=True)
def _level(count):  # type: ignore[no-untyped-def]
    """Return boxes (R, 6, FAN), bits of the largest distance and who has it, both (R, FAN), for `count` nodes."""
    rows = (count + FAN - 1) // FAN
    boxes = np.zeros((rows, 6, FAN), np.float32)
    return boxes, np.full((rows, FAN), NEVER, np.int32), np.full((rows, FAN), UNKNOWN, np.int32)


@njit(cache=True, nogil=True)
def _level_over(below):  # type: ignore[no-untyped-def]
    """Return the level whose nodes are the rows of the level below."""
    boxes, far = below[0], below[1]
    over = _level(boxes.shape[0])
    for row in range(boxes.shape[0]):
        used = np.count_nonzero(far[row] != NEVER)
        for c in range(3):
            over[0][row // FAN, c, row % FAN] = boxes[row, c, :used].min()
            over[0][row // FAN, c + 3, row % FAN] = boxes[row, c + 3, :used].max()
        over[1][row // FAN, row % FAN] = INFINITE
    return over


@njit(cache=True, nogil=True)
def _lanes():  # type: ignore[no-untyped-def]
    """Return room for the distances of a row, and the same as bits."""
    near = np.empty(FAN, np.float32)
    return near, near.view(np.int32)


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _box_distances(boxes, at, near):  # type: ignore[no-untyped-def]
    """Write the squared distances of a point to a row of boxes."""
    x, y, z = at
    for lane in range(FAN):
        dx = max(max(boxes[0, lane] - x, x - boxes[3, lane]), ZERO)
        dy = max(max(boxes[1, lane] - y, y - boxes[4, lane]), ZERO)
        dz = max(max(boxes[2, lane] - z, z - boxes[5, lane]), ZERO)
        near[lane] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _visit_block(block, home, at, groups, leaves, axes, distance, bits, lanes):  # type: ignore[no-untyped-def]
    """Lower the distances under one block, group by group, leaf by leaf."""
    near, near_bits = lanes[1]
    inner, inner_bits = lanes[2]
    _box_distances(groups[0][block], at, near)
    for lane in range(FAN):
        group = block * FAN + lane
        if near_bits[lane] < groups[1][block, lane] or group == home // FAN:
            _box_distances(leaves[0][group], at, inner)
            for u in range(FAN):
                leaf = group * FAN + u
                if inner_bits[u] < leaves[1][group, u] or leaf == home:
                    _lower(axes[leaf], distance[leaf], at)
                    leaves[1][group, u], leaves[2][group, u] = _largest(bits[leaf]), UNKNOWN
            groups[1][block, lane], groups[2][block, lane] = _largest(leaves[1][group]), UNKNOWN


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _lower(axes, distance, at):  # type: ignore[no-untyped-def]
    """Lower the distances of one leaf."""
    x, y, z = at
    for t in range(distance.shape[0]):
        dx, dy, dz = axes[0, t] - x, axes[1, t] - y, axes[2, t] - z
        distance[t] = min(dx * dx + dy * dy + dz * dz, distance[t])


@njit(cache=True, nogil=True)
def _largest(bits):  # type: ignore[no-untyped-def]
    """Return the maximum; array.max() is not vectorised."""
    best = bits[0]
    for t in range(bits.shape[0]):
        best = max(best, bits[t])
    return best


@njit(cache=True, nogil=True)
def _farthest(blocks, groups, leaves, bits, index):  # type: ignore[no-untyped-def]
    """Return the lowest index that has the largest distance; `who` is filled in where it was not known."""
    best, p = NEVER, LAST
    for t in range(blocks[1].shape[0]):
        best = max(best, _largest(blocks[1][t]))
    for t in range(blocks[1].shape[0]):
        for lane in range(FAN):
            if blocks[1][t, lane] == best:
                if blocks[2][t, lane] == UNKNOWN:
                    blocks[2][t, lane] = _farthest_of_block(t * FAN + lane, best, groups, leaves, bits, index)
                p = min(p, blocks[2][t, lane])
    return p


@njit(cache=True, nogil=True)
def _farthest_of_block(block, best, groups, leaves, bits, index):  # type: ignore[no-untyped-def]
    p = LAST
    for lane in range(FAN):
        if groups[1][block, lane] == best:
            if groups[2][block, lane] == UNKNOWN:
                group, q = block * FAN + lane, LAST
                for u in range(FAN):
                    if leaves[1][group, u] == best:
                        if leaves[2][group, u] == UNKNOWN:
                            leaves[2][group, u] = _lowest(bits[group * FAN + u], index[group * FAN + u], best)
                        q = min(q, leaves[2][group, u])
                groups[2][block, lane] = q
            p = min(p, groups[2][block, lane])
    return p


@njit(cache=True, nogil=True)
def _lowest(bits, index, best):  # type: ignore[no-untyped-def]
    """Return the lowest index in a leaf whose distance is `best`."""
    p = LAST
    for t in range(index.shape[0]):
        p = min(p, index[t] if bits[t] == best else LAST)
    return p
