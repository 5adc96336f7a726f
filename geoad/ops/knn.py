"""Exact k nearest neighbours, the same bits from every backend."""

from __future__ import annotations

from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays

ON_DEVICE = ("cuda", "torch")  # search where the points are; the others search in numpy, on the CPU
BACKENDS = ("numba", "pykdtree", "scipy", *ON_DEVICE)
MOST_CUDA = 64  # neighbours that fit into a thread's registers
Found = tuple[NDArray[np.int64], NDArray[np.float32]]


class Knn(NamedTuple):
    """`index` (Q, k) int64 and `sq_dist` (Q, k) float32, numpy or torch; −1 and +inf where there is no neighbour.

    >>> index, sq_dist = knn(np.zeros((1, 3)), 2)
    >>> index.tolist(), sq_dist.tolist()
    ([[0, -1]], [[0.0, inf]])
    """

    index: Any
    sq_dist: Any


def knn(
    points: Any,
    k: int,
    *,
    queries: Any = None,
    batch: Any = None,
    include_self: bool = True,
    backend: str | None = None,
) -> Knn:
    """Find the k nearest of points (N, 3) to each of queries (Q, 3), or to each point.

    A row is sorted by (sq_dist, index), and that order decides ties at its end. sq_dist is ((dx²) + (dy²)) + (dz²) of
    the float32 coordinates, rounded after every operation: "numba", "cuda" and "torch" return the same bits. With
    fewer than k neighbours the row ends in (−1, +inf). A point that is not finite is nobody's neighbour, and its own
    row is (−1, +inf). A point is its own neighbour, not necessarily the first where points coincide;
    `include_self=False` leaves it out by index. `batch` (N,) holds ascending cloud ids: neighbours come from the same
    cloud, and indices stay global.

    `backend`: "numba" (CPU; the default there), "cuda" (CUDA tensors and k up to 64; the default for them where the
    library of CUDA kernels was built), "torch" (any device, brute force in pieces; the default otherwise), "pykdtree"
    or "scipy" (CPU; of several points tied at the k-th distance, up to rounding, any may be returned). "cuda" waits
    for the device only to check a `batch` that is there: one on the CPU, or none, lets the call return at once.
    Points are numpy or torch, and the result is of the same kind on the same device; no gradient flows. The result
    does not depend on the number of threads, which is torch's where torch is loaded, else OMP_NUM_THREADS.

    >>> import numpy as np
    >>> found = knn(np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]]), 2)
    >>> found.index.tolist(), found.sq_dist.tolist()
    ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 4.0]])
    """
    k = _arrays.whole("k", k)
    check_roles(queries, batch, include_self)
    backend = _best(points, k) if backend is None else backend
    _check.one_of("backend", backend, BACKENDS)
    if backend in ON_DEVICE:
        search = import_module(f"geoad.ops.knn_{backend}").search
        return Knn(*search(points, k, queries, batch, include_self))
    cloud = _arrays.to_points("points", points)
    asked = None if queries is None else _arrays.to_points("queries", queries)
    bounds = [0, len(cloud)] if batch is None else cloud_bounds(batch, len(cloud))
    index, sq_dist = _search_clouds(cloud, asked, bounds, k, include_self, backend)
    return Knn(_arrays.like(index, points), _arrays.like(sq_dist, points))


def _best(points: Any, k: int) -> str:
    if _arrays.on_cpu(points):
        return "numba"
    return "cuda" if k <= MOST_CUDA and _arrays.on_live_cuda(points) else "torch"


def check_roles(queries: Any, batch: Any, include_self: bool) -> None:
    """Raise ValueError for what only a search of points for themselves can have.

    >>> check_roles(np.zeros((1, 3)), None, False)
    Traceback (most recent call last):
    ValueError: include_self=False cannot be combined with queries: a query has no index of its own
    """
    if queries is not None and batch is not None:
        raise ValueError("batch cannot be combined with queries: a query has no cloud id; search one cloud at a time")
    if queries is not None and not include_self:
        raise ValueError("include_self=False cannot be combined with queries: a query has no index of its own")


def cloud_bounds(batch: Any, count: int) -> list[int]:
    """Return where each cloud starts, and `count`, from ascending cloud ids (N,).

    >>> cloud_bounds(np.array([4, 4, 7]), 3)
    [0, 2, 3]
    """
    ids = _arrays.to_numpy("batch", batch, kinds="iu")
    _check.shape("batch", ids, (count,))
    steps = np.flatnonzero(ids[1:] != ids[:-1]) + 1
    if (ids[1:] < ids[:-1]).any():
        raise ValueError(f"batch must be ascending, got {ids[1:][ids[1:] < ids[:-1]][0]} after a larger id: sort by it")
    return [0, *steps.tolist(), count]


def _search_clouds(
    points: NDArray[np.float32],
    queries: NDArray[np.float32] | None,
    bounds: list[int],
    k: int,
    include_self: bool,
    backend: str,
) -> Found:
    """Search each cloud for itself (or the one for `queries`)."""
    if len(bounds) == 2:
        return _search_finite(points, queries, k, include_self, backend)
    index, sq_dist = np.empty((len(points), k), np.int64), np.empty((len(points), k), np.float32)
    for first, last in pairwise(bounds):
        found, sq_dist[first:last] = _search_finite(points[first:last], None, k, include_self, backend)
        index[first:last] = np.where(found < 0, -1, found + first)
    return index, sq_dist


def _search_finite(
    points: NDArray[np.float32], queries: NDArray[np.float32] | None, k: int, include_self: bool, backend: str
) -> Found:
    """Search among the finite points for the finite queries; other rows stay (-1, +inf)."""
    kept = finite_rows(points)
    asked = kept if queries is None else finite_rows(queries)
    if kept.all() and asked.all() and len(kept) and len(asked):
        return _search(points, queries, k, include_self, backend)
    index, sq_dist = np.full((len(asked), k), -1, np.int64), np.full((len(asked), k), np.inf, np.float32)
    if kept.any() and asked.any():
        narrow = None if queries is None else queries[asked]
        found, sq_dist[asked] = _search(points[kept], narrow, k, include_self, backend)
        index[asked] = np.where(found < 0, -1, np.flatnonzero(kept)[found])
    return index, sq_dist


def finite_rows(points: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (N,) bool: the points whose coordinates are all finite.

    >>> finite_rows(np.array([[0, 0, 1], [0, np.nan, 1]], np.float32)).tolist()
    [True, False]
    """
    return np.asarray(np.isfinite(points).all(1))


def _search(
    points: NDArray[np.float32], queries: NDArray[np.float32] | None, k: int, include_self: bool, backend: str
) -> Found:
    """Ask one backend for the neighbours of finite points (N, 3), N > 0."""
    if backend == "numba":
        from geoad.ops import knn_numba

        return knn_numba.search(points, queries, k, include_self)
    from geoad.ops import knn_trees

    return knn_trees.search(points, queries, k, include_self, backend)
