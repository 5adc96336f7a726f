"""Seeded noise in space: smooth bumps for natural shapes, cells for pores."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

Table = NDArray[np.int64]


def noise_table(rng: np.random.Generator) -> Table:
    """Return a permutation of 256 values, twice over: the seed of one noise field.

    >>> noise_table(np.random.default_rng(0)).shape
    (512,)
    """
    order = rng.permutation(256)
    return np.concatenate([order, order])


def bumps(points: NDArray[np.float64], table: Table, size: float, octaves: int = 1) -> NDArray[np.float64]:
    """Return gradient noise (N,), about −1 to 1, at points (N, 3); bumps measure `size`, each octave half of it.

    Source: Perlin, Improving noise, 2002.

    >>> field = noise_table(np.random.default_rng(0))
    >>> bumps(np.zeros((2, 3)), field, size=3.0).tolist()
    [0.0, 0.0]
    """
    total: NDArray[np.float64] = np.zeros(len(points))
    for octave in range(octaves):
        scale = 2.0**octave
        total += _perlin(points * (scale / size) + 17.0 * octave, table) / scale
    return total


def cells(points: NDArray[np.float64], table: Table, size: float) -> NDArray[np.float64]:
    """Return the distance (N,) to the nearest of random centres, one in each cube of edge `size`, in units of `size`.

    Source: Worley, A cellular texture basis function, 1996.

    >>> field = noise_table(np.random.default_rng(0))
    >>> bool((cells(np.random.default_rng(1).random((50, 3)), field, size=0.2) < 1.8).all())
    True
    """
    return np.asarray(_worley(points / size, table))


@njit(cache=True, nogil=True)
def _slope(corner, x, y, z):  # type: ignore[no-untyped-def]
    h = corner & 15
    u = x if h < 8 else y
    v = y if h < 4 else (x if h == 12 or h == 14 else z)
    return (u if h & 1 == 0 else -u) + (v if h & 2 == 0 else -v)


@njit(cache=True, nogil=True)
def _perlin(points, table):  # type: ignore[no-untyped-def]
    out = np.empty(len(points))
    for n in range(len(points)):
        fx, fy, fz = np.floor(points[n, 0]), np.floor(points[n, 1]), np.floor(points[n, 2])
        x, y, z = points[n, 0] - fx, points[n, 1] - fy, points[n, 2] - fz
        ix, iy, iz = int(fx) & 255, int(fy) & 255, int(fz) & 255
        u = x * x * x * (x * (x * 6 - 15) + 10)
        v = y * y * y * (y * (y * 6 - 15) + 10)
        w = z * z * z * (z * (z * 6 - 15) + 10)
        total = 0.0
        for i in range(2):
            column = table[ix + i]
            for j in range(2):
                row = table[column + iy + j]
                for k in range(2):
                    weight = (u if i else 1 - u) * (v if j else 1 - v) * (w if k else 1 - w)
                    total += weight * _slope(table[row + iz + k], x - i, y - j, z - k)
        out[n] = total
    return out


@njit(cache=True, nogil=True)
def _worley(points, table):  # type: ignore[no-untyped-def]
    out = np.empty(len(points))
    for n in range(len(points)):
        fx, fy, fz = np.floor(points[n, 0]), np.floor(points[n, 1]), np.floor(points[n, 2])
        nearest = 4.0
        for i in range(-1, 2):
            for j in range(-1, 2):
                for k in range(-1, 2):
                    cell = table[table[table[int(fx + i) & 255] + (int(fy + j) & 255)] + (int(fz + k) & 255)]
                    dx = fx + i + table[cell] / 256.0 - points[n, 0]
                    dy = fy + j + table[cell + 85] / 256.0 - points[n, 1]
                    dz = fz + k + table[cell + 170] / 256.0 - points[n, 2]
                    nearest = min(nearest, dx * dx + dy * dy + dz * dz)
        out[n] = np.sqrt(nearest)
    return out
