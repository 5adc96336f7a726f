"""The slow, obvious twin of every kernel: what the fast ones are held to, bit for bit where that is promised."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def farthest_point_sample(points: NDArray[np.float32], n: int, *, start: int = 0) -> NDArray[np.int64]:
    """Return the picks of the plain loop over finite points (N, 3) float32.

    >>> farthest_point_sample(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), 2).tolist()
    [0, 2]
    """
    distance = np.full(len(points), np.inf, np.float32)
    picks = [start] if len(points) else []
    while picks and len(picks) < min(n, len(points)):
        distance = np.minimum(distance, _sq_dist(points, points[picks[-1]]))
        distance[picks[-1]] = -1
        picks.append(int(distance.argmax()))  # the first of several
    return np.array(picks, np.int64)


def knn(
    points: NDArray[np.float32],
    k: int,
    *,
    queries: NDArray[np.float32] | None = None,
    batch: NDArray[np.int64] | None = None,
    include_self: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (Q, k) by sorting every row of the full distance matrix by (sq_dist, index).

    >>> index, sq_dist = knn(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), 2)
    >>> index.tolist(), sq_dist.tolist()
    ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 4.0]])
    """
    rows = points if queries is None else queries
    index, sq_dist = np.full((len(rows), k), -1, np.int64), np.full((len(rows), k), np.inf, np.float32)
    for row, query in enumerate(rows):
        if not np.isfinite(query).all():
            continue
        allowed = np.isfinite(points).all(1)
        if batch is not None:
            allowed &= batch == batch[row]
        if not include_self:
            allowed[row] = False
        near = np.flatnonzero(allowed)
        distance = _sq_dist(points[near], query)
        best = np.lexsort((near, distance))[:k]
        index[row, : len(best)], sq_dist[row, : len(best)] = near[best], distance[best]
    return index, sq_dist


def _sq_dist(points: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ((dx * dx) + (dy * dy)) + (dz * dz) in float32."""
    with np.errstate(over="ignore", under="ignore"):
        dx, dy, dz = (points - query).T
        return ((dx * dx) + (dy * dy)) + (dz * dz)  # type: ignore[no-any-return]


def harmonic_fill(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values (H, W) with the unknown pixels solved for directly, in double precision.

    >>> harmonic_fill(np.array([[0, 9, 4]], np.float32), np.array([[True, False, True]])).tolist()
    [[0.0, 2.0, 4.0]]
    """
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    number = np.arange(known.size).reshape(known.shape)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    links = sparse.coo_array((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(known.size, known.size)).tocsr()
    laplacian = (sparse.diags_array(np.asarray(links.sum(1)).ravel()) - links).tocsc()
    fixed, free = np.flatnonzero(known), np.flatnonzero(~known)
    result = np.where(known, values, 0).astype(np.float64).ravel()
    if len(free):
        result[free] = spsolve(laplacian[free][:, free], -laplacian[free][:, fixed] @ result[fixed])
    return result.reshape(known.shape)
