"""Laplace's equation on the pixels without a value: conjugate gradients in double precision, one V-cycle in single
precision as the preconditioner.

The preconditioned residual estimates the error itself, so it decides when to stop: with large holes a small residual
may still hide a large error.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops.multigrid_numba import RELAXED, Multigrid

ENOUGH = 2e-5  # of the range of the known values
ITERATIONS = 1000  # never needed; a guard against values that are not numbers


def solve(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return (H, W): the harmonic interpolation of values in [0, 1] at `known`; known pixels are undefined."""
    right, down, held, source = _assemble(values - np.float32(0.5), known)
    grid = Multigrid(right, down, held)
    diagonal = grid.levels[0].diagonal
    x, p, q = np.zeros(source.shape), np.zeros(source.shape), np.zeros(source.shape)
    before = 1.0
    for _ in range(ITERATIONS):
        z = grid.precondition(source)
        now, error = _product(source, z)
        if error == 0:
            break
        _turn(p, z, now / before)
        before = now
        _step(x, source, p, q, now / _apply(right, down, diagonal, p, q))
        if error <= ENOUGH:
            break
    return x[1:-1, 1:-1] + 0.5


@njit(cache=True, nogil=True)
def _assemble(values, known):  # type: ignore[no-untyped-def]
    """Return the links between unknown pixels, those to known ones and what these bring, with a border of zeros."""
    height, width = known.shape
    shape = (height + 2, width + 2)
    right, down, held = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    source = np.zeros(shape, np.float64)
    for i in range(height):
        for j in range(width):
            if known[i, j]:
                continue
            right[i + 1, j + 1] = j + 1 < width and not known[i, j + 1]
            down[i + 1, j + 1] = i + 1 < height and not known[i + 1, j]
            for a, b in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if 0 <= a < height and 0 <= b < width and known[a, b]:
                    held[i + 1, j + 1] += 1
                    source[i + 1, j + 1] += values[a, b]
    return right, down, held, source


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _product(residual, z):  # type: ignore[no-untyped-def]
    """Return the inner product of the residual and its preconditioned form, and the largest of the latter."""
    total, largest = 0.0, np.float32(0)
    for i in range(1, z.shape[0] - 1):
        for j in range(z.shape[1]):
            total += residual[i, j] * z[i, j]
            largest = max(largest, abs(z[i, j]))
    return total, largest


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _turn(p, z, share):  # type: ignore[no-untyped-def]
    """Turn the search direction."""
    for i in range(1, p.shape[0] - 1):
        for j in range(p.shape[1]):
            p[i, j] = z[i, j] + share * p[i, j]


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _apply(right, down, diagonal, p, q):  # type: ignore[no-untyped-def]
    """Write the system applied to p; return their inner product."""
    total = 0.0
    for i in range(1, p.shape[0] - 1):
        for j in range(1, p.shape[1] - 1):
            across = right[i, j] * p[i, j + 1] + right[i, j - 1] * p[i, j - 1]
            along = down[i, j] * p[i + 1, j] + down[i - 1, j] * p[i - 1, j]
            value = diagonal[i, j] * p[i, j] - across - along
            q[i, j] = value
            total += value * p[i, j]
    return total


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _step(x, residual, p, q, length):  # type: ignore[no-untyped-def]
    """Go `length` along p."""
    for i in range(1, x.shape[0] - 1):
        for j in range(1, x.shape[1] - 1):
            x[i, j] += length * p[i, j]
            residual[i, j] -= length * q[i, j]
