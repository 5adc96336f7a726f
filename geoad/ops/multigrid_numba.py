"""One V-cycle for five-point systems on an image, an approximate inverse for conjugate gradients.

A system is three images with a border of zeros: `right` and `down`, the weights of the links to the next pixel, and
`held`, the weight of the links to fixed values. 2×2 pixels become a coarse one, whatever the shape of the unknown
part: links across its border add up and count half, as they are twice as long; those to fixed values count a little
less than their sum. Corrections are interpolated linearly, residuals are restricted by the transpose of that, and two
damped Jacobi sweeps with the weights of a Chebyshev polynomial smooth on either side, so the inverse is symmetric.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

RELAXED = {"contract", "reassoc", "nnan", "ninf", "nsz"}  # an approximate inverse has no defined last bit
LONG, SHORT = (
    np.float32(1.5),
    np.float32(0.58),
)  # the sweeps' weights: best for the upper three quarters of the spectrum
LINK, HELD = np.float32(0.5), np.float32(0.8)
ONE, MOST, LEAST = np.float32(1), np.float32(0.75), np.float32(0.25)
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
            self.levels.append(Level(right, down, *_diagonal(right, down, held), *(np.zeros_like(held) for _ in "xyz")))
            if held.shape == (3, 3):
                break
            right, down, held = _coarsen(right, down, held)

    def precondition(self, residual: NDArray[np.float64]) -> Image:
        """Return the approximate inverse applied to `residual`, valid until the next call."""
        fine, coarsest = self.levels[0], self.levels[-1]
        fine.source[:] = residual
        for level, coarser in zip(self.levels[:-1], self.levels[1:], strict=True):
            _descend(*level, coarser.source)
        coarsest.x[1, 1] = coarsest.source[1, 1] * coarsest.inverse[1, 1]
        for level, coarser in zip(self.levels[-2::-1], self.levels[:0:-1], strict=True):
            _ascend(*level[:2], *level[3:], coarser.x)
        return fine.x


@njit(cache=True, nogil=True)
def _diagonal(right, down, held):  # type: ignore[no-untyped-def]
    """Return the diagonal of a system and its inverse."""
    diagonal, inverse = np.zeros_like(held), np.zeros_like(held)
    for i in range(1, held.shape[0] - 1):
        for j in range(1, held.shape[1] - 1):
            total = held[i, j] + right[i, j] + right[i, j - 1] + down[i, j] + down[i - 1, j]
            diagonal[i, j] = total
            inverse[i, j] = ONE / total if total > 0 else np.float32(0)
    return diagonal, inverse


@njit(cache=True, nogil=True)
def _coarsen(right, down, held):  # type: ignore[no-untyped-def]
    """Return the system of pixels twice as large."""
    height, width = held.shape[0] - 2, held.shape[1] - 2
    shape = ((height + 1) // 2 + 2, (width + 1) // 2 + 2)
    across, along, kept = np.zeros(shape, np.float32), np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    for i in range(1, height + 1):
        row = (i + 1) // 2
        for j in range(1, width + 1):
            kept[row, (j + 1) // 2] += HELD * held[i, j]
        for j in range(2, width + 1, 2):
            across[row, j // 2] += LINK * right[i, j]
        if i % 2 == 0:
            for j in range(1, width + 1):
                along[row, (j + 1) // 2] += LINK * down[i, j]
    return across, along, kept


@njit(cache=True, nogil=True)
def _descend(right, down, diagonal, inverse, source, x, y, coarse):  # type: ignore[no-untyped-def]
    """Smooth twice from zero (the result is x) and restrict the residual, in one pass of three staggered rows."""
    height = x.shape[0] - 2
    rest, narrow = np.zeros(2 * coarse.shape[1], np.float32), np.zeros(coarse.shape[1], np.float32)
    coarse[:] = 0
    for i in range(1, height + 3):
        if i <= height:
            _first_row(source, inverse, y, i)
        if 1 < i <= height + 1:
            _sweep_row(right, down, inverse, source, y, x, i - 1, SHORT)
        if i > 2:
            _residual_row(right, down, diagonal, source, x, rest, i - 2)
            _restrict_row(rest, x.shape[1] - 2, narrow)
            near, far = _coarse_rows(i - 2, coarse.shape[0])
            for j in range(coarse.shape[1]):
                coarse[near, j] += MOST * narrow[j]
                coarse[far, j] += LEAST * narrow[j]


@njit(cache=True, nogil=True)
def _ascend(right, down, inverse, source, x, y, coarse):  # type: ignore[no-untyped-def]
    """Add the coarse correction to x and smooth twice, in one pass of three staggered rows."""
    height = x.shape[0] - 2
    narrow = np.zeros(coarse.shape[1], np.float32)
    for i in range(1, height + 3):
        if i <= height:
            near, far = _coarse_rows(i, coarse.shape[0])
            for j in range(coarse.shape[1]):
                narrow[j] = MOST * coarse[near, j] + LEAST * coarse[far, j]
            _correct_row(inverse, narrow, x, i)
        if 1 < i <= height + 1:
            _sweep_row(right, down, inverse, source, x, y, i - 1, SHORT)
        if i > 2:
            _sweep_row(right, down, inverse, source, y, x, i - 2, LONG)


@njit(cache=True, nogil=True)
def _coarse_rows(i, rows):  # type: ignore[no-untyped-def]
    """Return the coarse row that holds fine row i and the next nearest, which the border of the image mirrors."""
    near = (i + 1) // 2
    far = near + 1 if i % 2 == 0 else near - 1
    return near, far if 1 <= far < rows - 1 else near


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _first_row(source, inverse, x, i):  # type: ignore[no-untyped-def]
    """Damped Jacobi from zero."""
    for j in range(1, x.shape[1] - 1):
        x[i, j] = LONG * source[i, j] * inverse[i, j]


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _sweep_row(right, down, inverse, source, old, new, i, weight):  # type: ignore[no-untyped-def]
    """Damped Jacobi."""
    for j in range(1, old.shape[1] - 1):
        across = right[i, j] * old[i, j + 1] + right[i, j - 1] * old[i, j - 1]
        along = down[i, j] * old[i + 1, j] + down[i - 1, j] * old[i - 1, j]
        new[i, j] = (ONE - weight) * old[i, j] + weight * inverse[i, j] * (source[i, j] + across + along)


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _residual_row(right, down, diagonal, source, x, rest, i):  # type: ignore[no-untyped-def]
    """Write the residual of row i."""
    for j in range(1, x.shape[1] - 1):
        across = right[i, j] * x[i, j + 1] + right[i, j - 1] * x[i, j - 1]
        along = down[i, j] * x[i + 1, j] + down[i - 1, j] * x[i - 1, j]
        rest[j] = source[i, j] + across + along - diagonal[i, j] * x[i, j]


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _restrict_row(rest, width, narrow):  # type: ignore[no-untyped-def]
    """Restrict one row, mirrored at the border of the image."""
    rest[0] = rest[1]
    if width % 2 == 0:
        rest[width + 1] = rest[width]
    for j in range(1, narrow.shape[0] - 1):
        narrow[j] = MOST * (rest[2 * j - 1] + rest[2 * j]) + LEAST * (rest[2 * j - 2] + rest[2 * j + 1])


@njit(cache=True, nogil=True, fastmath=RELAXED)
def _correct_row(inverse, narrow, x, i):  # type: ignore[no-untyped-def]
    """Add one row of the correction, interpolated and mirrored at the border of the image, to what is unknown."""
    last = narrow.shape[0] - 2
    narrow[0], narrow[last + 1] = narrow[1], narrow[last]
    for j in range(1, x.shape[1] - 1):
        near = (j + 1) // 2
        far = near + 1 - 2 * (j % 2)
        correction = MOST * narrow[near] + LEAST * narrow[far]
        x[i, j] += correction if inverse[i, j] > 0 else np.float32(0)
