"""Nearest neighbours on an organised image, looked for in a window of pixels only."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import _check
from geoad.ops import _arrays
from geoad.ops.knn import Knn

BACKENDS = ("numba", "torch")


def window_knn(xyz: Any, k: int, *, window: int = 7, include_self: bool = True, backend: str | None = None) -> Knn:
    """Find the k nearest points of every pixel of xyz (H, W, 3) among those `window` x `window` pixels around it.

    Pixel (row, column) has the flat address row · W + column; `index` (H, W, k) holds addresses, `sq_dist` (H, W, k)
    squared distances, and rows are sorted by (sq_dist, index), with the arithmetic of `knn`. A pixel is valid where
    all three coordinates are finite and not all are zero, as in `XYZImage`; others are nobody's neighbours, and their
    own rows are (−1, +inf). Rows with fewer than k valid pixels in the window end in (−1, +inf). `window` is odd.

    That is exact within the window and no more: where a surface is seen at a slant or behind an edge, nearer points
    can lie outside. Of the neighbours that `knn` finds among the valid points of four depth-camera scans of 640 x 480
    pixels, window 7 found 99.1 to 99.99 % for k = 8 and 95.4 to 99.8 % for k = 16; window 9, k = 8: 99.75 % and more.

    `backend`: "numba" (CPU; the default there) or "torch" (any device; the default on others); both return the same
    bits. xyz is numpy or torch, and the result is of the same kind on the same device; no gradient flows.

    >>> import numpy as np
    >>> xyz = np.array([[[0, 0, 1], [1, 0, 1], [0, 0, 0], [9, 0, 1.0]]])
    >>> found = window_knn(xyz, 2, window=5)
    >>> found.index.tolist(), found.sq_dist[0, 3].tolist()
    ([[[0, 1], [1, 0], [-1, -1], [3, 1]]], [0.0, 64.0])
    """
    k, window = _arrays.whole("k", k), _arrays.whole("window", window)
    if window % 2 == 0:
        raise ValueError(f"window must be odd, got {window}")
    if backend is None:
        backend = "numba" if _arrays.on_cpu(xyz) else "torch"
    _check.one_of("backend", backend, BACKENDS)
    if backend == "torch":
        from geoad.ops.window_knn_torch import search as search_tensor

        return Knn(*search_tensor(xyz, k, window, include_self))
    image = _arrays.to_floats("xyz", xyz, ("H", "W", 3))
    from geoad.ops.window_knn_numba import search

    index, sq_dist = search(image, k, window, include_self)
    return Knn(_arrays.like(index, xyz), _arrays.like(np.asarray(sq_dist), xyz))
