"""How well anomaly maps localise defects: exact areas over all pixels, from two passes over the maps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import overload

from numpy.typing import ArrayLike

from geoad import _check
from geoad.metrics.curve import checked_limits
from geoad.metrics.defects import find_defects
from geoad.metrics.pairs import check_iterable
from geoad.metrics.passes import Progress, Source
from geoad.metrics.pixel_ranking import PixelRanking
from geoad.metrics.ranking import LIMITS, rank_source
from geoad.metrics.regions import check_connectivity
from geoad.metrics.sizes import COMMUNITY, MODES, community_maps, community_masks

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
    give a dict, limit → value. A constant map has limit / 2.

    Modes: "exact"; "official", the thresholds of MVTec 3D-AD's script (`PixelRanking.au_pro`); "community-224", the
    same after maps and masks were made 224×224 as in the scripts that papers copy (`geoad.metrics.sizes`).

    Maps are read twice, one at a time, or as often as the defective pixels have millions and once more; memory stays
    below some 100 MB. NaN, with a warning, if no pixel is defective or none is good. Raises ValueError for NaN in a map
    and for a mask of another size, naming the image.

    Source: thesis eq. 2.11 and section 4.4 (there `connectivity=4`; the published scripts have 8).

    >>> import numpy as np
    >>> maps = [np.array([[3.0, 1.0, 2.0, 0.0]]), np.zeros((2, 2))]
    >>> au_pro(maps, [np.array([[1, 1, 0, 0]]), None], limit=0.5)
    0.8333333333333334
    """
    _check.one_of("mode", mode, MODES)
    limits = checked_limits(limit)
    if mode == COMMUNITY:
        maps, masks = community_maps(maps), community_masks(masks)
    ranking = rank_pixels(maps, masks, connectivity=connectivity, limits=limits)
    areas = ranking.au_pro(limits, "exact" if mode == "exact" else "official")
    return areas if isinstance(limit, Iterable) else areas[limit]


def pixel_auroc(maps: Maps, masks: Masks) -> float:
    """Return the area under the ROC curve of all pixels of all images, exact, ties counting half.

    Arguments and errors as in `au_pro`.

    >>> pixel_auroc([[[0.1, 0.4, 0.4]]], [[[0, 0, 1]]])
    0.75
    """
    ranking = rank_pixels(maps, masks)
    return ranking.auroc if ranking.is_complete() else float("nan")


def rank_pixels(
    maps: Maps,
    masks: Masks,
    *,
    connectivity: int = 8,
    limits: float | Iterable[float] = LIMITS,
    names: Sequence[str] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> PixelRanking:
    """Return the exact curves of all pixels, from which every localisation metric follows: areas cost one ranking.

    Arguments and errors as in `au_pro`; areas are exact up to `limits`. `names` call the images in errors (None: their
    numbers). `jobs` processes read slices of sequences that can be pickled; `progress` is told how many maps were read,
    twice each. Only the scores of defective pixels are sorted; the second pass counts the others between them.

    >>> ranking = rank_pixels([[[0.1, 0.4, 0.4]]], [[[0, 0, 1]]])
    >>> ranking.au_pro([1.0]), ranking.auroc, ranking.maxima.tolist()
    ({1.0: 0.75}, 0.75, [0.4])
    """
    check_connectivity(connectivity)
    check_iterable("masks", masks)
    find = partial(find_defects, connectivity=connectivity)
    return rank_source(Source(maps, masks, names), find, limits, jobs, progress)
