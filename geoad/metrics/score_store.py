"""The scores of defective pixels, in memory or, when there are many, in a temporary file; sorted band after band."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad.metrics.defects import Defects

CAPACITY = 1 << 20  # pixels that are held and sorted at once: some 60 bytes each
WHOLE = float(1 << 62)
"""Overlap is counted in units of 2^-62 of the mean over all regions: sums of integers are the same in every order."""
FIELDS = np.dtype([("score", "f8"), ("share", "f8"), ("counted", "?")])


class Band(NamedTuple):
    """Distinct scores `levels` (n,), ascending, of defective pixels and, without any, of a sample of the others.

    `defective` (n,) counts the defective pixels at each level, `weight` (n,) is the overlap gained there.

    >>> Band(np.array([0.5]), np.array([3]), np.array([1 << 62])).defective.tolist()
    [3]
    """

    levels: NDArray[np.floating]
    defective: NDArray[np.int64]
    weight: NDArray[np.int64]


class ScoreStore:
    """Takes the defects of image after image, and gives them away sorted, ties joined, in bands from the top down.

    Holds `capacity` pixels in memory (None: all of them) and the rest in a temporary file.

    >>> store = ScoreStore()
    >>> store.add(Defects(np.array([1.0, 2.0, 1.0]), np.full(3, 1 / 3), np.ones(3, bool), 1))
    >>> [(band.levels.tolist(), band.defective.tolist()) for band in store.bands()]
    [([1.0, 2.0], [2, 1])]
    """

    def __init__(self, capacity: int | None = CAPACITY) -> None:
        self.capacity = capacity
        self.regions = self.counted = 0
        self._parts: list[Defects] = []
        self._held = self._spilled = 0
        self._file: IO[bytes] | None = None

    def add(self, defects: Defects) -> None:
        """Take the defects of one image, or of several."""
        if not len(defects.scores):  # of any type of numbers: the scores' own would be lost
            return
        self.regions += defects.regions
        self.counted += int(np.count_nonzero(defects.counted))
        self._parts.append(defects)
        self._held += len(defects.scores)
        if self.capacity is not None and (self._held > self.capacity or self._file is not None):
            self._spill()

    def merge(self, other: ScoreStore) -> None:
        """Take what another store in memory holds."""
        for defects in other._parts:
            self.add(defects)

    def limit(self, capacity: int) -> None:
        """Hold no more than `capacity` pixels in memory from now on."""
        self.capacity = capacity
        if self._held > capacity:
            self._spill()

    def bands(self, sample: NDArray[np.floating] | None = None) -> Iterator[Band]:
        """Yield bands of about `capacity` pixels, the highest scores first; `sample` adds levels of good pixels."""
        extra = np.zeros(0, np.float32) if sample is None else np.unique(sample) + sample.dtype.type(0)
        edges = [-np.inf, *self._edges(), np.inf]
        for low, high in zip(edges[-2::-1], edges[:0:-1], strict=True):
            band = self._band(low, high)
            inside = extra[(extra <= high) & ((extra > low) | (low == -np.inf))]
            yield _with_levels(band, inside)

    def _band(self, low: float, high: float) -> Band:
        """Join the ties of the scores in (low, high]; the lowest band holds -inf too."""
        parts: list[tuple[NDArray[Any], ...]] = []
        for scores, share, counted in self._parts_between(low, high):
            weight = np.rint(share * (WHOLE / max(self.regions, 1))).astype(np.int64)
            part = scores, counted.astype(np.int8), weight
            parts.append(part if self._file is None else _sum_ties(*part))
        columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
        del parts
        return _sum_ties(*columns)

    def _parts_between(self, low: float, high: float) -> Iterator[tuple[NDArray[Any], ...]]:
        """Yield scores in (low, high], their shares and counts; what is held in memory goes away with them."""
        if self._file is None:
            yield np.zeros(0, np.float32), np.zeros(0), np.zeros(0, bool)
            while self._parts:
                yield self._parts.pop()[:3]
            return
        for chunk in self._chunks():
            inside = chunk[(chunk["score"] <= high) & ((chunk["score"] > low) | (low == -np.inf))]
            yield inside["score"], inside["share"], inside["counted"]

    def _spill(self) -> None:
        """Append what is held to the file."""
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the store
        for defects in self._parts:
            records = np.empty(len(defects.scores), FIELDS)
            records["score"], records["share"], records["counted"] = defects[:3]
            self._file.write(records.tobytes())
        self._spilled += self._held
        self._parts, self._held = [], 0

    def _chunks(self) -> Iterator[NDArray[np.void]]:
        """Yield the file's records, a part of the capacity at a time."""
        assert self._file is not None and self.capacity is not None
        self._file.seek(0)
        length = max(self.capacity // 4, 1) * FIELDS.itemsize
        while content := self._file.read(length):
            yield np.frombuffer(content, FIELDS)

    def _edges(self) -> list[float]:
        """Return scores, ascending, that part the file's records into bands of about the capacity."""
        if self._file is None:
            return []
        assert self.capacity is not None
        step = max(self._spilled >> 14, 1)
        sample = np.sort(np.concatenate([chunk["score"][::step].copy() for chunk in self._chunks()]))
        bands = -(-self._spilled // self.capacity)
        return sorted({float(sample[len(sample) * i // bands]) for i in range(1, bands)} - {np.inf, -np.inf})


def _sum_ties(scores: NDArray[Any], defective: NDArray[Any], weight: NDArray[np.int64]) -> Band:
    """Sort by score and add what stands at the same."""
    if not len(scores):
        return Band(scores, defective.astype(np.int64), weight)
    order = np.argsort(scores)
    scores = scores[order]
    start = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    defective = np.add.reduceat(defective[order], start, dtype=np.int64)
    return Band(scores[start] + scores.dtype.type(0), defective, np.add.reduceat(weight[order], start))


def _with_levels(band: Band, extra: NDArray[np.floating]) -> Band:
    """Add levels at which there is no defective pixel."""
    extra = extra[~np.isin(extra, band.levels)]
    place = np.searchsorted(band.levels, extra)
    levels = np.insert(band.levels.astype(np.result_type(band.levels, extra), copy=False), place, extra)
    return Band(levels, np.insert(band.defective, place, 0), np.insert(band.weight, place, 0))
