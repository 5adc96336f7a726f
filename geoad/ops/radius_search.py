"""Exact neighbours within a radius, the same bits from every backend."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from importlib import import_module
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays
from geoad.ops.knn import check_roles, cloud_bounds, finite_rows

ON_DEVICE = ("cuda", "torch")  # search where the points are; the others search in numpy, on the CPU
BACKENDS = ("numba", "scipy", *ON_DEVICE)
EDGES = 2**31 - 1
Found = tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]


class Neighbours(NamedTuple):
    """Rows of any length, one after the other: row q is `index[offsets[q] : offsets[q + 1]]`, and so in `sq_dist`.

    `index` (E,) int64, `sq_dist` (E,) float32, `offsets` (Q + 1,) int64, numpy or torch.

    >>> found = radius_search(np.array([[0.0, 0, 0], [1, 0, 0], [9, 0, 0]]), 1.0)
    >>> found.offsets.tolist(), found.index.tolist()
    ([0, 2, 4, 5], [0, 1, 1, 0, 2])
    """

    index: Any
    sq_dist: Any
    offsets: Any


def radius_search(
    points: Any,
    radius: float,
    *,
    queries: Any = None,
    batch: Any = None,
    include_self: bool = True,
    max_neighbours: int | None = None,
    backend: str | None = None,
) -> Neighbours:
    """Find all of points (N, 3) within `radius` of each of queries (Q, 3), or of each point.

    A point is a neighbour if sq_dist <= r · r, where r is `radius` rounded to float32, r · r is rounded to float32, and
    sq_dist is that of `knn`: ((dx²) + (dy²)) + (dz²) of the float32 coordinates, rounded after every operation. The
    border belongs to it; radius 0 finds what coincides, inf all that is finite. A row is sorted by (sq_dist, index),
    and `max_neighbours` keeps the first of it. A point that is not finite is nobody's neighbour, and its own row is
    empty. `include_self=False` leaves a point out of its own row, by index. `batch` (N,) holds ascending cloud ids:
    neighbours come from the same cloud, and indices stay global.

    `backend`: "numba" (CPU; the default there), "cuda" (CUDA tensors; the default for them where the library of CUDA
    kernels was built), "torch" (any device, brute force in pieces; the default otherwise), "scipy" (CPU); all return
    the same bits. Points are numpy or torch, and the result is of the same kind on the same device; no gradient flows.
    It takes 12 bytes a neighbour: ValueError, before any of that is allocated, for more than 2³¹ − 1 neighbours or more
    than the memory of the machine.

    >>> import numpy as np
    >>> found = radius_search(np.array([[0.0, 0, 0], [1, 0, 0], [3, 0, 0]]), 2.0, include_self=False)
    >>> found.offsets.tolist(), found.index.tolist(), found.sq_dist.tolist()
    ([0, 1, 3, 4], [1, 0, 2, 1], [1.0, 1.0, 4.0, 4.0])
    """
    limit = _sq_radius(radius)
    most = None if max_neighbours is None else min(_arrays.whole("max_neighbours", max_neighbours), EDGES)
    check_roles(queries, batch, include_self)
    if backend is None:
        backend = "numba" if _arrays.on_cpu(points) else "cuda" if _arrays.on_live_cuda(points) else "torch"
    _check.one_of("backend", backend, BACKENDS)
    if backend in ON_DEVICE:
        search = import_module(f"geoad.ops.radius_search_{backend}").search
        return Neighbours(*search(points, queries, batch, limit, include_self, most))
    cloud = _arrays.to_points("points", points)
    asked = None if queries is None else _arrays.to_points("queries", queries)
    bounds = [0, len(cloud)] if batch is None else cloud_bounds(batch, len(cloud))
    found = _search_clouds(cloud, asked, bounds, limit, include_self, most, backend)
    return Neighbours(*(_arrays.like(part, points) for part in found))


def admit(edges: int) -> None:
    """Raise ValueError if a result of `edges` neighbours is too large.

    >>> admit(10**12)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: radius must leave at most ... neighbours in all, got 1000000000000: pass max_neighbours or ...
    """
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    most = min(EDGES, memory // 12)
    if edges > most:
        raise ValueError(
            f"radius must leave at most {most} neighbours in all, got {edges}: "
            "pass max_neighbours or a smaller radius, or search for some of the points at a time (queries=)"
        )


def _sq_radius(radius: Any) -> np.float32:
    """Return the square of `radius` as points are held against it."""
    number = _arrays.real("radius", radius)
    if math.isnan(number) or number < 0:
        raise ValueError(f"radius must be at least 0, got {number}")
    with np.errstate(over="ignore", under="ignore"):
        rounded = np.float32(number)
        return rounded * rounded


def _search_clouds(
    points: NDArray[np.float32],
    queries: NDArray[np.float32] | None,
    bounds: list[int],
    limit: np.float32,
    include_self: bool,
    most: int | None,
    backend: str,
) -> Found:
    """Search each cloud for itself (or the one for `queries`)."""
    edges, parts = 0, []

    def admit_sum(more: int) -> None:
        admit(edges + more)

    for first, last in pairwise(bounds):
        cloud = points[first:last]
        index, sq_dist, counts = _search_finite(cloud, queries, limit, include_self, most, backend, admit_sum)
        parts.append((index + first if first else index, sq_dist, counts))
        edges += len(index)
    index, sq_dist, counts = (
        parts[0] if len(parts) == 1 else (np.concatenate(part) for part in zip(*parts, strict=True))
    )
    offsets = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=offsets[1:])
    return index, sq_dist, offsets


def _search_finite(
    points: NDArray[np.float32],
    queries: NDArray[np.float32] | None,
    limit: np.float32,
    include_self: bool,
    most: int | None,
    backend: str,
    admit: Callable[[int], None],
) -> Found:
    """Search among the finite points for the finite queries; other rows stay empty. The last part is the counts."""
    search = import_module(f"geoad.ops.radius_search_{'trees' if backend == 'scipy' else backend}").search
    kept = finite_rows(points)
    asked = kept if queries is None else finite_rows(queries)
    if kept.all() and asked.all() and len(kept) and len(asked):
        return search(points, queries, limit, include_self, most, admit)  # type: ignore[no-any-return]
    index, sq_dist, counts = np.empty(0, np.int64), np.empty(0, np.float32), np.zeros(len(asked), np.int64)
    if kept.any() and asked.any():
        narrow = None if queries is None else queries[asked]
        index, sq_dist, counts[asked] = search(points[kept], narrow, limit, include_self, most, admit)
        index = np.flatnonzero(kept)[index]
    return index, sq_dist, counts
