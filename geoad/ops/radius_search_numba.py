"""All neighbours within a radius on the CPU: count every row, then fill it, a leaf of queries at a time.

The count takes nodes whose farthest point is within the radius as a whole, so that a result too large to hold is known
without being looked at. Rows with many more neighbours than are wanted ask for their nearest instead.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import _threads, kd_tree_numba, knn_numba
from geoad.ops._lanes_numba import LANES, WORD
from geoad.ops._leaves_numba import (
    LEAF,
    append,
    box_gap,
    box_of,
    box_span,
    coincides,
    collect,
    count_within,
    distances,
    hull_of,
    keep,
    pad,
    sort_lanes,
)

ROOM = 2048  # candidates that are counted at a time
TOGETHER = 1 << 20  # keys up to which a leaf's queries are sorted together, not one by one
CROWD, SPARE = 2, 16  # rows with more than CROWD · max_neighbours + SPARE neighbours ask for the nearest
Tree = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]


def search(
    points: NDArray[np.float32],
    queries: NDArray[np.float32] | None,
    limit: np.float32,
    include_self: bool,
    most: int | None,
    admit: Callable[[int], None],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return index, sq_dist (E,) and counts (Q,) of finite points (N, 3), N > 0; `admit` may refuse E by raising."""
    tree = kd_tree_numba.build(points, LEAF)
    groups = tree if queries is None else kd_tree_numba.build(queries, LEAF)
    counts = _count(tree, groups, limit)
    if not include_self:
        counts -= 1
    crowded = counts > (np.iinfo(np.int64).max if most is None else CROWD * most + SPARE)
    if most is not None:
        np.minimum(counts, most, out=counts)
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    admit(int(offsets[-1]))
    index, sq_dist = np.empty(offsets[-1], np.int64), np.empty(offsets[-1], np.float32)
    if not crowded.all():
        _fill(tree, groups, limit, include_self, most, crowded, offsets, index, sq_dist)
    if most is not None and crowded.any():
        rows = np.flatnonzero(crowded)
        askers = kd_tree_numba.build((points if queries is None else queries)[rows], LEAF)
        near, distance = knn_numba.search_trees(tree, askers, most if include_self else most + 1, True)
        copy_rows(near, distance, rows, include_self, offsets, index, sq_dist)
    return index, sq_dist, counts


def _count(tree: Tree, groups: Tree, limit: np.float32) -> NDArray[np.int64]:
    """Return how many points are within the limit of each query."""
    counts: NDArray[Any] = np.empty(len(groups[0]), np.int64)

    def run(start: int, stop: int) -> None:
        count_leaves(tree, groups, start, stop, limit, counts)

    _threads.split(len(groups[2]) // 2, run, smallest=128)
    return counts


def _fill(
    tree: Tree,
    groups: Tree,
    limit: np.float32,
    include_self: bool,
    most: int | None,
    crowded: NDArray[np.bool_],
    offsets: NDArray[np.int64],
    index: NDArray[np.int64],
    sq_dist: NDArray[np.float32],
) -> None:
    """Write the rows that are not crowded."""
    wanted = len(tree[0]) if most is None else most + 1
    bits: NDArray[Any] = sq_dist.view(np.int32)

    def run(start: int, stop: int) -> None:
        fill_leaves(tree, groups, start, stop, limit, include_self, wanted, crowded, offsets, index, bits)

    _threads.split(len(groups[2]) // 2, run, smallest=128)


@njit(cache=True, nogil=True)
def count_leaves(tree, groups, start, stop, limit, counts):  # type: ignore[no-untyped-def]
    """Count for the queries of leaves start … stop - 1 of the query tree `groups`, themselves included."""
    asker, _, hulls = groups
    leaves = hulls.shape[0] // 2
    distance, gap, stack = np.empty(ROOM, np.float32), np.empty(LANES, np.float32), np.empty(128, np.int64)
    work = (np.empty((3, ROOM), np.float32), np.empty(ROOM, np.int32), distance, gap, stack)
    for leaf in range(start, stop):
        first, last = leaf * asker.shape[0] // leaves, (leaf + 1) * asker.shape[0] // leaves
        for t in range(first, last):
            counts[asker[t]] = 0
        whole = _count_leaf(tree, groups, first, last, box_of(hulls, leaves + leaf), limit, work, counts)
        for t in range(first, last):
            counts[asker[t]] += whole


@njit(cache=True, nogil=True)
def _count_leaf(tree, groups, first, last, hull, limit, work, counts):  # type: ignore[no-untyped-def]
    """Add to the counts of queries first … last - 1; return how many points are within the limit of all of them."""
    boxes, stack = tree[2], work[4]
    count, leaves = tree[0].shape[0], boxes.shape[0] // 2
    stack[0], top, whole, found = 1, 1, 0, 0
    while top > 0:
        top -= 1
        node = low = stack[top]
        within = box_span(boxes, node, hull) <= limit
        same = coincides(boxes, node)
        if node < leaves and not (within or same):
            stack[top] = 2 * node + 1
            top += box_gap(boxes, 2 * node + 1, hull) <= limit
            stack[top] = 2 * node
            top += box_gap(boxes, 2 * node, hull) <= limit
            continue
        high = node + 1
        while low < leaves:
            low, high = 2 * low, 2 * high
        begin, end = (low - leaves) * count // leaves, (high - leaves) * count // leaves
        if within:
            whole += end - begin
        elif same:
            _add_place(groups, first, last, boxes[node], limit, end - begin, counts)
        else:
            found = append(hull, limit, tree, begin, end, work, found)
            if found > ROOM - LEAF:
                _add(groups, first, last, work, found, limit, counts)
                found = 0
    _add(groups, first, last, work, found, limit, counts)
    return whole


@njit(cache=True, nogil=True)
def _add(groups, first, last, work, found, limit, counts):  # type: ignore[no-untyped-def]
    """Add to the counts of queries first … last - 1 the candidates within the limit."""
    asker, place, _ = groups
    for t in range(first, last):
        distances(work[0], found, place[0, t], place[1, t], place[2, t], work[2])
        counts[asker[t]] += count_within(work[2], found, limit)


@njit(cache=True, nogil=True)
def _add_place(groups, first, last, box, limit, size, counts):  # type: ignore[no-untyped-def]
    """Add to the counts of queries first … last - 1 the `size` points of a box that is one place."""
    asker, place, _ = groups
    for t in range(first, last):
        dx, dy, dz = box[0] - place[0, t], box[1] - place[1, t], box[2] - place[2, t]
        counts[asker[t]] += size if dx * dx + dy * dy + dz * dz <= limit else 0


@njit(cache=True, nogil=True)
def fill_leaves(tree, groups, start, stop, limit, include_self, wanted, crowded, offsets, index, bits):  # type: ignore[no-untyped-def]
    """Write the rows that are not crowded of leaves start … stop - 1 of the query tree `groups`."""
    asker, place, hulls = groups
    count, leaves = tree[0].shape[0], hulls.shape[0] // 2
    distance, gap, stack = np.empty(count + WORD, np.float32), np.empty(LANES, np.float32), np.empty(128, np.int64)
    work = (np.empty((3, count), np.float32), np.empty(count, np.int32), distance, gap, stack)
    lanes = (asker.shape[0] + 8 * leaves - 1) // (8 * leaves) * 8  # as many as a leaf holds, without a rest in loops
    keys = np.empty(TOGETHER, np.int64)
    held, rows, todo = np.zeros(lanes, np.int64), np.empty(lanes, np.int64), np.empty(lanes, np.int64)
    for leaf in range(start, stop):
        first, last = leaf * asker.shape[0] // leaves, (leaf + 1) * asker.shape[0] // leaves
        left, held[:] = 0, 0
        for t in range(first, last):
            todo[left], rows[left] = t - first, asker[t]
            left += not crowded[asker[t]]
        if left == 0:
            continue
        found = collect(hull_of(place, first, todo, left), limit, tree, wanted, count, work)
        together = found * lanes <= TOGETHER
        if not together and keys.shape[0] < found:
            keys = np.empty(count, np.int64)
        for i in range(left):
            t = first + todo[i]
            distances(work[0], found, place[0, t], place[1, t], place[2, t], distance)
            if together:
                held[i] = keep(distance, work[1], found, limit, keys, i, lanes)
            else:
                size = keep(distance, work[1], found, limit, keys, 0, 1)
                keys[:size].sort()
                _write(keys, size, 0, 1, rows[i], include_self, offsets, index, bits)
        if together:
            sort_lanes(keys, pad(keys, held), lanes)
            for i in range(left):
                _write(keys, held[i], i, lanes, rows[i], include_self, offsets, index, bits)


@njit(cache=True, nogil=True)
def _write(keys, held, lane, lanes, row, include_self, offsets, index, bits):  # type: ignore[no-untyped-def]
    """Write one query's neighbours, as many as its row takes."""
    place, stop = offsets[row], offsets[row + 1]
    for slot in range(held):
        key = keys[slot * lanes + lane]
        if place == stop:
            break
        if include_self or (key & 0xFFFFFFFF) != row:
            index[place], bits[place] = key & 0xFFFFFFFF, key >> 32
            place += 1


@njit(cache=True, nogil=True)
def copy_rows(near, distance, rows, include_self, offsets, index, sq_dist):  # type: ignore[no-untyped-def]
    """Write full rows from their nearest neighbours, without themselves if so asked."""
    for i in range(rows.shape[0]):
        place, stop, slot = offsets[rows[i]], offsets[rows[i] + 1], 0
        while place < stop:
            if include_self or near[i, slot] != rows[i]:
                index[place], sq_dist[place] = near[i, slot], distance[i, slot]
                place += 1
            slot += 1
