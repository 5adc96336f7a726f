"""CPU kernel of `splat_points`: a depth buffer, then a maximum."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def draw(pixel, depth, values, pixels, thickness):  # type: ignore[no-untyped-def]
    """Return (pixels,) float32: the largest of the values within `thickness` of the nearest depth, NaN without."""
    nearest = np.full(pixels, np.float32(np.inf), np.float32)
    for i in range(pixel.shape[0]):
        if pixel[i] >= 0:
            nearest[pixel[i]] = min(nearest[pixel[i]], depth[i])
    image = np.full(pixels, np.float32(np.nan), np.float32)
    for i in range(pixel.shape[0]):
        p = pixel[i]
        if p >= 0 and depth[i] - nearest[p] <= thickness and not image[p] >= values[i]:
            image[p] = values[i]
    return image
