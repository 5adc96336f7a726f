"""k nearest neighbours by other projects' k-d trees: yardsticks, exact up to ties at the k-th distance."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _optional


def search(
    points: NDArray[np.float32], queries: NDArray[np.float32] | None, k: int, include_self: bool, backend: str
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (Q, k) of finite points (N, 3), N > 0; backend "pykdtree" or "scipy"."""
    rows = points if queries is None else queries
    count = min(k if include_self else k + 1, len(points))
    found = _ask(points, rows, count, backend)
    if not include_self:
        found = _without_self(found)
    delta = (points[found] - rows[:, None]).transpose(2, 0, 1)
    with np.errstate(over="ignore", under="ignore"):
        sq_dist = ((delta[0] * delta[0]) + (delta[1] * delta[1])) + (delta[2] * delta[2])
    best = np.lexsort((found, sq_dist), axis=1)[:, :k]
    index = np.full((len(rows), k), -1, np.int64)
    result = np.full((len(rows), k), np.inf, np.float32)
    index[:, : best.shape[1]] = np.take_along_axis(found, best, 1)
    result[:, : best.shape[1]] = np.take_along_axis(sq_dist, best, 1)
    return index, result


def _ask(points: NDArray[np.float32], rows: NDArray[np.float32], count: int, backend: str) -> NDArray[np.int64]:
    """Return (Q, count) indices from one tree."""
    purpose = f'use backend="{backend}"'
    tree: Any
    if backend == "pykdtree":
        tree = _optional.need("pykdtree.kdtree", purpose).KDTree(points)
    else:
        tree = _optional.need("scipy.spatial", purpose).cKDTree(points)
    index: NDArray[np.int64] = np.asarray(tree.query(rows, count)[1]).astype(np.int64).reshape(len(rows), count)
    if backend == "pykdtree" and index.max(initial=0) >= len(points):  # it finds none whose distance is beyond float32
        return _ask(points, rows, count, "scipy")
    return index


def _without_self(found: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop from each row its own index; where coinciding points crowded it out, the last."""
    own = found == np.arange(len(found))[:, None]
    own[~own.any(1), -1] = True
    rest: NDArray[np.int64] = found[~own].reshape(len(found), found.shape[1] - 1)
    return rest
