"""Count scores between levels: a table on the bits of the score, then a few comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

TABLE_BITS = 20  # 2^20 entries of four bytes: larger tables lose to cache misses, smaller ones to comparisons
CHUNK = 2048


class LevelCounter:
    """How many scores lie at and between ascending distinct `levels` (n,), float32 or float64.

    `equal` (n,) counts the scores at each level, `between` (n + 1,) those below the first, between neighbours, and
    above the last. Nothing is rounded: float64 maps may be counted at float32 levels and the other way round.

    >>> import numpy as np
    >>> counter = LevelCounter(np.array([1.0, 2.0]))
    >>> counter.add(np.array([[0.5, 1.0, 1.5, 1.75, 3.0]]))
    >>> counter.equal.tolist(), counter.between.tolist()
    ([1, 0], [1, 2, 1])
    """

    def __init__(self, levels: NDArray[np.floating]) -> None:
        self.levels = levels
        self.equal = np.zeros(len(levels), np.int64)
        self.between = np.zeros(len(levels) + 1, np.int64)
        # Rounding to float32 is monotone: it may choose the bucket, while the comparisons within are exact. The
        # lowest level has a short cut of its own and no say in the span: it is often 0, far below all others in bits.
        with np.errstate(over="ignore"):  # beyond float32 means infinite, which is the last bucket
            keys = _keys(levels.astype(np.float32))
        self._low = keys[min(1, len(levels) - 1)]
        bits = min(len(levels).bit_length() + 4, TABLE_BITS)
        self._shift = np.uint32(max(int(keys[-1] - self._low).bit_length() - bits, 0))
        buckets = np.maximum(keys, self._low) - self._low >> self._shift
        self._table = np.zeros(int(buckets[-1]) + 2, np.int32)
        np.cumsum(np.bincount(buckets), out=self._table[1:])

    def add(self, pixels: NDArray[Any]) -> None:
        """Count a map (H, W), float32 or float64, without NaN."""
        flat = np.ascontiguousarray(pixels).reshape(-1)
        _count(flat, self.levels, self._low, self._shift, self._table, self.equal, self.between)


def _keys(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return unsigned integers in the order of the scores; both zeros are one."""
    bits = (scores + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


@njit(cache=True, nogil=True)
def _count(scores, levels, low, shift, table, equal, between):  # type: ignore[no-untyped-def]
    """Add each score to `equal` or `between`."""
    first, last, n = levels[0], levels[-1], len(levels)
    chunk = np.empty(CHUNK, np.float32)
    bits = chunk.view(np.uint32)
    sign, ones = np.uint32(1 << 31), np.uint32((1 << 32) - 1)
    below = above = 0
    for start in range(0, len(scores), CHUNK):
        length = min(CHUNK, len(scores) - start)
        for i in range(length):
            chunk[i] = np.float32(scores[start + i]) + np.float32(0)
        for i in range(length):
            score = scores[start + i]
            if not score >= first:
                below += 1
            elif score > last:
                above += 1
            elif score == first:
                equal[0] += 1
            else:
                key = bits[i] ^ ones if bits[i] & sign else bits[i] | sign
                bucket = (max(key, low) - low) >> shift
                begin, end = table[bucket], table[bucket + 1]
                while begin < end:
                    middle = (begin + end) >> 1
                    if levels[middle] < score:
                        begin = middle + 1
                    else:
                        end = middle
                if levels[begin] == score:
                    equal[begin] += 1
                else:
                    between[begin] += 1
    between[0] += below
    between[n] += above
