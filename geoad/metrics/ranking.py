"""Rank the pixels of a source in two passes: sort the defective ones, then count the good ones between them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad.metrics.counting import LevelCounter
from geoad.metrics.curve import checked_limits
from geoad.metrics.defects import Defects
from geoad.metrics.pairs import check_reiterable
from geoad.metrics.passes import Progress, Reader, Source
from geoad.metrics.pixel_ranking import Corners, PixelRanking, official_ranks
from geoad.metrics.ranking_walk import RankingWalk
from geoad.metrics.score_store import CAPACITY, Band, ScoreStore

LIMITS = (0.01, 0.05, 0.1, 0.3, 1.0)
SAMPLE = 512  # scores of a map that become levels beside the defective ones: what the area under the IoU needs
SAMPLES = 1 << 16  # of all maps


def rank_source(
    source: Source,
    find: Callable[[Any, Any], Defects],
    limits: float | Iterable[float] = LIMITS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> PixelRanking:
    """Rank the pixels of a source; `find(pixels, mark)` says what is defective in an image.

    >>> from geoad.metrics.defects import find_defects
    >>> rank_source(Source([[[0.1, 0.4]]], [[[0, 1]]]), find_defects).auroc
    1.0
    """
    check_reiterable("maps", source.maps)
    limits = checked_limits(limits)
    with Reader(source, jobs, progress) as reader:
        survey = reader.run(Survey(find, None if jobs > 1 else CAPACITY))
        if jobs > 1:
            survey.store.limit(CAPACITY)
        return _rank(survey, reader, limits)


class Survey:
    """The first pass: defective scores, sizes, maxima, and some scores of good pixels.

    >>> import numpy as np
    >>> from geoad.metrics.defects import find_defects
    >>> survey = Survey(find_defects)
    >>> survey.see(np.array([[1.0, 2.0]]), np.array([[True, False]]))
    >>> survey.store.counted, survey.maxima, survey.sample[0].tolist()
    (1, [2.0], [1.0, 2.0])
    """

    def __init__(self, find: Callable[[Any, Any], Defects], capacity: int | None = None) -> None:
        self.find, self.store = find, ScoreStore(capacity)
        self.maxima: list[float] = []
        self.shapes: list[tuple[int, ...]] = []
        self.marked: list[int] = []
        self.sample: list[NDArray[np.floating]] = []

    def see(self, pixels: NDArray[Any], mark: Any) -> None:
        """Take one image."""
        self.maxima.append(float(pixels.max(initial=-np.inf)))
        self.shapes.append(pixels.shape)
        # An odd step does not walk down one column of an even number of them.
        self.sample.append(pixels.reshape(-1)[:: pixels.size // SAMPLE | 1].copy())
        defects = None if mark is None else self.find(pixels, mark)
        self.marked.append(-1 if defects is None else int(defects.counted.sum()))
        if defects is not None:
            self.store.add(defects)

    def merge(self, other: Survey) -> None:
        """Take what another process has seen."""
        self.store.merge(other.store)
        for name in ("maxima", "shapes", "marked", "sample"):
            getattr(self, name).extend(getattr(other, name))

    @property
    def pixels(self) -> int:
        """How many there are in all."""
        return sum(int(np.prod(shape)) for shape in self.shapes)

    def levels(self) -> NDArray[np.floating]:
        """Return the sample, thinned to a bounded number whatever the order of the images."""
        scores = np.sort(np.concatenate([np.zeros(0, np.float32), *self.sample]))
        return scores[:: max(-(-len(scores) // SAMPLES), 1)]


class Count:
    """A later pass: how many scores lie at and between levels.

    >>> import numpy as np
    >>> count = Count(np.array([1.0]))
    >>> count.see(np.array([[0.0, 1.0]]))
    >>> count.counter.equal.tolist(), count.shapes
    ([1], [(1, 2)])
    """

    def __init__(self, levels: NDArray[np.floating]) -> None:
        self.counter = LevelCounter(levels)
        self.shapes: list[tuple[int, ...]] = []

    def see(self, pixels: NDArray[Any], mark: None = None) -> None:  # noqa: ARG002
        """Take one map."""
        self.counter.add(pixels)
        self.shapes.append(pixels.shape)

    def merge(self, other: Count) -> None:
        """Take what another process has counted."""
        self.counter.merge(other.counter)
        self.shapes += other.shapes


def _rank(survey: Survey, reader: Reader, limits: Iterable[float]) -> PixelRanking:
    """Count the good pixels between the defective scores, band after band, and draw the curves."""
    defective = survey.store.counted
    good = survey.pixels - defective
    facts = (good, defective, survey.store.regions, np.array(survey.maxima), np.array(survey.marked, np.int64))
    if not good or not defective:
        return PixelRanking(Corners.empty(), *facts, *[float("nan")] * 3)
    targets = [*(limit * good for limit in (*LIMITS, *limits)), *official_ranks(good)]
    walk, higher = RankingWalk(good, defective, targets), 0
    for band in survey.store.bands(survey.levels()):
        if len(band.levels):
            walk.add(band, *_count_good(reader, survey, band, higher))
            higher += int(band.defective.sum())
    return PixelRanking(walk.corners(), *facts, walk.auroc, walk.average_precision, walk.pr_trapezoid)


def _count_good(reader: Reader, survey: Survey, band: Band, higher: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the maps again; return the good pixels at and between the levels, `higher` defective ones being above."""
    count = reader.run(Count(band.levels), marked=False, size=1 << 30)
    good = count.counter.equal - band.defective  # every pixel was counted, the defective ones at their levels
    between = count.counter.between.copy()
    between[-1] -= higher
    between[0] -= survey.store.counted - higher - int(band.defective.sum())
    if count.shapes != survey.shapes or (good < 0).any() or between[-1] < 0 or between[0] < 0:
        raise ValueError("maps changed between the two readings: they must be the same every time they are iterated")
    return good, between
