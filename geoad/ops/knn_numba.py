"""Exact k nearest neighbours on the CPU: leaves of a k-d tree ask together.

The queries of one leaf share a walk down the tree, which collects the points within some reach of their box. The reach
is a guess from the leaf before, made smaller while it gives too many points. Each query looks for a threshold that
leaves few more than k candidates; if that is beyond the reach, the query stays for another walk with a wider one, and
where queries in dense and in sparse parts share a leaf, they walk alone. So guesses cost time, never exactness. In the
end all queries of the leaf sort what they kept in one sorting network, a query a lane. Keys are the bits of the
squared distance above the index: whole numbers whose order is the total order (sq_dist, index).

Boxes are pruned by a distance in the arithmetic of the point distances. Rounding is monotone, so a box is never
farther than what it holds, and only a box strictly beyond the k-th distance is skipped.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops import _threads, kd_tree_numba
from geoad.ops._lanes_numba import LANES, WORD, at_most_16, at_most_64, lowest

LEAF = 24  # points a leaf at most, so half as many at least
ONE = np.uint64(1)
SEED, SURE, WIDER = np.float32(1.1), np.float32(0.3), np.float32(4)  # of squares: the next reach, a smaller, a wider
MOST = 16  # times k candidates are too many to share
NONE = np.float32(-1)
NEVER = np.int64(2**63 - 1)
INF = np.float32(np.inf)
HALF, LARGE, SMALL = np.float32(0.5), np.float32(1e38), np.float32(1e-38)


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
    asker, place, hulls = groups
    count, leaves = tree[0].shape[0], hulls.shape[0] // 2
    wanted = k if include_self else k + 1
    distance, gap = np.empty(count + WORD, np.float32), np.empty(LANES, np.float32)
    lanes = (asker.shape[0] + 8 * leaves - 1) // (8 * leaves) * 8  # as many as a leaf holds, without a rest in loops
    work = (np.empty((3, count), np.float32), np.empty(count, np.int32), distance, gap, np.empty(128, np.int64))
    keys = np.empty((2 * wanted + lanes) * lanes, np.int64)
    held, todo = np.zeros(lanes, np.int64), np.empty(lanes, np.int64)
    most, seed, guess = min(MOST * wanted + 256, count), INF, INF
    for leaf in range(start, stop):
        first, last = leaf * asker.shape[0] // leaves, (leaf + 1) * asker.shape[0] // leaves
        held[:] = 0
        for lane in range(last - first):
            todo[lane] = lane
        left = together = last - first
        reach, found = _first_reach(seed, _box(hulls, leaves + leaf), tree, wanted, most, work)
        base, seed = reach, np.float32(0)
        while left > 0:
            taken = min(left, together)
            if found < 0:
                hull = _hull(place, first, todo, taken)
                found = _collect(hull, reach, tree, wanted, most if taken > 1 else count, work)
            if found > most and taken > 1:
                together, found = 1, -1
                continue
            stay, widest = 0, NONE
            for i in range(left):
                lane = todo[i]
                if i < taken:
                    t = first + lane
                    _distances(work[0], found, place[0, t], place[1, t], place[2, t], distance)
                    guess, size = _threshold(distance, found, wanted, min(guess, reach), reach)
                    if guess <= reach:
                        if (size + 1) * lanes > keys.shape[0]:
                            keys = _grown(keys, (size + 1) * lanes)
                        _keep(distance, work[1], found, guess, keys, lane, lanes)
                        held[lane] = size
                        seed = max(seed, SEED * guess) if seed == 0 or together > 1 else seed
                        continue
                    widest = max(widest, guess)
                todo[stay] = lane
                stay += 1
            left, found = stay, -1
            reach = base if widest == NONE else min(max(WIDER * reach, SMALL), widest)
            base = reach if together > 1 else base
        longest = _pad(keys, held)
        _sort(keys, longest, lanes)
        for lane in range(last - first):
            _write(keys, held[lane], lane, lanes, asker[first + lane], k, include_self, index, bits)


@njit(cache=True, nogil=True)
def _first_reach(seed, hull, tree, wanted, most, work):  # type: ignore[no-untyped-def]
    """Collect within a guess of the reach, from the leaf before or a node nearby, or less if it gives too many points.

    Returns the reach and the number of candidates; -1 if there are too many however near.
    """
    count, boxes = tree[0].shape[0], tree[2]
    leaves, node, size = boxes.shape[0] // 2, 1, count
    while node < leaves and size // 2 >= wanted:
        node = 2 * node + (1 if _gap(boxes, 2 * node + 1, hull) < _gap(boxes, 2 * node, hull) else 0)
        size //= 2
    reach = max(SURE * _span(boxes, node, hull), SMALL) if count > wanted else INF
    if 0 < seed < reach:
        reach = seed
    found = _collect(hull, reach, tree, wanted, most, work)
    while found > most and reach > SMALL:
        reach = SURE * min(reach, LARGE)
        found = _collect(hull, reach, tree, wanted, most, work)
    return reach, found if found <= most else -1


@njit(cache=True, nogil=True)
def _hull(place, first, todo, taken):  # type: ignore[no-untyped-def]
    """Return the bounding box of some queries."""
    t = first + todo[0]
    x0 = x1 = place[0, t]
    y0 = y1 = place[1, t]
    z0 = z1 = place[2, t]
    for i in range(1, taken):
        t = first + todo[i]
        x, y, z = place[0, t], place[1, t], place[2, t]
        x0, y0, z0, x1, y1, z1 = min(x0, x), min(y0, y), min(z0, z), max(x1, x), max(y1, y), max(z1, z)
    return x0, y0, z0, x1, y1, z1


@njit(cache=True, nogil=True)
def _grown(keys, size):  # type: ignore[no-untyped-def]
    """Return a larger copy of `keys`."""
    larger = np.empty(2 * size, np.int64)
    larger[: keys.shape[0]] = keys
    return larger


@njit(cache=True, nogil=True)
def _box(boxes, node):  # type: ignore[no-untyped-def]
    """Return a row as six numbers."""
    return boxes[node, 0], boxes[node, 1], boxes[node, 2], boxes[node, 3], boxes[node, 4], boxes[node, 5]


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _gap(boxes, node, hull):  # type: ignore[no-untyped-def]
    """Return the squared distance between a node's box and another."""
    x0, y0, z0, x1, y1, z1 = hull
    zero = np.float32(0)
    dx = max(max(boxes[node, 0] - x1, x0 - boxes[node, 3]), zero)
    dy = max(max(boxes[node, 1] - y1, y0 - boxes[node, 4]), zero)
    dz = max(max(boxes[node, 2] - z1, z0 - boxes[node, 5]), zero)
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _span(boxes, node, hull):  # type: ignore[no-untyped-def]
    """Return the largest squared distance between points of a node's box and another."""
    x0, y0, z0, x1, y1, z1 = hull
    dx = max(boxes[node, 3] - x0, x1 - boxes[node, 0])
    dy = max(boxes[node, 4] - y0, y1 - boxes[node, 1])
    dz = max(boxes[node, 5] - z0, z1 - boxes[node, 2])
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _collect(hull, reach, tree, wanted, most, work):  # type: ignore[no-untyped-def]
    """Copy the points whose squared distance to `hull` is at most `reach`; stop at more than `most` of them."""
    order, _, boxes = tree
    leaves, count, stack = boxes.shape[0] // 2, order.shape[0], work[4]
    stack[0], top, found = 1, 1, 0
    while top > 0 and found <= most:
        top -= 1
        node = stack[top]
        low, high = node, node + 1
        if boxes[node, 0] == boxes[node, 3] and boxes[node, 1] == boxes[node, 4] and boxes[node, 2] == boxes[node, 5]:
            while low < leaves:
                low, high = 2 * low, 2 * high
        elif node < leaves:
            stack[top] = 2 * node + 1
            top += _gap(boxes, 2 * node + 1, hull) <= reach
            stack[top] = 2 * node
            top += _gap(boxes, 2 * node, hull) <= reach
            continue
        first, last = (low - leaves) * count // leaves, (high - leaves) * count // leaves
        if last - first > LEAF:  # of coinciding points only the lowest indices matter, and they come first
            last = min(last, first + wanted)
        found = _append(hull, reach, tree, first, last, work, found)
    return found


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def _append(hull, reach, tree, first, last, work, found):  # type: ignore[no-untyped-def]
    """Append those of points first … last - 1 whose squared distance to `hull` is at most `reach`."""
    order, axes, _ = tree
    near, who, _, gap, _ = work
    x0, y0, z0, x1, y1, z1 = hull
    zero = np.float32(0)
    for start in range(first, last, LANES):
        for u in range(LANES):
            x, y, z = axes[0, start + u], axes[1, start + u], axes[2, start + u]
            dx = max(max(x0 - x, x - x1), zero)
            dy = max(max(y0 - y, y - y1), zero)
            dz = max(max(z0 - z, z - z1), zero)
            gap[u] = dx * dx + dy * dy + dz * dz
        inside = at_most_16(gap, 0, reach)
        inside &= (ONE << np.uint64(min(last - start, LANES))) - ONE
        while inside != 0:
            t = start + lowest(inside)
            inside &= inside - ONE
            near[0, found], near[1, found], near[2, found] = axes[0, t], axes[1, t], axes[2, t]
            who[found] = order[t]
            found += 1
    return found


@njit(cache=True, nogil=True)
def _distances(points, found, x, y, z, distance):  # type: ignore[no-untyped-def]
    """Write the squared distances of points[:, :found] to (x, y, z)."""
    for j in range(found):
        dx, dy, dz = points[0, j] - x, points[1, j] - y, points[2, j] - z
        distance[j] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def _count(distance, found, limit):  # type: ignore[no-untyped-def]
    """Return how many of the first `found` distances are at most `limit`."""
    total = np.int32(0)
    for j in range(found):
        total += np.int32(distance[j] <= limit)
    return np.int64(total)


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
        left = _count(distance, found, limit)
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
        left = _count(distance, found, under)
        if left < wanted:
            return tie, above
        high, above = under, left
        if left <= most:
            return high, above
        limit = low + (high - low) * HALF
        left = _count(distance, found, limit)
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
def _keep(distance, who, found, limit, keys, lane, lanes):  # type: ignore[no-untyped-def]
    """Write the keys of the candidates within `limit` into one lane; `distance` has a word of places more."""
    distance[found : found + WORD] = np.nan  # never within a limit
    bits, place = distance.view(np.int32), lane
    for start in range(0, found, WORD):
        inside = at_most_64(distance, start, limit)
        while inside != 0:
            j = start + lowest(inside)
            inside &= inside - ONE
            keys[place] = np.int64(bits[j]) << 32 | np.int64(who[j])
            place += lanes


@njit(cache=True, nogil=True)
def _pad(keys, held):  # type: ignore[no-untyped-def]
    """Fill every lane to the length of the longest, which is returned."""
    longest = held.max()
    lanes = held.shape[0]
    for lane in range(lanes):
        for slot in range(held[lane], longest):
            keys[slot * lanes + lane] = NEVER
    return longest


@njit(cache=True, nogil=True)
def _sort(keys, length, lanes):  # type: ignore[no-untyped-def]
    """Sort all lanes at once: Batcher's merge exchange (Knuth, TAOCP 3, 5.2.2, algorithm M)."""
    top = 1
    while top < length:
        top *= 2
    p = top = top // 2
    while p > 0:
        q, r, d = top, 0, p
        while True:
            for i in range(r, length - d, 2 * p):
                _exchange(keys, i * lanes, d * lanes, (min(i + p, length - d) - i) * lanes)
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
