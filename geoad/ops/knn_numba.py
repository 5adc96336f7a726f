"""Exact k nearest neighbours on the CPU: leaves of a k-d tree ask together.

The queries of one leaf share a walk down the tree, which collects the points within some reach of their box. The reach
is a guess from the leaf before, made smaller while it gives too many points. Each query looks for a threshold that
leaves few more than k candidates; if that is beyond the reach, the query stays for another walk with a wider one. Where
too many points are within any reach that is enough, as in leaves with dense and sparse parts or far from all points,
the queries walk alone. So guesses cost time, never exactness. In the end all queries of the leaf sort what they kept
together. Only a box strictly beyond the k-th distance is skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import _alone_numba, _threads, kd_tree_numba
from geoad.ops._lanes_numba import LANES, WORD
from geoad.ops._leaves_numba import (
    LEAF,
    box_gap,
    box_of,
    box_span,
    collect,
    count_within,
    distances,
    hull_of,
    keep,
    pad,
    sort_lanes,
)

SEED, SURE, WIDER = np.float32(1.1), np.float32(0.3), np.float32(4)  # of squares: the next reach, a smaller, a wider
MOST = 16  # times k candidates are too many to share
TRIES = 8  # of a smaller reach
PAUSE = 15  # leaves that do not try to share, at most, after one that could not
NONE = np.float32(-1)
INF = np.float32(np.inf)
Tree = tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32]]
HALF, LARGE, SMALL = np.float32(0.5), np.float32(1e38), np.float32(1e-38)


def search(
    points: NDArray[np.float32], queries: NDArray[np.float32] | None, k: int, include_self: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (Q, k) of finite points (N, 3), N > 0, for finite queries (None: the points)."""
    tree = kd_tree_numba.build(points, LEAF)
    groups = tree if queries is None else kd_tree_numba.build(queries, LEAF)
    return search_trees(tree, groups, k, include_self)


def search_trees(tree: Tree, groups: Tree, k: int, include_self: bool) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (Q, k) from the tree of the points and that of the queries."""
    count = len(groups[0])
    index, sq_dist = np.empty((count, k), np.int64), np.empty((count, k), np.float32)
    bits: NDArray[Any] = sq_dist.view(np.int32)
    leaves = 1 << kd_tree_numba.depth_for(count, LEAF)

    def run(start: int, stop: int) -> None:
        search_leaves(tree, groups, start, stop, k, include_self, index, bits)

    _threads.split(leaves, run, smallest=128)
    return index, sq_dist


@njit(cache=True, nogil=True)
def search_leaves(tree, groups, start, stop, k, include_self, index, bits):  # type: ignore[no-untyped-def]
    """Answer the queries of leaves start … stop - 1 of the query tree `groups`."""
    asker, place, hulls = groups
    count, leaves = tree[0].shape[0], hulls.shape[0] // 2
    wanted = k if include_self else k + 1
    lanes = (asker.shape[0] + 8 * leaves - 1) // (8 * leaves) * 8  # as many as a leaf holds, without a rest in loops
    most = min(MOST * wanted + 256, count)
    size = most + max(wanted, LEAF)
    distance, gap = np.empty(size + WORD, np.float32), np.empty(LANES, np.float32)
    work = (np.empty((3, size), np.float32), np.empty(size, np.int32), distance, gap, np.empty(128, np.int64))
    keys, room = np.empty((2 * wanted + lanes) * lanes, np.int64), _alone_numba.room(wanted)
    held, todo = np.zeros(lanes, np.int64), np.empty(lanes, np.int64)
    seed, guess, rest, pause = INF, INF, 0, 0
    for leaf in range(start, stop):
        first, last = leaf * asker.shape[0] // leaves, (leaf + 1) * asker.shape[0] // leaves
        held[:] = 0
        for lane in range(last - first):
            todo[lane] = lane
        left = last - first
        reach, found, rest = INF, most + 1, rest - 1
        if rest < 0:
            reach, found = _first_reach(seed, box_of(hulls, leaves + leaf), tree, wanted, most, work)
        seed = np.float32(0)
        while left > 0 and found <= most:
            stay, widest = 0, NONE
            for i in range(left):
                lane = todo[i]
                t = first + lane
                distances(work[0], found, place[0, t], place[1, t], place[2, t], distance)
                guess, size = _threshold(distance, found, wanted, min(guess, reach), reach)
                if guess <= reach:
                    if (size + 1) * lanes > keys.shape[0]:
                        keys = _grown(keys, (size + 1) * lanes)
                    keep(distance, work[1], found, guess, keys, lane, lanes)
                    held[lane] = size
                    seed = max(seed, SEED * guess)
                    continue
                widest = max(widest, guess)
                todo[stay] = lane
                stay += 1
            left = stay
            if left > 0:
                reach = min(max(WIDER * reach, SMALL), widest)
                found = collect(hull_of(place, first, todo, left), reach, tree, wanted, most, work)
        if rest < 0:
            pause = min(2 * pause + 1, PAUSE) if left == last - first else 0
            rest = pause
        for i in range(left):
            lane = todo[i]
            t = first + lane
            held[lane] = _alone_numba.nearest(tree, place[0, t], place[1, t], place[2, t], wanted, room)
            for slot in range(held[lane]):
                keys[slot * lanes + lane] = room[0][slot]
        longest = pad(keys, held)
        sort_lanes(keys, longest, lanes)
        for lane in range(last - first):
            _write(keys, held[lane], lane, lanes, asker[first + lane], k, include_self, index, bits)


@njit(cache=True, nogil=True)
def _first_reach(seed, hull, tree, wanted, most, work):  # type: ignore[no-untyped-def]
    """Collect within a guess of the reach, from the leaf before or a node nearby, or less if it gives too many points.

    Returns the reach and the number of candidates, more than `most` where a little less gives too few.
    """
    count, boxes = tree[0].shape[0], tree[2]
    leaves, node, size = boxes.shape[0] // 2, 1, count
    while node < leaves and size // 2 >= wanted:
        node = 2 * node + (1 if box_gap(boxes, 2 * node + 1, hull) < box_gap(boxes, 2 * node, hull) else 0)
        size //= 2
    reach = max(SURE * box_span(boxes, node, hull), SMALL) if count > wanted else INF
    if 0 < seed < reach:
        reach = seed
    found = collect(hull, reach, tree, wanted, most, work)
    for _ in range(TRIES):
        if found <= most:
            break
        reach = SURE * min(reach, LARGE)
        found = collect(hull, reach, tree, wanted, most, work)
        if found < wanted:
            found = most + 1
            break
    return reach, found


@njit(cache=True, nogil=True)
def _grown(keys, size):  # type: ignore[no-untyped-def]
    """Return a larger copy of `keys`."""
    larger = np.empty(2 * size, np.int64)
    larger[: keys.shape[0]] = keys
    return larger


@njit(cache=True, nogil=True)
def _threshold(distance, found, wanted, limit, reach):  # type: ignore[no-untyped-def]
    """Return a limit that leaves at least `wanted` candidates, few more where ties allow, and how many it leaves.

    The search starts from `limit`; at most `reach` is returned if that leaves enough.
    """
    if found < wanted:
        return INF, found
    aim, most = wanted + wanted // 16 + 1, wanted + wanted // 8 + 3
    low, below, high, above = np.float32(-1), 0, INF, found
    for _ in range(5):  # guesses: on a surface the count grows with the squared distance
        left = count_within(distance, found, limit)
        if left < wanted:
            low, below = limit, left
        else:
            high, above = limit, left
            if left <= most:
                return high, above
        if high == INF or below == 0:
            limit = limit * np.float32(aim / max(left, 1))
        else:
            limit = low + (high - low) * np.float32((aim - below) / (above - below))
        if low < reach < high:
            limit = min(limit, reach)
        if not low < limit < high:
            break
    return _bisect(distance, found, wanted, most, low, high, above)


@njit(cache=True, nogil=True)
def _bisect(distance, found, wanted, most, low, high, above):  # type: ignore[no-untyped-def]
    """Narrow (low, high] from both sides until `high` leaves at most `most`, or is a tied distance, which cannot."""
    while True:
        tie = _largest(distance, found, high, True)
        under = _largest(distance, found, tie, False)
        left = count_within(distance, found, under)
        if left < wanted:
            return tie, above
        high, above = under, left
        if left <= most:
            return high, above
        limit = low + (high - low) * HALF
        left = count_within(distance, found, limit)
        if left < wanted:
            low = limit
        else:
            high, above = limit, left


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _largest(distance, found, limit, included):  # type: ignore[no-untyped-def]
    """Return the largest distance below `limit`, or at most `limit`; -1 if there is none."""
    best = np.float32(-1)
    if included:
        for j in range(found):
            best = max(best, distance[j] if distance[j] <= limit else np.float32(-1))
    else:
        for j in range(found):
            best = max(best, distance[j] if distance[j] < limit else np.float32(-1))
    return best


@njit(cache=True, nogil=True)
def _write(keys, held, lane, lanes, row, k, include_self, index, bits):  # type: ignore[no-untyped-def]
    """Write one query's neighbours; what is missing is (-1, +inf)."""
    filled = 0
    for slot in range(held):
        key = keys[slot * lanes + lane]
        if filled == k:
            break
        if include_self or (key & 0xFFFFFFFF) != row:
            index[row, filled], bits[row, filled] = key & 0xFFFFFFFF, key >> 32
            filled += 1
    for slot in range(filled, k):
        index[row, slot], bits[row, slot] = -1, 0x7F800000
