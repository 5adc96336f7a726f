"""What searches by leaves share: the points near a box of queries, distances, keys, and one sort of all queries' keys.

A leaf's queries take one walk down the tree of the points, then look through what it found each for itself. Boxes are
pruned by a distance in the arithmetic of the point distances. Rounding is monotone, so a box is never farther than
what it holds, nor is its far side nearer. Keys are the bits of the squared distance above the index: whole numbers
whose order is the total order (sq_dist, index). All queries of a leaf sort theirs in one network, a query a lane.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geoad.ops._lanes_numba import LANES, WORD, at_most_16, at_most_64, lowest

LEAF = 24  # points a leaf at most, so half as many at least
ONE = np.uint64(1)
NEVER = np.int64(2**63 - 1)


@njit(cache=True, nogil=True)
def hull_of(place, first, todo, taken):  # type: ignore[no-untyped-def]
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
def box_of(boxes, node):  # type: ignore[no-untyped-def]
    """Return a row as six numbers."""
    return boxes[node, 0], boxes[node, 1], boxes[node, 2], boxes[node, 3], boxes[node, 4], boxes[node, 5]


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def box_gap(boxes, node, hull):  # type: ignore[no-untyped-def]
    """Return the squared distance between a node's box and another."""
    x0, y0, z0, x1, y1, z1 = hull
    zero = np.float32(0)
    dx = max(max(boxes[node, 0] - x1, x0 - boxes[node, 3]), zero)
    dy = max(max(boxes[node, 1] - y1, y0 - boxes[node, 4]), zero)
    dz = max(max(boxes[node, 2] - z1, z0 - boxes[node, 5]), zero)
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def box_span(boxes, node, hull):  # type: ignore[no-untyped-def]
    """Return the largest squared distance between points of a node's box and another."""
    x0, y0, z0, x1, y1, z1 = hull
    dx = max(boxes[node, 3] - x0, x1 - boxes[node, 0])
    dy = max(boxes[node, 4] - y0, y1 - boxes[node, 1])
    dz = max(boxes[node, 5] - z0, z1 - boxes[node, 2])
    return dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def collect(hull, reach, tree, wanted, most, work):  # type: ignore[no-untyped-def]
    """Copy the points whose squared distance to `hull` is at most `reach`; stop at more than `most` of them.

    Of coinciding points only the `wanted` lowest indices are sure to be copied: they come first.
    """
    order, _, boxes = tree
    leaves, count, stack = boxes.shape[0] // 2, order.shape[0], work[4]
    stack[0], top, found, spare = 1, 1, 0, wanted
    while top > 0 and found <= most:
        top -= 1
        node = stack[top]
        low, high, same = node, node + 1, coincides(boxes, node)
        if same:
            while low < leaves:
                low, high = 2 * low, 2 * high
        elif node < leaves:
            stack[top] = 2 * node + 1
            top += box_gap(boxes, 2 * node + 1, hull) <= reach
            stack[top] = 2 * node
            top += box_gap(boxes, 2 * node, hull) <= reach
            continue
        first, last = (low - leaves) * count // leaves, (high - leaves) * count // leaves
        if same and boxes[node, 0] == hull[0] and boxes[node, 1] == hull[1] and boxes[node, 2] == hull[2]:
            last = min(last, first + spare)  # one place can fill many nodes, from left to right
            spare -= last - first
        elif same:
            last = min(last, first + wanted)
        found = append(hull, reach, tree, first, last, work, found)
    return found


@njit(cache=True, nogil=True)
def coincides(boxes, node):  # type: ignore[no-untyped-def]
    """Tell whether the points of a node are all at one place."""
    return boxes[node, 0] == boxes[node, 3] and boxes[node, 1] == boxes[node, 4] and boxes[node, 2] == boxes[node, 5]


@njit(cache=True, nogil=True, fastmath={"nnan", "nsz"})
def append(hull, reach, tree, first, last, work, found):  # type: ignore[no-untyped-def]
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
def distances(points, found, x, y, z, distance):  # type: ignore[no-untyped-def]
    """Write the squared distances of points[:, :found] to (x, y, z)."""
    for j in range(found):
        dx, dy, dz = points[0, j] - x, points[1, j] - y, points[2, j] - z
        distance[j] = dx * dx + dy * dy + dz * dz


@njit(cache=True, nogil=True)
def count_within(distance, found, limit):  # type: ignore[no-untyped-def]
    """Return how many of the first `found` distances are at most `limit`."""
    total = np.int32(0)
    for j in range(found):
        total += np.int32(distance[j] <= limit)
    return np.int64(total)


@njit(cache=True, nogil=True)
def keep(distance, who, found, limit, keys, lane, lanes):  # type: ignore[no-untyped-def]
    """Write the keys of the candidates within `limit` into one lane; `distance` has a word of places more.

    Returns how many there are.
    """
    distance[found : found + WORD] = np.nan  # never within a limit
    bits, place = distance.view(np.int32), lane
    for start in range(0, found, WORD):
        inside = at_most_64(distance, start, limit)
        while inside != 0:
            j = start + lowest(inside)
            inside &= inside - ONE
            keys[place] = np.int64(bits[j]) << 32 | np.int64(who[j])
            place += lanes
    return (place - lane) // lanes


@njit(cache=True, nogil=True)
def pad(keys, held):  # type: ignore[no-untyped-def]
    """Fill every lane to the length of the longest, which is returned."""
    longest = held.max()
    lanes = held.shape[0]
    for lane in range(lanes):
        for slot in range(held[lane], longest):
            keys[slot * lanes + lane] = NEVER
    return longest


@njit(cache=True, nogil=True)
def sort_lanes(keys, length, lanes):  # type: ignore[no-untyped-def]
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
