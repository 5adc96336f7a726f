"""Saturated per-region overlap: a region is found when enough of it is, where only part of it can be called wrong."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike

from geoad.metrics.curve import checked_limits
from geoad.metrics.defects import Region, find_saturated
from geoad.metrics.pairs import check_iterable, checked_mask
from geoad.metrics.passes import Progress, Source
from geoad.metrics.pixel_ranking import PixelRanking
from geoad.metrics.ranking import LIMITS, rank_source

Maps = Iterable[ArrayLike]
Regions = Iterable[Iterable[tuple[ArrayLike, float]]]


@overload
def au_spro(maps: Maps, regions: Regions, *, limit: float = ...) -> float: ...
@overload
def au_spro(maps: Maps, regions: Regions, *, limit: Iterable[float]) -> dict[float, float]: ...
def au_spro(maps: Maps, regions: Regions, *, limit: float | Iterable[float] = 0.05) -> float | dict[float, float]:
    """Return the area under the saturated per-region overlap up to the false positive rate `limit`, over `limit`.

    `regions` holds for each image a list of (mask (H, W), saturation area in pixels): a region is one annotation, which
    may be in several parts and may overlap others; [] for a good image. Its overlap is min(found / saturation, 1), so
    that with the whole area it is that of `au_pro`. A pixel of any region is no good pixel. Several limits give a dict.

    Raises ValueError for an empty region and for a saturation area outside (0, size of the region]; everything else as
    in `au_pro`. Source: thesis section 6.3.3.

    >>> cables = [[1, 1, 0, 0, 1, 1, 0, 0]]
    >>> one_marked = [[1.0, 1.0, 0, 0, 0, 0, 0, 0]]
    >>> au_spro([one_marked], [[(cables, 2)]]), au_spro([one_marked], [[(cables, 4)]])
    (1.0, 0.5125)
    """
    limits = checked_limits(limit)
    areas = rank_saturated(maps, regions, limits=limits).au_pro(limits)
    return areas if isinstance(limit, Iterable) else areas[limit]


def rank_saturated(
    maps: Maps,
    regions: Regions,
    *,
    limits: float | Iterable[float] = LIMITS,
    names: list[str] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
) -> PixelRanking:
    """Return the curves of all pixels with the saturated overlap as `pro_curve`; arguments as in `au_spro`.

    `names`, `jobs` and `progress` as in `rank_pixels`.

    >>> rank_saturated([[[0.1, 0.4, 0.4]]], [[([[0, 0, 1]], 1)]]).auroc
    0.75
    """
    check_iterable("regions", regions)
    return rank_source(Source(maps, regions, names, checked_regions), find_saturated, limits, jobs, progress)


def checked_regions(regions: Any, name: int | str, shape: tuple[int, int]) -> list[Region]:
    """Return the checked regions of an image.

    >>> checked_regions([([[0, 1]], 2)], 7, (1, 2))
    Traceback (most recent call last):
    ValueError: region 0 of image 7: the saturation area must be in (0, 1], the size of the region, got 2
    """
    checked = []
    for i, (mask, saturation) in enumerate(regions):
        inside = checked_mask(mask, f"{i} of image {name}", shape)
        size = int(np.count_nonzero(inside))
        if not size:
            raise ValueError(f"region {i} of image {name} is empty: remove it from the list")
        if not 0 < saturation <= size:
            raise ValueError(
                f"region {i} of image {name}: the saturation area must be in (0, {size}], "
                f"the size of the region, got {saturation}"
            )
        checked.append((inside, float(saturation)))
    return checked
