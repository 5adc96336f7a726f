"""Fill the pixels without a value by the harmonic interpolation of those that have one."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import _check
from geoad.ops import _arrays


def harmonic_fill(values: Any, known: Any) -> Any:
    """Return values (H, W) float32 in which every pixel that is not `known` (H, W) bool is the mean of its neighbours.

    That is Laplace's equation on the 4-neighbourhood with the known pixels as boundary and no flux through the border
    of the image (thesis 10.4.1). Known pixels stay as they are, bit for bit; filled ones stay within the range of the
    known, and within 1e-4 of that range of the exact solution. What `values` holds at unknown pixels is not read.

    Arrays are numpy or torch (CPU) and the result is of the same kind. Raises ValueError where no pixel is known or a
    known one is not finite.

    >>> import numpy as np
    >>> values = np.array([[0.0, np.nan, np.nan, 3.0]])
    >>> harmonic_fill(values, np.isfinite(values)).round(4).tolist()
    [[0.0, 1.0, 2.0, 3.0]]
    """
    numbers = _arrays.to_floats("values", values, ("H", "W"))
    given = np.ascontiguousarray(_arrays.to_numpy("known", known, kinds="b"))
    _check.shape("known", given, numbers.shape)
    if not given.any():
        raise ValueError(f"known must hold at least one true pixel, got none of {given.size}")
    anchors = numbers[given]
    if not np.isfinite(anchors).all():
        raise ValueError(
            f"values must be finite where known, got {np.count_nonzero(~np.isfinite(anchors))} that are not"
        )
    low, high = anchors.min(), anchors.max()
    result = np.where(given, numbers, low)
    if low < high and not given.all():
        from geoad.ops.harmonic_fill_numba import solve

        extent = np.float64(high) - np.float64(low)
        unit = solve(((result - np.float64(low)) / extent).astype(np.float32), given)
        filled = (np.float64(low) + unit * extent).astype(np.float32)
        result = np.where(given, result, np.clip(filled, low, high))
    return _arrays.like(result, values)
