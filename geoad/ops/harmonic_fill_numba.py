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

ENOUGH = 5e-5  # of the unit; the step still taken then makes the error several times smaller
ITERATIONS = 1000  # never needed; a guard against values that are not numbers


def fill(
    values: NDArray[np.float32], known: NDArray[np.bool_], ends: tuple[float, float], unit: tuple[float, float]
) -> NDArray[np.float32]:
    """Return values (H, W) whose unknown pixels are the harmonic interpolation of the known, within the `ends`.

    The error is small beside the `unit`, which is from one value to another.
    """
    start, extent = unit[0], unit[1] - unit[0]
    right, down, held, source = _assemble(values, known, start, extent)
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
    return _merge(values, known, x, start, extent, *map(np.float32, ends))  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _assemble(values, known, start, extent):  # type: ignore[no-untyped-def]
    """Return the links between unknown pixels, those to known ones and what these bring, with a border of zeros.

    What they bring is their value in units of `extent`, from -0.5 for `start` on.
    """
    height, width = known.shape
    shape = (height + 2, width + 2)
    free, fixed, brought = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float64)
    for i in range(height):
        for j in range(width):
            free[i + 1, j + 1], fixed[i + 1, j + 1] = not known[i, j], known[i, j]
            brought[i + 1, j + 1] = (np.float64(values[i, j]) - start) / extent - 0.5 if known[i, j] else 0.0
    right, down, held = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    source = np.zeros(shape, np.float64)
    for i in range(1, height + 1):
        for j in range(1, width + 1):
            here = free[i, j]
            right[i, j], down[i, j] = here * free[i, j + 1], here * free[i + 1, j]
            held[i, j] = here * (fixed[i, j - 1] + fixed[i, j + 1] + fixed[i - 1, j] + fixed[i + 1, j])
            source[i, j] = here * (brought[i, j - 1] + brought[i, j + 1] + brought[i - 1, j] + brought[i + 1, j])
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


@njit(cache=True, nogil=True)
def _merge(values, known, x, start, extent, low, high):  # type: ignore[no-untyped-def]
    """Return the known values and, where there are none, the solution in their unit, within their range."""
    result = values.copy()
    for i in range(values.shape[0]):
        for j in range(values.shape[1]):
            if not known[i, j]:
                result[i, j] = min(max(np.float32(start + (x[i + 1, j + 1] + 0.5) * extent), low), high)
    return result
