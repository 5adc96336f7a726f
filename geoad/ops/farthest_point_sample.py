"""Farthest point sampling: every pick is the point farthest from all earlier picks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays

BACKENDS = ("cuda", "numba")


def farthest_point_sample(points: Any, n: int, *, start: int = 0, backend: str | None = None) -> Any:
    """Return the indices (min(n, N),) int64 of a farthest point sample of points (N, 3), in the order of the picks.

    The first pick is `start`; each next one is the point not yet picked whose smallest squared distance to the picks
    is largest, the lowest index of several. Squared distances are ((dx²) + (dy²)) + (dz²) in float32: the picks are
    those of the plain loop, bit for bit. n >= N returns every point.

    `backend`: "numba" (CPU) or "cuda" (CUDA tensors; waits for the device once, to see that points are finite); None
    takes that of the device. Points are numpy or torch and the result is of the same kind on the same device. Raises
    ValueError for a point that is not finite: drop it first, `points[np.isfinite(points).all(1)]`.

    >>> import numpy as np
    >>> line = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [9, 0, 0]])
    >>> farthest_point_sample(line, 3).tolist()
    [0, 3, 2]
    """
    n = _arrays.whole("n", n)
    if backend is None:
        backend = "cuda" if _arrays.on_live_cuda(points) else "numba"
    _check.one_of("backend", backend, BACKENDS)
    return _sample_cuda(points, n, start) if backend == "cuda" else _sample_cpu(points, n, start)


def _sample_cpu(points: Any, n: int, start: Any) -> Any:
    cloud = _arrays.to_points("points", points)
    _check_finite(np.asarray(np.isfinite(cloud).all(1)))
    start = _check_start(start, len(cloud))
    if len(cloud) == 0:
        return _arrays.like(np.empty(0, np.int64), points)
    from geoad.ops.farthest_point_sample_numba import sample

    return _arrays.like(sample(cloud, min(n, len(cloud)), start), points)


def _sample_cuda(points: Any, n: int, start: Any) -> Any:
    cloud = _arrays.to_cuda("points", points).float().contiguous()
    _check.shape("points", cloud, ("N", 3))
    finite = cloud.isfinite()
    if not finite.all():
        _check_finite(finite.all(1).cpu().numpy())
    start = _check_start(start, len(cloud))
    if len(cloud) == 0:
        return cloud.new_empty(0).long()
    from geoad.ops.farthest_point_sample_cuda import sample

    return sample(cloud, min(n, len(cloud)), start)


def _check_finite(finite: NDArray[np.bool_]) -> None:
    if not finite.all():
        raise ValueError(
            f"points must be finite, got {np.count_nonzero(~finite)} that are not (the first is row "
            f"{np.argmin(finite)}): drop them first, points[np.isfinite(points).all(1)]"
        )


def _check_start(start: Any, count: int) -> int:
    """Return `start` as int if it is the index of a point."""
    if isinstance(start, bool) or not isinstance(start, (int, np.integer)):
        raise TypeError(f"start must be an int, got {type(start).__name__}")
    if not 0 <= start < max(count, 1):
        raise ValueError(f"start must be the index of one of {count} points, got {start}")
    return int(start)
