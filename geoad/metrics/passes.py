"""One reading of all images after another, in this process or in several."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from itertools import zip_longest
from multiprocessing import get_context
from typing import Any, Protocol, Self, TypeVar

from geoad._parent import follow_parent
from geoad.metrics.pairs import END, checked_map, checked_mask
from geoad.ops._arrays import whole

Progress = Callable[[int], object]
Check = Callable[[Any, int | str, tuple[int, int]], Any]
SLICE = 8  # images that a process reads at a time


class Work(Protocol):
    """What one reading collects: `see` takes an image, `merge` what another process has seen of the next images.

    >>> class Count:
    ...     images = 0
    ...     def see(self, pixels, mark):
    ...         self.images += 1
    ...     def merge(self, other):
    ...         self.images += other.images
    >>> work: Work = Count()
    """

    def see(self, pixels: Any, mark: Any, /) -> None:
        """Take one image and its ground truth."""

    def merge(self, other: Self, /) -> None:
        """Take what another has seen."""


W = TypeVar("W", bound=Work)


@dataclass(frozen=True)
class Source:
    """Maps beside their ground truth `marks` (None: maps alone), each checked as it is read; `names` for errors.

    `check` checks the ground truth of one image: (mark, name, shape) → mark.

    >>> [(pixels.shape, mark) for pixels, mark in Source([[[1.0, 2.0]]], [None]).pairs()]
    [((1, 2), None)]
    """

    maps: Iterable[Any]
    marks: Iterable[Any] | None = None
    names: Sequence[str] | None = None
    check: Check = checked_mask

    def pairs(self) -> Iterator[tuple[Any, Any]]:
        """Yield one image after another; raise ValueError if there are more maps than masks or fewer."""
        if self.marks is None:
            yield from ((checked_map(pixels, self.name(i)), None) for i, pixels in enumerate(self.maps))
            return
        for i, (pixels, mark) in enumerate(zip_longest(self.maps, self.marks, fillvalue=END)):
            if pixels is END or mark is END:
                more, fewer = ("masks", "maps") if pixels is END else ("maps", "masks")
                raise ValueError(f"every map needs its mask: there are more {more} than {fewer} ({i})")
            yield self._checked(i, pixels, mark)

    def pair(self, i: int) -> tuple[Any, Any]:
        """Return image i, of sequences."""
        return self._checked(i, self.maps[i], None if self.marks is None else self.marks[i])  # type: ignore[index]

    def name(self, i: int) -> int | str:
        """Return what image i is called in errors."""
        return i if self.names is None else self.names[i]

    def count(self) -> int:
        """Return how many images there are; raise unless both are sequences of one length."""
        for name, arrays in (("maps", self.maps), ("masks", self.marks)):
            if arrays is not None and not (hasattr(arrays, "__len__") and hasattr(arrays, "__getitem__")):
                raise TypeError(f"{name} must be a sequence where jobs > 1, got {type(arrays).__name__}")
        count = len(self.maps)  # type: ignore[arg-type]
        if self.marks is not None and len(self.marks) != count:  # type: ignore[arg-type]
            raise ValueError(f"every map needs its mask: {count} maps, {len(self.marks)} masks")  # type: ignore[arg-type]
        return count

    def _checked(self, i: int, pixels: Any, mark: Any) -> tuple[Any, Any]:
        scores = checked_map(pixels, self.name(i))
        return scores, None if mark is None else self.check(mark, self.name(i), scores.shape)


class Reader:
    """Reads a source as often as asked: `run(work)` shows `work` every image, in order, and returns it.

    With `jobs` > 1 so many processes read slices, and what they have seen is merged in order: the sources travel there
    and must be sequences that can be pickled. `progress` is told how many images were read so far, in all readings.

    >>> class Names(list):
    ...     def see(self, pixels, mark):
    ...         self.append(pixels.shape)
    >>> with Reader(Source([[[1.0, 2.0]], [[3.0]]])) as reader:
    ...     reader.run(Names())
    [(1, 2), (1, 1)]
    """

    def __init__(self, source: Source, jobs: int = 1, progress: Progress | None = None) -> None:
        self.source, self.jobs, self.progress = source, whole("jobs", jobs), progress
        self._read = 0
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Self:
        if self.jobs > 1:
            self.source.count()  # raises where it is no sequence
            context = get_context("spawn")
            self._pool = ProcessPoolExecutor(self.jobs, context, initializer=_start, initargs=(self.source,))
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def run(self, work: W, *, marked: bool = True, size: int = SLICE) -> W:
        """Read everything once; `marked=False` reads the maps alone, `size` is how many images a process takes."""
        if self._pool is None:
            source = self.source if marked else replace(self.source, marks=None)
            for pixels, mark in source.pairs():
                work.see(pixels, mark)
                self._tell(1)
            return work
        count = self.source.count()
        size = min(size, -(-count // self.jobs) or 1)
        slices = [range(start, min(start + size, count)) for start in range(0, count, size)]
        fresh = copy.deepcopy(work)  # work travels when a process is free: by then some is merged
        futures = [self._pool.submit(_see_slice, fresh, part, marked) for part in slices]
        for part, future in zip(slices, futures, strict=True):
            work.merge(future.result())
            self._tell(len(part))
        return work

    def _tell(self, images: int) -> None:
        self._read += images
        if self.progress is not None:
            self.progress(self._read)


_sources: list[Source] = []
"""What a process reads, given to it when it starts."""


def _start(source: Source) -> None:
    follow_parent()
    _sources[:] = [source]


def _see_slice(work: W, part: range, marked: bool) -> W:
    """Show fresh work some images."""
    source = _sources[0] if marked else replace(_sources[0], marks=None)
    for i in part:
        work.see(*source.pair(i))
    return work
