"""Count scores between levels: sift, sort roughly, then a table on the bits of the score and a few comparisons."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

TABLE_BITS = 21  # entries of four bytes: larger tables lose to cache misses, smaller ones to comparisons
ROUGH_BITS = 12  # so many ranges of levels and their counts fit into the nearest cache, one after the other
PENDING = 1 << 20  # scores that wait to be sorted roughly: the more, the longer a range stays in the cache
CHUNK = 2048


class LevelCounter:
    """How many scores lie at and between ascending distinct `levels` (n,), n ≥ 1, float32 or float64.

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
        self._counts = np.zeros(2 * len(levels) + 1, np.int64)  # between, equal, between, …
        # Rounding to float32 is monotone: it may choose the bucket, while the comparisons within are exact. The
        # lowest level has a short cut of its own and no say in the span: it is often 0, far below all others in bits.
        with np.errstate(over="ignore"):  # beyond float32 means infinite, which is the last bucket
            keys = _keys(levels.astype(np.float32))
        self._low = keys[min(1, len(levels) - 1)]
        span = int(keys[-1] - self._low).bit_length()
        self._shift = np.uint32(max(span - min(len(levels).bit_length() + 5, TABLE_BITS), 0))
        self._rough = np.uint32(max(span - ROUGH_BITS, 0))
        np.subtract(np.maximum(keys, self._low, out=keys), self._low, out=keys)
        self._table = np.zeros((int(keys[-1]) >> int(self._shift)) + 2, np.int32)
        _fill_table(keys, self._shift, self._table)
        self._heads = np.zeros((int(keys[-1]) >> int(self._rough)) + 2, np.int64)
        self._pending, self._waiting = np.empty(0, np.float32), 0

    def add(self, pixels: NDArray[Any]) -> None:
        """Count a map (H, W), float32 or float64, without NaN."""
        flat = np.ascontiguousarray(pixels).reshape(-1)
        if flat.dtype != self._pending.dtype:
            self._flush()
            self._pending = np.empty(0, flat.dtype)
        for start in range(0, len(flat), PENDING):
            part = flat[start : start + PENDING]
            if self._waiting + len(part) > len(self._pending):
                self._make_room(len(part))
            self._waiting = _sift(
                part, self.levels, self._low, self._rough, self._heads, self._counts, self._pending, self._waiting
            )

    @property
    def equal(self) -> NDArray[np.int64]:
        """Scores at each level."""
        self._flush()
        return self._counts[1::2]

    @property
    def between(self) -> NDArray[np.int64]:
        """Scores below the first level, between neighbours, above the last."""
        self._flush()
        return self._counts[0::2]

    def merge(self, other: LevelCounter) -> None:
        """Add the counts of another counter of the same levels."""
        other._flush()
        self._counts += other._counts

    def __getstate__(self) -> dict[str, Any]:
        """Travel between processes without what waits."""
        self._flush()
        return {**self.__dict__, "_pending": np.empty(0, np.float32)}

    def _make_room(self, length: int) -> None:
        """Let the buffer grow as long as little is read, then empty it."""
        wanted = self._waiting + length
        if wanted > PENDING:
            self._flush()
            wanted = length
        if wanted > len(self._pending):
            grown = np.empty(min(max(2 * wanted, CHUNK), PENDING), self._pending.dtype)
            grown[: self._waiting] = self._pending[: self._waiting]
            self._pending = grown

    def _flush(self) -> None:
        """Count what waits, range after range."""
        if self._waiting:
            waiting = self._pending[: self._waiting]
            ordered = _order(waiting, self._low, self._rough, self._heads)
            _count(ordered, self.levels, self._low, self._shift, self._table, self._counts)
            self._heads[:] = 0
            self._waiting = 0


def _keys(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return unsigned integers in the order of the scores; both zeros are one."""
    bits = (scores + np.float32(0)).view(np.uint32)
    return np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))


@njit(cache=True, nogil=True)
def _fill_table(keys, shift, table):  # type: ignore[no-untyped-def]
    """Write where the levels of each bucket begin, and at the end where the last one ends."""
    bucket = 0
    for i in range(len(keys)):
        while bucket <= keys[i] >> shift:
            table[bucket] = i
            bucket += 1
    table[bucket] = len(keys)


@njit(cache=True, nogil=True)
def _round(scores, start, length, chunk):  # type: ignore[no-untyped-def]
    """Round `length` scores from `start` on to float32; both zeros become one."""
    for i in range(length):
        chunk[i] = np.float32(scores[start + i]) + np.float32(0)


@njit(cache=True, nogil=True)
def _offset(bits, low):  # type: ignore[no-untyped-def]
    """Return the place of a score's bits in their order, from `low` on."""
    sign, ones = np.uint32(1 << 31), np.uint32((1 << 32) - 1)
    key = bits ^ ones if bits & sign else bits | sign
    return max(key, low) - low


@njit(cache=True, nogil=True)
def _sift(scores, levels, low, rough, heads, counts, pending, waiting):  # type: ignore[no-untyped-def]
    """Count what is outside the levels or at the lowest; let the rest wait, and count its rough ranges in `heads`."""
    first, last = levels[0], levels[-1]
    chunk = np.empty(CHUNK, np.float32)
    bits = chunk.view(np.uint32)
    below = above = lowest = 0
    for start in range(0, len(scores), CHUNK):
        length = min(CHUNK, len(scores) - start)
        _round(scores, start, length, chunk)
        for i in range(length):
            score = scores[start + i]
            if not score >= first:
                below += 1
            elif score > last:
                above += 1
            elif score == first:
                lowest += 1
            else:
                heads[(_offset(bits[i], low) >> rough) + 1] += 1
                pending[waiting] = score
                waiting += 1
    counts[0] += below
    counts[1] += lowest
    counts[-1] += above
    return waiting


@njit(cache=True, nogil=True)
def _order(scores, low, rough, heads):  # type: ignore[no-untyped-def]
    """Return the scores, range after range."""
    chunk = np.empty(CHUNK, np.float32)
    bits = chunk.view(np.uint32)
    ordered = np.empty_like(scores)
    for i in range(1, len(heads)):
        heads[i] += heads[i - 1]
    for start in range(0, len(scores), CHUNK):
        length = min(CHUNK, len(scores) - start)
        _round(scores, start, length, chunk)
        for i in range(length):
            place = _offset(bits[i], low) >> rough
            ordered[heads[place]] = scores[start + i]
            heads[place] += 1
    return ordered


@njit(cache=True, nogil=True)
def _count(scores, levels, low, shift, table, counts):  # type: ignore[no-untyped-def]
    """Add each score to the count at or below its level; no score is outside the levels."""
    chunk = np.empty(CHUNK, np.float32)
    bits = chunk.view(np.uint32)
    for start in range(0, len(scores), CHUNK):
        length = min(CHUNK, len(scores) - start)
        _round(scores, start, length, chunk)
        for i in range(length):
            score = scores[start + i]
            bucket = _offset(bits[i], low) >> shift
            begin, end = table[bucket], table[bucket + 1]
            while end - begin > 4:
                middle = (begin + end) >> 1
                if levels[middle] < score:
                    begin = middle + 1
                else:
                    end = middle
            level = begin
            for j in range(begin, end):
                level += levels[j] < score
            counts[2 * level + (levels[level] == score)] += 1
