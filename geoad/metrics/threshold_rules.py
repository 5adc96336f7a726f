"""The rules by which a threshold follows from scores of good parts: exact, one map in memory at a time."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.metrics.pairs import check_reiterable
from geoad.metrics.regions import check_connectivity, is_cloud

Scores = Iterable[NDArray[Any]]
DIGIT = 16  # bits of a score that are counted in one reading


def maximum(maps: Scores) -> float:
    """Return the highest score of all maps, -inf without any.

    >>> maximum([np.array([[1.0, 3.0]]), np.array([[2.0]])])
    3.0
    """
    return max((float(pixels.max()) for pixels in maps), default=-math.inf)


def quantile(maps: Scores, p: float) -> float:
    """Return the smallest score that at least the share `p` of all scores does not exceed; NaN without any.

    Reads the maps three times, four times if one is float64: each time sixteen more bits of the score are known.

    >>> quantile([np.arange(100.0).reshape(10, 10)], 0.9)
    89.0
    """
    if not 0 < p <= 1:
        raise ValueError(f"p must be a share in (0, 1], got {p}")
    check_reiterable("maps", maps)
    known, rank, shift = np.uint64(0), -1, 64
    while shift:
        shift -= DIGIT
        counts, bits = _count_digits(maps, known, shift)
        if rank < 0:
            if not counts.sum():
                return math.nan
            # p · n is a whole number more often than its rounded product is.
            rank = max(math.ceil(p * int(counts.sum()) - 1e-9), 1) - 1
        digit = int(np.searchsorted(np.cumsum(counts), rank, side="right"))
        rank -= int(counts[:digit].sum())
        known |= np.uint64(digit << shift)
        if bits == 32 and shift == DIGIT:  # a float32 has no further bits: they are the sign's
            known |= np.uint64(0 if known >> np.uint64(63) else (1 << DIGIT) - 1)
            break
    sign = np.uint64(1 << 63)
    return float(np.array([known ^ sign if known & sign else ~known], np.uint64).view(np.float64)[0])


def above_k_sigma(maps: Scores, k: float) -> float:
    """Return the mean of all scores plus `k` standard deviations (of the whole, not of a sample); NaN without any.

    >>> above_k_sigma([np.array([[0.0, 2.0]]), np.array([[4.0]])], 0.0)
    2.0
    """
    count, mean, squares = 0, 0.0, 0.0
    for pixels in maps:
        values = pixels.astype(np.float64)
        centre, size = float(values.mean()), values.size
        squares += float(np.sum((values - centre) ** 2)) + (centre - mean) ** 2 * count * size / (count + size)
        mean += (centre - mean) * size / (count + size)
        count += size
    return mean + k * math.sqrt(squares / count) if count else math.nan


def below_area(maps: Scores, area: float, connectivity: int = 4) -> float:
    """Return the smallest threshold above which no map has a component of the share `area` of its pixels or more.

    Source: thesis section 4.5; `area` is compared image by image. The points of a cloud, a map of one row, are one
    component. -inf without any map.

    >>> below_area([np.array([[9.0, 8.0], [1.0, 7.0]])], 0.5)
    8.0
    """
    check_connectivity(connectivity)
    if not 0 < area <= 1:
        raise ValueError(f"area must be a share in (0, 1], got {area}")
    limits = []
    for pixels in maps:
        least = max(math.ceil(area * pixels.size - 1e-9), 1)
        flat, (height, width) = pixels.reshape(-1), pixels.shape
        order = np.argsort(-flat, kind="stable")
        last = least - 1 if is_cloud(pixels.shape) else _grow(order, height, width, least, connectivity == 8)
        limits.append(float(flat[order[last]]))
    return max(limits, default=-math.inf)


def _count_digits(maps: Scores, known: np.uint64, shift: int) -> tuple[NDArray[np.int64], int]:
    """Count the next digit of the scores whose higher digits are known; return how many bits the scores have."""
    counts, bits = np.zeros(1 << DIGIT, np.int64), 32
    for pixels in maps:
        bits = max(bits, pixels.itemsize * 8)
        raw = (pixels.reshape(-1).astype(np.float64) + 0.0).view(np.uint64)
        keys = np.where(raw >> np.uint64(63), ~raw, raw | np.uint64(1 << 63))
        if shift + DIGIT < 64:
            place = np.uint64(shift + DIGIT)
            keys = keys[keys >> place == known >> place]
        counts += np.bincount((keys >> np.uint64(shift)).astype(np.int64) & ((1 << DIGIT) - 1), minlength=1 << DIGIT)
    return counts, bits


@njit(cache=True, nogil=True)
def _grow(order, height, width, least, corners):  # type: ignore[no-untyped-def]
    """Add pixels in this order until a component has `least` of them; return how many came before the last."""
    parent = np.full(height * width, -1, np.int64)
    size = np.zeros(height * width, np.int64)
    for i in range(len(order)):
        place = order[i]
        parent[place], size[place] = place, 1
        row, column = place // width, place % width
        for r in range(max(row - 1, 0), min(row + 2, height)):
            for c in range(max(column - 1, 0), min(column + 2, width)):
                other = r * width + c
                if parent[other] < 0 or other == place or not (corners or r == row or c == column):
                    continue
                a, b = _root(parent, place), _root(parent, other)
                if a != b:
                    parent[max(a, b)] = min(a, b)
                    size[min(a, b)] += size[max(a, b)]
        if size[_root(parent, place)] >= least:
            return i
    return len(order) - 1


@njit(cache=True, nogil=True)
def _root(parent, i):  # type: ignore[no-untyped-def]
    """Return the root of `i` in a forest of `parent` places, halving the path on the way."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i
