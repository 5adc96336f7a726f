"""What each image adds to the curves, on a grid of scores: small enough to keep, enough to resample images."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad.metrics.counting import LevelCounter
from geoad.metrics.defects import Defects, find_defects
from geoad.metrics.localisation import rank_pixels
from geoad.metrics.pairs import check_reiterable
from geoad.metrics.passes import Progress, Reader, Source
from geoad.metrics.pixel_ranking import Corners, PixelRanking

LEVELS = 2048
MEMORY = 1 << 26  # bytes of all profiles: with more images, fewer levels


@dataclass(frozen=True, eq=False)
class Profiles:
    """Counts of each image in bins from the highest score down: above the top level, at it, between it and the next, …

    `good`, `defective` (images, bins) are pixels, `overlap` (images, bins) sums the regions' shares, `regions`
    (images,) counts them; `maxima` (images,) are the scores, `labels` (images,) says which hold a defect. Levels are
    scores of the whole set, close where a false positive rate is small. Bins at a level are exact; in those between two
    levels good and defective scores are taken as evenly mixed, which is wrong by at most half of their product.

    >>> profiles = profile_images([[[0.1, 0.4, 0.9]]], [[[0, 0, 1]]])
    >>> profiles.good.tolist(), profiles.defective.tolist()
    ([[0, 0, 0, 1, 0, 1, 0]], [[0, 1, 0, 0, 0, 0, 0]])
    """

    good: NDArray[np.int32]
    defective: NDArray[np.int32]
    overlap: NDArray[np.float64]
    regions: NDArray[np.int64]
    maxima: NDArray[np.float64]
    labels: NDArray[np.bool_]

    def grid_error(self, limit: float) -> float:
        """Return a bound of how far the grid's area under per-region overlap up to `limit` is from the exact one."""
        good, overlap = self.good.sum(0), self.overlap.sum(0) / max(self.regions.sum(), 1)
        rate = np.cumsum(good) / max(good.sum(), 1)
        mixed = (good / max(good.sum(), 1) * overlap / 2)[0::2]
        return float(mixed[(rate - good / max(good.sum(), 1))[0::2] < limit].sum()) / limit


def profile_images(
    maps: Iterable[ArrayLike],
    masks: Iterable[ArrayLike | None],
    ranking: PixelRanking | None = None,
    *,
    connectivity: int = 8,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Profiles:
    """Return the profiles of images, for `bootstrap` and `compare`; arguments as in `rank_pixels`.

    `ranking` is that of the same images (None: it is made, which reads the maps twice more). Memory stays below 64 MB
    for any number of images: 2048 levels up to 1000 images, fewer beyond.

    >>> profile_images([np.zeros((2, 2))], [np.eye(2)]).regions.tolist()
    [1]
    """
    check_reiterable("maps", maps)
    check_reiterable("masks", masks)
    if ranking is None:
        ranking = rank_pixels(maps, masks, connectivity=connectivity, jobs=jobs)
    find = partial(find_defects, connectivity=connectivity)
    return profile_source(Source(maps, masks), find, ranking, jobs, progress)


def profile_source(
    source: Source,
    find: Callable[[Any, Any], Defects],
    ranking: PixelRanking,
    jobs: int = 1,
    progress: Progress | None = None,
) -> Profiles:
    """Return the profiles of a source's images; `find` as in `rank_source`, whose `ranking` it needs.

    >>> from geoad.metrics.ranking import rank_source
    >>> source = Source([[[0.1, 0.4]]], [[[0, 1]]])
    >>> profile_source(source, find_defects, rank_source(source, find_defects)).labels.tolist()
    [True]
    """
    fitting = MEMORY // (32 * max(len(ranking.maxima), 1))
    levels = choose_levels(ranking.corners, max(min(LEVELS, fitting), 16))
    with Reader(source, jobs, progress) as reader:
        seen = reader.run(_Profile(find, levels))
    bins = 2 * len(levels) + 1
    good, defective, overlap = (
        np.array([row[i] for row in seen.rows]).reshape(len(seen.rows), bins)[:, ::-1] for i in range(3)
    )
    regions = np.array([row[3] for row in seen.rows], np.int64)
    return Profiles(good, defective, overlap, regions, ranking.maxima, regions > 0)


def choose_levels(corners: Corners, count: int) -> NDArray[np.float64]:
    """Return up to `count` scores, ascending, at even steps of overlap, recall and a rate that is wide near 0.

    >>> choose_levels(Corners.empty(), 9).tolist()
    [0.0]
    """
    inside = np.isfinite(corners.score)
    if not inside.any():
        return np.zeros(1)
    rate = corners.false[inside] / max(corners.false[-1], 1)
    wide = np.log1p(rate * 1e4) / np.log1p(1e4)
    overlap, true = (part[inside] / max(part[-1], 1) for part in (corners.overlap, corners.true))
    scores, first = np.unique(corners.score[inside], return_index=True)
    if len(scores) <= count:
        return scores
    walk = (wide + overlap + true)[first]  # falls as the scores rise
    places = np.searchsorted(-walk, np.linspace(-walk[0], -walk[-1], count))
    chosen: NDArray[np.float64] = scores[np.unique(np.minimum(places, len(scores) - 1))]
    return chosen


class _Profile:
    """The rows of the images so far."""

    def __init__(self, find: Callable[[Any, Any], Defects], levels: NDArray[np.float64]) -> None:
        self.find, self.levels = find, levels
        self.rows: list[tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64], int]] = []

    def see(self, pixels: NDArray[Any], mark: Any) -> None:
        bins = 2 * len(self.levels) + 1
        counter = LevelCounter(self.levels)
        counter.add(pixels)
        every = np.empty(bins, np.int64)
        every[0::2], every[1::2] = counter.between, counter.equal
        if mark is None:
            self.rows.append((every.astype(np.int32), np.zeros(bins, np.int32), np.zeros(bins), 0))
            return
        found = self.find(pixels, mark)
        place = np.searchsorted(self.levels, found.scores)
        at = self.levels[np.minimum(place, len(self.levels) - 1)] == found.scores
        place = 2 * place + at
        defective = np.bincount(place[found.counted], minlength=bins)
        overlap = np.bincount(place, found.share, minlength=bins).astype(np.float64)
        self.rows.append(((every - defective).astype(np.int32), defective.astype(np.int32), overlap, found.regions))

    def merge(self, other: _Profile) -> None:
        self.rows += other.rows
