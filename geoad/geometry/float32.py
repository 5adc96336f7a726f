"""Coordinates in single precision, unless that loses the shape."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.geometry.subset import draw_subset

SHARE = 0.1
"""How much of the distance between points may be lost."""
SOME = 20_000
"""How many points are looked at."""


def as_float32(name: str, points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return points (..., 3) as float32; of float32 itself no copy.

    Raises ValueError that names an offset to subtract if points that are far from the origin would be rounded by more
    than a tenth of their distance, taken to be that of as many points spread over a square.

    >>> as_float32("xyz", np.array([[0.1, 0.2, 0.5]])).dtype
    dtype('float32')
    >>> as_float32("xyz", np.random.default_rng(0).random((9, 3)) + [4e8, 0, 0])
    Traceback (most recent call last):
    ValueError: xyz must be near the origin for float32, which rounds it by 0.935: subtract (400000000, 0, 0) from all
    """
    with np.errstate(over="ignore"):  # a number for no measurement is inf then, and no point either
        rounded = np.asarray(points, np.float32)
    if points.dtype.itemsize <= 4 or not points.size:
        return rounded
    exact, kept = points.reshape(-1, 3), rounded.reshape(-1, 3)
    valid = np.flatnonzero(np.isfinite(kept).all(1) & (kept != 0).any(1))
    if not len(valid):
        return rounded
    some = valid[draw_subset(len(valid), SOME)]
    lost = float(np.abs(exact[some] - kept[some]).max())
    span = float((exact[some].max(0) - exact[some].min(0)).max())
    if span and lost > SHARE * span / np.sqrt(len(valid)):
        digits = -int(np.ceil(np.log10(span))) - 1
        offset = ", ".join(f"{round(value, digits):.9g}" for value in exact[some].mean(0))
        told = f"which rounds it by {lost:.3g}: subtract ({offset}) from all"
        raise ValueError(f"{name} must be near the origin for float32, {told}")
    return rounded
