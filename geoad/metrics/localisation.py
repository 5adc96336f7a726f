"""How well anomaly maps localise defects: exact areas over all pixels, from two passes over the maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad import _check
from geoad.metrics.counting import LevelCounter
from geoad.metrics.curve import check_limit
from geoad.metrics.pairs import Pair, check_reiterable, read_map, read_pairs
from geoad.metrics.pixel_ranking import MODES, PixelRanking
from geoad.metrics.regions import check_connectivity, label_regions

Maps = Iterable[ArrayLike]
Masks = Iterable[ArrayLike | None]


@overload
def au_pro(maps: Maps, masks: Masks, *, limit: float = ..., mode: str = ..., connectivity: int = ...) -> float: ...
@overload
def au_pro(
    maps: Maps, masks: Masks, *, limit: Iterable[float], mode: str = ..., connectivity: int = ...
) -> dict[float, float]: ...
def au_pro(
    maps: Maps,
    masks: Masks,
    *,
    limit: float | Iterable[float] = 0.3,
    mode: str = "exact",
    connectivity: int = 8,
) -> float | dict[float, float]:
    """Return the area under the per-region overlap up to the false positive rate `limit`, divided by `limit`.

    `maps` and `masks` are sequences or re-iterables of (H, W) arrays, one pair an image, at native size, which may
    differ between images. A region is a connected component of `mask > 0`; every region weighs the same, every good
    pixel of every image counts in the false positive rate. A mask may be None: a good image. Several limits
    give a dict, limit → value. The modes are explained at `PixelRanking.au_pro`. A constant map has limit / 2.

    Maps are read twice, one at a time; memory grows with the defective pixels only. NaN, with a warning, if no pixel
    is defective or none is good. Raises ValueError for NaN in a map and for a mask of another size, naming the image.

    Source: thesis eq. 2.11 and section 4.4 (there `connectivity=4`; the published scripts have 8).

    >>> import numpy as np
    >>> maps = [np.array([[3.0, 1.0, 2.0, 0.0]]), np.zeros((2, 2))]
    >>> au_pro(maps, [np.array([[1, 1, 0, 0]]), None], limit=0.5)
    0.8333333333333334
    """
    _check.one_of("mode", mode, MODES)
    limits = list(limit) if isinstance(limit, Iterable) else [limit]
    for value in limits:
        check_limit(value)
    areas = rank_pixels(maps, masks, connectivity=connectivity).au_pro(limits, mode)
    return areas if isinstance(limit, Iterable) else areas[limit]


def pixel_auroc(maps: Maps, masks: Masks) -> float:
    """Return the area under the ROC curve of all pixels of all images, exact, ties counting half.

    Arguments and errors as in `au_pro`.

    >>> pixel_auroc([[[0.1, 0.4, 0.4]]], [[[0, 0, 1]]])
    0.75
    """
    return rank_pixels(maps, masks).auroc()


def rank_pixels(maps: Maps, masks: Masks, *, connectivity: int = 8, names: Sequence[str] | None = None) -> PixelRanking:
    """Return the counts from which every localisation metric follows: several areas cost one ranking.

    Arguments and errors as in `au_pro`; `names` call the images in errors (None: their numbers). Only the scores of
    defective pixels are sorted; a second pass over the maps counts the others between them.

    >>> ranking = rank_pixels([[[0.1, 0.4, 0.4]]], [[[0, 0, 1]]])
    >>> ranking.au_pro([1.0]), ranking.auroc(), ranking.maxima.tolist()
    ({1.0: 0.75}, 0.75, [0.4])
    """
    check_reiterable("maps", maps)
    check_connectivity(connectivity)
    seen = _defective_pixels(read_pairs(maps, masks, names), connectivity)
    share = 1 / (len(seen.sizes) * seen.sizes[seen.region]) if len(seen.sizes) else np.zeros(0)
    order = np.argsort(seen.scores)
    scores = seen.scores[order]
    start = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]][: len(scores)])
    defective = np.diff(np.r_[start, len(scores)])
    overlap = np.add.reduceat(share[order], start) if len(start) else share
    levels = scores[start]
    good, between = _count_good(maps, levels, defective, seen.shapes)
    return PixelRanking(
        levels.astype(np.float64), defective, overlap, good, between, len(seen.sizes), np.array(seen.maxima)
    )


class _Defective(NamedTuple):
    scores: NDArray[np.floating]  # of the defective pixels of all images
    region: NDArray[np.int32]  # each pixel's region, numbered through
    sizes: NDArray[np.int64]  # of each region
    maxima: list[float]  # of each map
    shapes: list[tuple[int, ...]]  # of each map


def _defective_pixels(pairs: Iterable[Pair], connectivity: int) -> _Defective:
    """Read maps and masks once and keep the defective pixels."""
    scores: list[NDArray[np.floating]] = [np.zeros(0, np.float32)]
    region, sizes = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
    maxima: list[float] = []
    shapes: list[tuple[int, ...]] = []
    regions = 0
    for pixels, mask in pairs:
        maxima.append(float(pixels.max(initial=-np.inf)))
        shapes.append(pixels.shape)
        if mask is None or not mask.any():
            continue
        labels, count = label_regions(mask, connectivity)
        inside = np.flatnonzero(labels)
        label = labels.reshape(-1)[inside] - 1
        scores.append(pixels.reshape(-1)[inside])
        region.append(label + np.int32(regions))
        sizes.append(np.bincount(label, minlength=count))
        regions += count
    return _Defective(np.concatenate(scores), np.concatenate(region), np.concatenate(sizes), maxima, shapes)


def _count_good(
    maps: Maps, levels: NDArray[np.floating], defective: NDArray[np.int64], shapes: list[tuple[int, ...]]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read the maps again; return the good pixels at and between the levels."""
    if not len(levels):
        return np.zeros(0, np.int64), np.array([sum(int(np.prod(shape)) for shape in shapes)], np.int64)
    counter = LevelCounter(levels)
    again = []
    for index, pixels in enumerate(maps):
        array = read_map(pixels, index)
        counter.add(array)
        again.append(array.shape)
    good = counter.equal - defective  # every pixel was counted, the defective ones at their levels
    if again != shapes or (good < 0).any():
        raise ValueError("maps changed between the two readings: they must be the same every time they are iterated")
    return good, counter.between
