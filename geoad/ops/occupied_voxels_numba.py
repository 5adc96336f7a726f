"""CPU kernel of `occupied_voxels`: a bit a voxel says whether a point is in it, and bits before it are its row."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad.ops._lanes_numba import lowest

WORD, LAST, ONE = np.uint64(6), np.uint64(63), np.uint64(1)  # bits of a voxel within a word, the last bit of a word
PAIRS, FOURS = np.uint64(0x5555555555555555), np.uint64(0x3333333333333333)
EIGHTS, SUM = np.uint64(0x0F0F0F0F0F0F0F0F), np.uint64(0x0101010101010101)


def gather(
    index: NDArray[np.int64], values: NDArray[np.float32] | NDArray[np.float64], voxels: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return the voxels (M,) that index (N,) names, ascending, how often, and the means (M, C) of values (N, C)."""
    bits: NDArray[Any] = np.zeros((voxels + 63) // 64, np.uint64)
    voxel, before = _mark(index, bits)
    return (voxel, *_average(index, values, bits, before, len(voxel)))


@njit(cache=True, nogil=True)
def _mark(index, bits):  # type: ignore[no-untyped-def]
    """Set the bits of voxels with points; return these voxels, and how many of them are before each word."""
    for i in range(index.shape[0]):
        if index[i] >= 0:
            v = np.uint64(index[i])
            bits[v >> WORD] |= ONE << (v & LAST)
    before = np.zeros(bits.shape[0], np.int64)
    count = 0
    for word in range(bits.shape[0]):
        before[word] = count
        count += _ones(bits[word])
    voxel = np.empty(count, np.int64)
    row = 0
    for word in range(bits.shape[0]):
        left = bits[word]
        while left:
            voxel[row] = 64 * word + lowest(left)
            row += 1
            left &= left - ONE
    return voxel, before


@njit(cache=True, nogil=True)
def _ones(word):  # type: ignore[no-untyped-def]
    """Return how many bits of a word are set."""
    word = word - ((word >> np.uint64(1)) & PAIRS)
    word = (word & FOURS) + ((word >> np.uint64(2)) & FOURS)
    word = (word + (word >> np.uint64(4))) & EIGHTS
    return np.int64((word * SUM) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _average(index, values, bits, before, rows):  # type: ignore[no-untyped-def]
    """Return the number of points and the means of their values, a row."""
    count, sums = np.zeros(rows, np.int64), np.zeros((rows, values.shape[1]), np.float64)
    for i in range(index.shape[0]):
        if index[i] >= 0:
            v = np.uint64(index[i])
            word = v >> WORD
            row = before[word] + _ones(bits[word] & ((ONE << (v & LAST)) - ONE))
            count[row] += 1
            for c in range(values.shape[1]):
                sums[row, c] += values[i, c]
    means = np.empty(sums.shape, np.float32)
    for row in range(rows):
        for c in range(sums.shape[1]):
            means[row, c] = sums[row, c] / count[row]
    return count, means
