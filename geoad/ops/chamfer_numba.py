"""CPU kernel of `chamfer`: the nearest partner both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray


def nearest(a: NDArray[Any], b: NDArray[Any]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Return for each point of `a` the index of the nearest in `b`, and the other way (lowest index on ties)."""
    dtype = np.result_type(a, b) if a.dtype.kind == "f" else np.dtype(np.float64)
    rows_a, rows_b = (np.ascontiguousarray(cloud.T, dtype=dtype) for cloud in (a, b))
    return _nearest(rows_a, rows_b), _nearest(rows_b, rows_a)


@njit(cache=True, nogil=True)
def _nearest(a, b):  # type: ignore[no-untyped-def]
    # The inner loop runs over the queries and keeps a running minimum of each: selects only, no reduction and no
    # branch, so it is one pass of whole vector registers.
    n = a.shape[1]
    x, y, z = a[0], a[1], a[2]
    best = np.full(n, np.inf, a.dtype)
    index = np.zeros(n, np.int32)
    for j in range(b.shape[1]):
        bx, by, bz = b[0, j], b[1, j], b[2, j]
        number = np.int32(j)
        for i in range(n):
            dx, dy, dz = x[i] - bx, y[i] - by, z[i] - bz
            sq_dist = (dx * dx + dy * dy) + dz * dz
            closer = sq_dist < best[i]
            best[i] = sq_dist if closer else best[i]
            index[i] = number if closer else index[i]
    return index
