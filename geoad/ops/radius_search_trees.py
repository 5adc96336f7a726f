"""Neighbours within a radius by scipy's k-d tree, asked for a little more and cut to the exact ones: a yardstick."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _optional

PIECE = 1 << 22  # neighbours that are held as lists at a time
FAR = 1e39  # beyond the diagonal of all float32 coordinates


def search(
    points: NDArray[np.float32],
    queries: NDArray[np.float32] | None,
    limit: np.float32,
    include_self: bool,
    most: int | None,
    admit: Callable[[int], None],
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return index, sq_dist (E,) and counts (Q,) of finite points (N, 3), N > 0; `admit` may refuse E by raising."""
    tree: Any = _optional.need("scipy.spatial", 'use backend="scipy"').cKDTree(points)
    rows = points if queries is None else queries
    reach = min(np.sqrt(float(limit) * (1 + 1e-5) + 1e-40), FAR)  # more than float32 can round away
    around = tree.query_ball_point(rows, reach, return_length=True)
    admit(int(around.sum() if most is None else np.minimum(around, most).sum()))
    parts, start = [], 0
    while start < len(rows):
        stop = start + max(1, int(np.searchsorted(np.cumsum(around[start:]), PIECE, "right")))
        lists = tree.query_ball_point(rows[start:stop], reach)
        parts.append(_cut(points, rows, lists, start, limit, include_self, most))
        start = stop
    index, sq_dist, counts = zip(*parts, strict=True)
    return np.concatenate(index), np.concatenate(sq_dist), np.concatenate(counts)


def _cut(
    points: NDArray[np.float32],
    rows: NDArray[np.float32],
    lists: Any,
    start: int,
    limit: np.float32,
    include_self: bool,
    most: int | None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return what is within the limit of each of the rows from `start` on, in order."""
    index = np.concatenate([np.asarray(row, np.int64) for row in lists])
    asker = np.repeat(np.arange(len(lists)), [len(row) for row in lists])
    with np.errstate(over="ignore", under="ignore"):
        dx, dy, dz = (points[index] - rows[start + asker]).T
        sq_dist = ((dx * dx) + (dy * dy)) + (dz * dz)
    kept = (sq_dist <= limit) & (include_self | (index != start + asker))
    index, asker, sq_dist = index[kept], asker[kept], sq_dist[kept]
    order = np.lexsort((index, sq_dist, asker))
    index, asker, sq_dist = index[order], asker[order], sq_dist[order]
    if most is not None:
        kept = np.arange(len(asker)) - np.searchsorted(asker, asker) < most
        index, asker, sq_dist = index[kept], asker[kept], sq_dist[kept]
    return index, sq_dist, np.bincount(asker, minlength=len(lists))
