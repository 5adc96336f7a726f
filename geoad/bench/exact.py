"""Right answers by brute force, in the arithmetic that is promised: slow and obvious, but compiled."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Indices = NDArray[np.int64]


def nearest(points: Floats, rows: Indices, k: int, batch: Indices | None = None) -> tuple[Indices, Floats]:
    """Return index and sq_dist (R, k) of the nearest of points (N, 3) to those numbered `rows` (R,), themselves too.

    Sorted by (sq_dist, index), the squares ((dx²) + (dy²)) + (dz²) in float32; −1 and inf where none is left. `batch`
    (N,) holds ascending cloud ids.

    >>> nearest(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), np.array([2]), 2)[0].tolist()
    [[2, 1]]
    """
    first, last = np.zeros(len(rows), np.int64), np.full(len(rows), len(points))
    if batch is not None:
        first = np.searchsorted(batch, batch[rows], side="left")
        last = np.searchsorted(batch, batch[rows], side="right")
    index, sq_dist = np.full((len(rows), k), -1, np.int64), np.full((len(rows), k), np.inf, np.float32)
    _nearest(np.ascontiguousarray(points.T), rows, first, last, index, sq_dist)
    return index, sq_dist


@njit(cache=True, nogil=True)
def _nearest(axes: Any, rows: Any, first: Any, last: Any, index: Any, sq_dist: Any) -> None:
    k = index.shape[1]
    for row in range(len(rows)):
        query = rows[row]
        for other in range(first[row], last[row]):
            dx = axes[0, query] - axes[0, other]
            dy = axes[1, query] - axes[1, other]
            dz = axes[2, query] - axes[2, other]
            distance = ((dx * dx) + (dy * dy)) + (dz * dz)
            if distance < sq_dist[row, k - 1]:
                place = k - 1
                while place > 0 and distance < sq_dist[row, place - 1]:
                    sq_dist[row, place], index[row, place] = sq_dist[row, place - 1], index[row, place - 1]
                    place -= 1
                sq_dist[row, place], index[row, place] = distance, other


def farthest(points: Floats, n: int) -> Indices:
    """Return the first n picks of a farthest point sample of points (N, 3) that starts at 0.

    >>> farthest(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), 3).tolist()
    [0, 2, 1]
    """
    picks = np.zeros(n, np.int64)
    _farthest(np.ascontiguousarray(points.T), picks, np.float32(-1))
    return picks


def farthest_share(points: Floats, picks: Indices, rounding: float) -> float:
    """Return the share of picks, but for the first, that were the farthest at their turn: that or tied up to rounding.

    >>> points = np.array([[0, 0, 0], [1, 0, 0], [2, 0, 0], [4, 0, 0]], np.float32)
    >>> farthest_share(points, np.array([3, 0, 2]), 0), farthest_share(points, np.array([3, 1, 2]), 0)
    (1.0, 0.5)
    """
    right = _farthest(np.ascontiguousarray(points.T), picks.copy(), np.float32(rounding))
    return right / max(len(picks) - 1, 1)


@njit(cache=True, nogil=True)
def _farthest(axes: Any, picks: Any, rounding: Any) -> int:
    """Fill in the picks after the first, or, with a rounding from 0 on, count those that are right."""
    distance = np.full(axes.shape[1], np.float32(np.inf))
    right = 0
    for turn in range(1, len(picks)):
        last = picks[turn - 1]
        x, y, z = axes[0, last], axes[1, last], axes[2, last]
        for other in range(len(distance)):
            dx, dy, dz = axes[0, other] - x, axes[1, other] - y, axes[2, other] - z
            distance[other] = min(distance[other], ((dx * dx) + (dy * dy)) + (dz * dz))
        distance[last] = -1
        best = 0
        for other in range(len(distance)):
            if distance[other] > distance[best]:
                best = other
        if rounding < 0:
            picks[turn] = best
        elif distance[picks[turn]] >= distance[best] * (1 - rounding):
            right += 1
    return right


def squares(points: Floats, rows: Indices, index: Indices) -> Floats:
    """Return the exact sq_dist (R, k) of the points numbered `rows` to those in `index` (R, k); inf where that is −1.

    >>> squares(np.array([[0, 0, 0], [2, 0, 0]], np.float32), np.array([0]), np.array([[1, -1]])).tolist()
    [[4.0, inf]]
    """
    dx, dy, dz = (points[rows][:, None] - points[index]).transpose(2, 0, 1)
    return np.where(index < 0, np.float32(np.inf), ((dx * dx) + (dy * dy)) + (dz * dz))


def within(points: Floats, rows: Indices, radius: float) -> tuple[Indices, Floats, Indices]:
    """Return index, sq_dist and offsets (R + 1,) of all points with sq_dist <= radius · radius in float32.

    A row has `nearest`'s order.

    >>> within(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), np.array([1]), 1.0)[0].tolist()
    [1, 0]
    """
    limit = np.float32(radius) * np.float32(radius)
    axes = np.ascontiguousarray(points.T)
    counts = np.zeros(len(rows), np.int64)
    _within(axes, rows, limit, counts, np.zeros(0, np.int64), np.zeros(0, np.int64))
    offsets = np.concatenate([[0], np.cumsum(counts)])
    index = np.empty(offsets[-1], np.int64)
    _within(axes, rows, limit, counts, offsets, index)
    owner = np.repeat(np.arange(len(rows)), counts)
    sq_dist = squares(points, rows[owner], index[:, None])[:, 0]
    order = np.lexsort((index, sq_dist, owner))
    return index[order], sq_dist[order], offsets


@njit(cache=True, nogil=True)
def _within(axes: Any, rows: Any, limit: Any, counts: Any, offsets: Any, index: Any) -> None:
    """Count the neighbours of each row, and write them where `offsets` says, if it does."""
    for row in range(len(rows)):
        query, found = rows[row], 0
        for other in range(axes.shape[1]):
            dx = axes[0, query] - axes[0, other]
            dy = axes[1, query] - axes[1, other]
            dz = axes[2, query] - axes[2, other]
            if ((dx * dx) + (dy * dy)) + (dz * dz) <= limit:
                if len(offsets):
                    index[offsets[row] + found] = other
                found += 1
        counts[row] = found
