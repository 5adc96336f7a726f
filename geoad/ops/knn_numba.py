"""Exact k nearest neighbours on the CPU: leaves of a k-d tree ask together.

The up to 16 queries of one leaf share one walk down the tree, which collects the points within a radius of their box.
The radius is a guess from the leaf before; a leaf whose guess was short walks once more with the radius that it has
found, so guesses cost time, never exactness. Each query then looks for a threshold that leaves few more than k
candidates, and all queries of the leaf sort what is left in one sorting network, a query a lane. Keys are the bits of
the squared distance above the index: whole numbers whose order is the total order (sq_dist, index).

Boxes are pruned by a distance in the arithmetic of the point distances. Rounding is monotone, so a box is never
farther than what it holds, and only a box strictly beyond the k-th distance is skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import _threads, kd_tree_numba

LEAF = LANES = 16
NEVER = np.int64(2**63 - 1)
INF = np.float32(np.inf)


def search(
    points: NDArray[np.float32], queries: NDArray[np.float32] | None, k: int, include_self: bool
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (Q, k) of finite points (N, 3), N > 0, for finite queries (None: the points)."""
    tree = kd_tree_numba.build(points, LEAF)
    groups = tree if queries is None else kd_tree_numba.build(queries, LEAF)
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
    order, axes, boxes = tree
    asker, place, hulls = groups
    wanted = k if include_self else k + 1
    leaves = hulls.shape[0] // 2
    near = np.empty((3, order.shape[0] + 1), np.float32)
    who = np.empty(order.shape[0] + 1, np.int32)
    distance = np.empty(order.shape[0] + 1, np.float32)
    keys = np.empty((2 * wanted + 16) * LANES, np.int64)
    held = np.zeros(LANES, np.int64)
    stack = np.empty(128, np.int64)
    seed = INF
    guess = np.float32(0)
    for leaf in range(start, stop):
        first, last = leaf * asker.shape[0] // leaves, (leaf + 1) * asker.shape[0] // leaves
        hull = hulls[leaves + leaf]
        bound = _sure_reach(hull, boxes, order.shape[0], wanted)
        reach, found = min(seed, bound), 0
        found = _collect(hull, np.float32(-1), reach, order, axes, boxes, wanted, near, who, stack, found)
        held[:] = -1
        while True:
            seed = np.float32(0)
            for lane in range(last - first):
                if held[lane] >= 0:
                    continue
                _distances(
                    near, found, place[0, first + lane], place[1, first + lane], place[2, first + lane], distance
                )
                guess, left = _threshold(distance, found, wanted, guess)
                seed = max(seed, guess)
                if guess <= reach or reach >= bound:
                    if (left + 1) * LANES > keys.shape[0]:
                        keys = _grown(keys, (left + 1) * LANES)
                    _keep(distance, who, found, guess, keys, lane)
                    held[lane] = left
            if seed <= reach or reach >= bound:
                break
            wider = min(seed, bound) if found >= wanted else bound
            found = _collect(hull, reach, wider, order, axes, boxes, wanted, near, who, stack, found)
            reach = wider
        longest = _pad(keys, held)
        _sort(keys, longest)
        for lane in range(last - first):
            _write(keys, held[lane], lane, asker[first + lane], k, include_self, index, bits)
    return 0


@njit(cache=True, nogil=True)
def _grown(keys, size):  # type: ignore[no-untyped-def]
    """Return a larger copy of `keys`."""
    larger = np.empty(2 * size, np.int64)
    larger[: keys.shape[0]] = keys
    return larger


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _gap(a, b):  # type: ignore[no-untyped-def]
    """Return the squared distance between two boxes."""
    zero = np.float32(0)
    dx = max(max(b[0] - a[3], a[0] - b[3]), zero)
    dy = max(max(b[1] - a[4], a[1] - b[4]), zero)
    dz = max(max(b[2] - a[5], a[2] - b[5]), zero)
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _span(a, b):  # type: ignore[no-untyped-def]
    """Return the largest squared distance between points of two boxes."""
    dx = max(b[3] - a[0], a[3] - b[0])
    dy = max(b[4] - a[1], a[4] - b[1])
    dz = max(b[5] - a[2], a[5] - b[2])
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _sure_reach(hull, boxes, count, wanted):  # type: ignore[no-untyped-def]
    """Return a radius that holds `wanted` points for each query in `hull`: to the far side of a node that has them."""
    if count < wanted:
        return INF
    leaves, node, size = boxes.shape[0] // 2, 1, count
    while node < leaves and size // 2 >= wanted:
        left, right = _gap(hull, boxes[2 * node]), _gap(hull, boxes[2 * node + 1])
        node = 2 * node + (1 if right < left else 0)
        size //= 2
    return _span(hull, boxes[node])


@njit(cache=True, nogil=True)
def _collect(hull, beyond, reach, order, axes, boxes, wanted, near, who, stack, found):  # type: ignore[no-untyped-def]
    """Append the points whose squared distance to `hull` is in (beyond, reach]; return how many there are now."""
    leaves, count = boxes.shape[0] // 2, order.shape[0]
    stack[0], top = 1, 1
    while top > 0:
        top -= 1
        node = stack[top]
        box = boxes[node]
        same = box[0] == box[3] and box[1] == box[4] and box[2] == box[5]
        if node < leaves and not same:
            for child in (2 * node + 1, 2 * node):
                stack[top] = child
                top += _gap(hull, boxes[child]) <= reach
            continue
        low, high = node, node + 1
        while low < leaves:
            low, high = 2 * low, 2 * high
        first, last = (low - leaves) * count // leaves, (high - leaves) * count // leaves
        if same:  # of coinciding points only the lowest indices can be neighbours, and indices ascend here
            last = min(last, first + wanted)
        found = _append(hull, beyond, reach, order, axes, first, last, near, who, found)
    return found


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _append(hull, beyond, reach, order, axes, first, last, near, who, found):  # type: ignore[no-untyped-def]
    """Append those of points first … last - 1 whose squared distance to `hull` is in (beyond, reach]."""
    zero = np.float32(0)
    for t in range(first, last):
        x, y, z = axes[0, t], axes[1, t], axes[2, t]
        dx = max(max(hull[0] - x, x - hull[3]), zero)
        dy = max(max(hull[1] - y, y - hull[4]), zero)
        dz = max(max(hull[2] - z, z - hull[5]), zero)
        d = dx * dx + dy * dy + dz * dz
        near[0, found], near[1, found], near[2, found], who[found] = x, y, z, order[t]
        found += (d > beyond) & (d <= reach)
    return found


@njit(cache=True, nogil=True)
def _distances(near, found, x, y, z, distance):  # type: ignore[no-untyped-def]
    """Write the squared distances of the candidates to one query."""
    for j in range(found):
        dx, dy, dz = near[0, j] - x, near[1, j] - y, near[2, j] - z
        distance[j] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _count(distance, found, limit):  # type: ignore[no-untyped-def]
    """Return how many of the first `found` distances are at most `limit`."""
    total = np.int32(0)
    for j in range(found):
        total += np.int32(distance[j] <= limit)
    return np.int64(total)


@njit(cache=True, nogil=True)
def _threshold(distance, found, wanted, guess):  # type: ignore[no-untyped-def]
    """Return a limit that leaves at least `wanted` candidates, few more where ties allow, and how many it leaves."""
    if found <= wanted:
        return INF, found
    aim, most = wanted + wanted // 16 + 1, wanted + wanted // 8 + 3
    low, below, high, above = np.float32(0), 0, INF, found
    limit = guess
    for _ in range(6):
        left = _count(distance, found, limit)
        if left < wanted:
            low, below = limit, left
        else:
            high, above = limit, left
            if left <= most:
                return high, above
        if high == INF:
            limit = limit * np.float32(aim / max(left, 1))
        else:
            limit = low + (high - low) * np.float32((aim - below) / (above - below))
        if not low < limit < high:
            break
    return _bisect(distance, found, wanted)


@njit(cache=True, nogil=True)
def _bisect(distance, found, wanted):  # type: ignore[no-untyped-def]
    """Return the `wanted`-th smallest distance, and how many candidates it leaves."""
    scratch = np.empty(1, np.float32)
    bits = scratch.view(np.int32)
    low, high = np.int64(-1), np.int64(0x7F800000)  # as whole numbers, distances keep their order
    while high - low > 1:
        middle = (low + high) >> 1
        bits[0] = middle
        if _count(distance, found, scratch[0]) < wanted:
            low = middle
        else:
            high = middle
    bits[0] = high
    return scratch[0], _count(distance, found, scratch[0])


@njit(cache=True, nogil=True)
def _keep(distance, who, found, limit, keys, lane):  # type: ignore[no-untyped-def]
    """Write the keys of the candidates within `limit` into one lane."""
    bits = distance.view(np.int32)
    place = lane
    for j in range(found):
        keys[place] = np.int64(bits[j]) << 32 | np.int64(who[j])
        place += LANES * (distance[j] <= limit)


@njit(cache=True, nogil=True)
def _pad(keys, held):  # type: ignore[no-untyped-def]
    """Fill every lane to the length of the longest, which is returned."""
    longest = max(held.max(), 0)
    for lane in range(LANES):
        for slot in range(max(held[lane], 0), longest):
            keys[slot * LANES + lane] = NEVER
    return longest


@njit(cache=True, nogil=True)
def _sort(keys, length):  # type: ignore[no-untyped-def]
    """Sort all lanes at once: Batcher's merge exchange (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    top = 1
    while top < length:
        top *= 2
    p = top = top // 2
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for i in range(r, length - d, 2 * p):
                _exchange(keys, i * LANES, d * LANES, (min(i + p, length - d) - i) * LANES)
            if q == p:
                break
            d, q, r = q - p, q // 2, p
        p //= 2


@njit(cache=True, nogil=True)
def _exchange(keys, first, step, count):  # type: ignore[no-untyped-def]
    """Put the smaller of each pair first."""
    low, high = keys[first : first + count], keys[first + step : first + step + count]
    for t in range(count):
        a, b = low[t], high[t]
        low[t] = min(a, b)
        high[t] = max(a, b)


@njit(cache=True, nogil=True)
def _write(keys, held, lane, row, k, include_self, index, bits):  # type: ignore[no-untyped-def]
    """Write one query's neighbours; what is missing is (-1, +inf)."""
    filled = 0
    for slot in range(held):
        key = keys[slot * LANES + lane]
        if filled == k:
            break
        if include_self or (key & 0xFFFFFFFF) != row:
            index[row, filled], bits[row, filled] = key & 0xFFFFFFFF, key >> 32
            filled += 1
    for slot in range(filled, k):
        index[row, slot], bits[row, slot] = -1, 0x7F800000
