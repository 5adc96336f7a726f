"""CPU kernels of `fpfh`.

A point's pairs are first gathered, then all their bins are found at once, without a branch, in vectors; what is left to
do one by one is to count. No angle is computed: the bin of θ is how many of the bins' borders, as directions,
(ahead, up) has passed.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

ONE, ZERO, HALF = np.float32(1), np.float32(0), np.float32(5.5)  # half of the eleven bins
BORDERS = [(2 * j + 1) * math.pi / 11 for j in range(5)]  # of the bins of θ above 0; those below mirror them
COS, SIN = (np.array([f(border) for border in BORDERS], np.float32) for f in (math.cos, math.sin))
C0, C1, C2, C3, C4 = COS
S0, S1, S2, S3, S4 = SIN
TINY, INFINITE = np.float32(1e-38), np.float32(math.inf)
ALONG = np.float32(1e-6)  # sine of the angle to the normal, under which it has no meaning


@njit(cache=True, nogil=True)
def _gather(points, normals, row, i, pairs):  # type: ignore[no-untyped-def]
    """Write the offsets and normals of the neighbours that have one to `pairs` (6, k); return how many there are."""
    x, y, z = points[i, 0], points[i, 1], points[i, 2]
    many = 0
    for j in range(row.shape[0]):
        place = row[j]
        if place < 0:
            break
        if place != i and not math.isnan(normals[place, 0]):
            pairs[0, many], pairs[1, many], pairs[2, many] = (
                points[place, 0] - x,
                points[place, 1] - y,
                points[place, 2] - z,
            )
            pairs[3, many], pairs[4, many], pairs[5, many] = normals[place, 0], normals[place, 1], normals[place, 2]
            many += 1
    return many


@njit(cache=True, nogil=True, error_model="numpy")
def _bin_pairs(pairs, nx, ny, nz, many, bins):  # type: ignore[no-untyped-def]
    """Write the bins of θ, α and φ of each pair, −1 where there is no frame.

    The frame (u, v, w) stands on the one of the two normals that is more along the line between the points.
    """
    for j in range(many):
        a, b, c, mx, my, mz = pairs[0, j], pairs[1, j], pairs[2, j], pairs[3, j], pairs[4, j], pairs[5, j]
        far = math.sqrt(a * a + b * b + c * c)
        here, there = nx * a + ny * b + nz * c, mx * a + my * b + mz * c
        swap = abs(here) < abs(there)
        ux, uy, uz = (mx if swap else nx), (my if swap else ny), (mz if swap else nz)
        tx, ty, tz = (nx if swap else mx), (ny if swap else my), (nz if swap else mz)
        a, b, c = (-a if swap else a), (-b if swap else b), (-c if swap else c)
        along = -there if swap else here
        vx, vy, vz = b * uz - c * uy, c * ux - a * uz, a * uy - b * ux
        size = math.sqrt(vx * vx + vy * vy + vz * vz)
        across = vx * tx + vy * ty + vz * tz
        wx, wy, wz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        up, ahead = wx * tx + wy * ty + wz * tz, (ux * tx + uy * ty + uz * tz) * size
        height = abs(up)
        passed = np.int32(height * C0 >= ahead * S0) + np.int32(height * C1 >= ahead * S1)
        passed += np.int32(height * C2 >= ahead * S2) + np.int32(height * C3 >= ahead * S3)
        passed += np.int32(height * C4 >= ahead * S4)
        alpha, phi = HALF * (across / max(size, TINY) + ONE), HALF * (along / max(far, TINY) + ONE)
        known = (size > ALONG * far) & (far < INFINITE)
        bins[0, j] = (np.int32(5) - passed if up < ZERO else np.int32(5) + passed) if known else np.int32(-1)
        bins[1, j] = min(max(np.int32(alpha), np.int32(0)), np.int32(10))
        bins[2, j] = min(max(np.int32(phi), np.int32(0)), np.int32(10))


@njit(cache=True, nogil=True)
def count_pairs(points, normals, index, result, start, stop):  # type: ignore[no-untyped-def]
    """Write each point's own histograms, in percent of its pairs; `result` comes as zeros."""
    k = index.shape[1]
    pairs, bins = np.empty((6, k), np.float32), np.empty((3, k), np.int32)
    for i in range(start, stop):
        many = 0 if math.isnan(normals[i, 0]) else _gather(points, normals, index[i], i, pairs)
        _bin_pairs(pairs, normals[i, 0], normals[i, 1], normals[i, 2], many, bins)
        used = 0
        for j in range(many):
            if bins[0, j] >= 0:
                used += 1
                result[i, bins[0, j]] += ONE
                result[i, 11 + bins[1, j]] += ONE
                result[i, 22 + bins[2, j]] += ONE
        share = np.float32(100.0 / max(used, 1))
        for c in range(33):
            result[i, c] *= share


@njit(cache=True, nogil=True)
def add_nearby(index, sq_dist, simple, result, start, stop):  # type: ignore[no-untyped-def]
    """Write the sum of each point's histograms and the mean of its neighbours', weighted by 1 / distance²."""
    total = np.empty(33, np.float64)
    for i in range(start, stop):
        total[:] = 0
        for j in range(index.shape[1]):
            place, far = index[i, j], np.float64(sq_dist[i, j])
            if place < 0:
                break
            if far > 0:
                weight = 1 / far
                for c in range(33):
                    total[c] += weight * simple[place, c]
        for third in range(0, 33, 11):
            whole = 0.0
            for c in range(third, third + 11):
                whole += total[c]
            share = 100 / whole if whole > 0 else 0.0
            for c in range(third, third + 11):
                result[i, c] = np.float32(total[c] * share) + simple[i, c]
