"""One V-cycle for five-point systems on an image: piecewise constant Galerkin coarsening of a graph Laplacian.

A system is four images with a border of zeros: `right` and `down`, the weights of the links to the next pixel, `held`,
the weight of the links to fixed values, and thereby the diagonal. Summing 2×2 pixels to a coarse one keeps this form,
whatever the shape of the unknown part. Piecewise constants correct too little, so the correction is enlarged.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

RELAXED = {"contract", "reassoc", "nnan", "ninf", "nsz"}  # an approximate inverse has no defined last bit
DAMPING = np.float32(0.8)
REST = np.float32(1) - DAMPING
ENLARGED = np.float32(1.8)
Image = NDArray[np.float32]


class Level(NamedTuple):
    """One system, its right-hand side, two iterates and the inverse of its diagonal (0 where nothing is unknown)."""

    right: Image
    down: Image
    diagonal: Image
    inverse: Image
    source: Image
    x: Image
    y: Image


class Multigrid:
    """The hierarchy down to a single pixel."""

    def __init__(self, right: Image, down: Image, held: Image) -> None:
        self.levels: list[Level] = []
        while True:
            self.levels.append(_level(right, down, held))
            if held.shape == (3, 3):
                break
            right, down, held = _coarsen(right, down, held)

    def precondition(self, residual: NDArray[np.float64]) -> Image:
        """Return an approximate, symmetric inverse of the system applied to `residual`; valid until the next call."""
        fine = self.levels[0]
        fine.source[:] = residual
        for level, coarser in zip(self.levels[:-1], self.levels[1:], strict=True):
            _descend(
                level.right, level.down, level.diagonal, level.inverse, level.source, level.x, level.y, coarser.source
            )
        coarsest = self.levels[-1]
        coarsest.x[1, 1] = coarsest.source[1, 1] * coarsest.inverse[1, 1]
        for level, coarser in zip(self.levels[-2::-1], self.levels[:0:-1], strict=True):
            _ascend(level.right, level.down, level.inverse, level.source, level.x, level.y, coarser.x)
        return fine.x


def _level(right: Image, down: Image, held: Image) -> Level:
    diagonal = held + right + down
    diagonal[:, 1:] += right[:, :-1]
    diagonal[1:] += down[:-1]
    inverse = np.divide(np.float32(1), diagonal, out=np.zeros_like(diagonal), where=diagonal > 0)
    return Level(right, down, diagonal, inverse, *(np.zeros_like(held) for _ in range(3)))


@njit(cache=True, nogil=True)
def _coarsen(right, down, held):  # type: ignore[no-untyped-def]
    """Sum 2×2 pixels: links inside a coarse pixel vanish, links across its border add up."""
    height, width = held.shape[0] - 2, held.shape[1] - 2
    shape = ((height + 1) // 2 + 2, (width + 1) // 2 + 2)
    across, along, kept = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for i in range(1, height + 1):
        row = (i + 1) // 2
        for j in range(1, width + 1):
            column = (j + 1) // 2
            kept[row, column] += held[i, j]
            if j % 2 == 0:
                across[row, column] += right[i, j]
            if i % 2 == 0:
                along[row, column] += down[i, j]
    return across, along, kept


@njit(cache=True, nogil=True)
def _descend(right, down, diagonal, inverse, source, x, y, coarse):  # type: ignore[no-untyped-def]
    """Smooth twice from zero (the result is x) and restrict the residual, in one pass of three staggered rows."""
    height, width = x.shape[0] - 2, x.shape[1] - 2
    rest = np.zeros(2 * coarse.shape[1], np.float32)
    for i in range(1, height + 3):
        if i <= height:
            _first_row(source, inverse, y, i)
        if 1 < i <= height + 1:
            _sweep_row(right, down, inverse, source, y, x, i - 1)
        if i > 2:
            _residual_row(right, down, diagonal, source, x, rest, i - 2)
            if i % 2 == 0 or i == height + 2:
                for j in range(1, coarse.shape[1] - 1):
                    coarse[(i - 1) // 2, j] = rest[2 * j - 1] + rest[2 * j]
                rest[:] = 0
    return width


@njit(cache=True, nogil=True)
def _ascend(right, down, inverse, source, x, y, coarse):  # type: ignore[no-untyped-def]
    """Add the coarse correction to x and smooth twice, in one pass of three staggered rows."""
    height = x.shape[0] - 2
    for i in range(1, height + 3):
        if i <= height:
            _correct_row(inverse, x, coarse, i)
        if 1 < i <= height + 1:
            _sweep_row(right, down, inverse, source, x, y, i - 1)
        if i > 2:
            _sweep_row(right, down, inverse, source, y, x, i - 2)


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _first_row(source, inverse, x, i):  # type: ignore[no-untyped-def]
    """Damped Jacobi from zero."""
    for j in range(1, x.shape[1] - 1):
        x[i, j] = DAMPING * source[i, j] * inverse[i, j]


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _sweep_row(right, down, inverse, source, old, new, i):  # type: ignore[no-untyped-def]
    """Damped Jacobi."""
    for j in range(1, old.shape[1] - 1):
        across = right[i, j] * old[i, j + 1] + right[i, j - 1] * old[i, j - 1]
        along = down[i, j] * old[i + 1, j] + down[i - 1, j] * old[i - 1, j]
        new[i, j] = REST * old[i, j] + DAMPING * inverse[i, j] * (source[i, j] + across + along)


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _residual_row(right, down, diagonal, source, x, rest, i):  # type: ignore[no-untyped-def]
    """Add the residual of row i to `rest`."""
    for j in range(1, x.shape[1] - 1):
        across = right[i, j] * x[i, j + 1] + right[i, j - 1] * x[i, j - 1]
        along = down[i, j] * x[i + 1, j] + down[i - 1, j] * x[i - 1, j]
        rest[j] += source[i, j] + across + along - diagonal[i, j] * x[i, j]


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _correct_row(inverse, x, coarse, i):  # type: ignore[no-untyped-def]
    """Add the correction of the coarse row above row i."""
    zero = np.float32(0)
    for j in range(1, x.shape[1] - 1):
        correction = ENLARGED * coarse[(i + 1) // 2, (j + 1) // 2]
        x[i, j] += correction if inverse[i, j] > zero else zero
