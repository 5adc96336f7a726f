"""CPU kernel of `normals`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def covariances(points, index, result, start, stop):  # type: ignore[no-untyped-def]
    """Write the covariances (3, 3) of each point's neighbours; a row of `index` ends where there are no more, in −1."""
    for i in range(start, stop):
        # Near the mean, so that squares lose nothing.
        ox, oy, oz = np.float64(points[i, 0]), np.float64(points[i, 1]), np.float64(points[i, 2])
        many, x, y, z, xx, xy, xz, yy, yz, zz = 0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
        for j in range(index.shape[1]):
            place = index[i, j]
            if place < 0:
                break
            a, b, c = points[place, 0] - ox, points[place, 1] - oy, points[place, 2] - oz
            many += 1
            x, y, z = x + a, y + b, z + c
            xx, xy, xz, yy, yz, zz = xx + a * a, xy + a * b, xz + a * c, yy + b * b, yz + b * c, zz + c * c
        share = 1.0 / max(many, 1)
        x, y, z = x * share, y * share, z * share
        result[i, 0, 0] = xx * share - x * x
        result[i, 1, 1] = yy * share - y * y
        result[i, 2, 2] = zz * share - z * z
        result[i, 0, 1] = result[i, 1, 0] = xy * share - x * y
        result[i, 0, 2] = result[i, 2, 0] = xz * share - x * z
        result[i, 1, 2] = result[i, 2, 1] = yz * share - y * z
