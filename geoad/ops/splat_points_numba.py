"""CPU kernel of `splat_points`: a depth buffer, then a maximum."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def look(points, values):  # type: ignore[no-untyped-def]
    """Return which points are finite and in front of the camera, and how many finite points have no finite value."""
    seen, wrong = np.empty(points.shape[0], np.bool_), 0
    for i in range(points.shape[0]):
        finite = np.isfinite(points[i, 0]) & np.isfinite(points[i, 1]) & np.isfinite(points[i, 2])
        seen[i] = finite & (points[i, 2] > 0)
        wrong += finite & (not np.isfinite(values[i]))
    return seen, wrong


@njit(cache=True, nogil=True)
def draw(place, points, values, height, width, thickness):  # type: ignore[no-untyped-def]
    """Return (H, W) float32: the largest of the values within `thickness` of the nearest depth, NaN without."""
    nearest = np.full(height * width, np.float32(np.inf), np.float32)
    pixel = np.empty(place.shape[0], np.int64)
    for i in range(place.shape[0]):
        column, row = np.floor(place[i, 0] + 0.5), np.floor(place[i, 1] + 0.5)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        pixel[i] = np.int64(row) * width + np.int64(column) if inside else -1
        if inside:
            nearest[pixel[i]] = min(nearest[pixel[i]], points[i, 2])
    image = np.full(height * width, np.float32(np.nan), np.float32)
    for i in range(place.shape[0]):
        p = pixel[i]
        if p >= 0 and points[i, 2] - nearest[p] <= thickness and not image[p] >= values[i]:
            image[p] = values[i]
    return image.reshape(height, width)
