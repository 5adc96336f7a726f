"""How sure a number is: images drawn again and again, and two methods on the same draws."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad import _check
from geoad.metrics.curve import checked_limits
from geoad.metrics.profiles import Profiles
from geoad.metrics.ranking import LIMITS
from geoad.ops._arrays import to_numbers

Key = tuple[str, float | None]
Areas = NDArray[np.float64] | None
BLOCK = 32  # draws at a time


class Interval(NamedTuple):
    """The middle `level` of the draws lies between `low` and `high`.

    >>> Interval(0.7, 0.9).high
    0.9
    """

    low: float
    high: float


class Comparison(NamedTuple):
    """The `difference` of the areas a − b, the `interval` of the draws, and `p`: twice how often they say otherwise.

    >>> Comparison(0.1, Interval(0.05, 0.15), 0.01).p
    0.01
    """

    difference: float
    interval: Interval
    p: float


def bootstrap(
    profiles: Profiles,
    *,
    limits: float | Iterable[float] = LIMITS,
    image_areas: ArrayLike | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[Key, Interval]:
    """Return {(metric, limit): interval}: areas of as many images drawn with replacement, `resamples` times.

    Good and defective images are drawn apart, as many as there are. Metrics: au_pro, au_roc, au_iou at each of
    `limits`; pixel_auroc, pixel_ap, image_auroc, image_ap (limit None), and aupimo if `image_areas` gives the images'
    own. Areas are on the profiles' grid (`Profiles.grid_error`; exact for up to 2048 distinct scores), those of AUPIMO
    keep the thresholds of all good images.

    An interval over images says nothing about training again. Draws in which an area is undefined are left out of it;
    NaN where it is in all of them.

    >>> from geoad.metrics import profile_images
    >>> profiles = profile_images([np.eye(3) + 0.1, np.ones((3, 3)), np.zeros((3, 3))], [np.eye(3), np.eye(3), None])
    >>> bootstrap(profiles, limits=[0.3], resamples=50)["image_auroc", None]
    Interval(low=1.0, high=1.0)
    """
    _check_draws(resamples, level)
    drawn = _draw(profiles, checked_limits(limits), _checked_areas(profiles, image_areas), resamples, seed)
    return {key: _interval(values, level) for key, values in drawn.items()}


def compare(
    a: Profiles,
    b: Profiles,
    *,
    limits: float | Iterable[float] = LIMITS,
    image_areas: tuple[ArrayLike, ArrayLike] | None = None,
    resamples: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> dict[Key, Comparison]:
    """Return {(metric, limit): comparison} of two methods on the same images, in the same order: is a better than b?

    Both are drawn alike, so that what is hard for both does not count. Arguments as in `bootstrap`. Raises ValueError
    if the images are not the same.

    >>> from geoad.metrics import profile_images
    >>> good, poor = [np.eye(3), np.zeros((3, 3))], [1 - np.eye(3), np.zeros((3, 3))]
    >>> masks = [np.eye(3), None]
    >>> compare(profile_images(good, masks), profile_images(poor, masks), resamples=99)["au_pro", 0.3].p
    0.02
    """
    _check_draws(resamples, level)
    if not np.array_equal(a.labels, b.labels) or not np.array_equal(a.regions, b.regions):
        raise ValueError("a comparison needs the same images in the same order: their defects differ")
    limits, given = checked_limits(limits), image_areas or (None, None)
    if sum(each is None for each in given) == 1:
        raise ValueError("image_areas must be those of both methods, got one")
    areas = [_checked_areas(each, own) for each, own in zip((a, b), given, strict=True)]
    first, second = (_draw(each, limits, own, resamples, seed) for each, own in zip((a, b), areas, strict=True))
    whole = [_whole(each, limits, own) for each, own in zip((a, b), areas, strict=True)]
    compared = {}
    for key in first:
        away = first[key] - second[key]
        known = np.count_nonzero(~np.isnan(away))
        p = 2 * min(1 + np.count_nonzero(away <= 0), 1 + np.count_nonzero(away >= 0)) / (known + 1)
        difference = whole[0][key] - whole[1][key]
        compared[key] = Comparison(
            difference, _interval(away, level), math.nan if math.isnan(difference) else min(float(p), 1.0)
        )
    return compared


def _check_draws(resamples: int, level: float) -> None:
    _check.positive(resamples=resamples)
    if not 0 < level < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")


def _checked_areas(profiles: Profiles, image_areas: ArrayLike | None) -> Areas:
    if not len(profiles.labels):
        raise ValueError("profiles must be of at least one image, got none")
    if image_areas is None:
        return None
    own = to_numbers("image_areas", image_areas).astype(np.float64)
    _check.shape("image_areas", own, (len(profiles.labels),))
    return own


def _interval(values: NDArray[np.float64], level: float) -> Interval:
    known = values[~np.isnan(values)]
    if not len(known):
        return Interval(math.nan, math.nan)
    low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high))


def _whole(profiles: Profiles, limits: Iterable[float], image_areas: Areas) -> dict[Key, float]:
    """Return the areas of the images as they are, on the grid."""
    once = np.ones((1, len(profiles.labels)))
    return {key: float(values[0]) for key, values in _areas(profiles, once, limits, image_areas)}


def _draw(
    profiles: Profiles, limits: Iterable[float], image_areas: Areas, resamples: int, seed: int
) -> dict[Key, NDArray[np.float64]]:
    """Return the areas of every draw."""
    random = np.random.default_rng(seed)
    drawn: dict[Key, list[NDArray[np.float64]]] = {}
    for start in range(0, resamples, BLOCK):
        times = np.zeros((min(BLOCK, resamples - start), len(profiles.labels)))
        for kind in (profiles.labels, ~profiles.labels):
            if count := int(kind.sum()):
                times[:, kind] = random.multinomial(count, np.full(count, 1 / count), len(times))
        for key, values in _areas(profiles, times, limits, image_areas):
            drawn.setdefault(key, []).append(values)
    return {key: np.concatenate(parts) for key, parts in drawn.items()}


def _areas(
    profiles: Profiles, times: NDArray[np.float64], limits: Iterable[float], image_areas: Areas
) -> Iterator[tuple[Key, NDArray[np.float64]]]:
    """Yield each area of draws (R,) in which image i comes `times` (R, images) times."""
    with np.errstate(invalid="ignore", divide="ignore"):  # undefined areas are NaN
        false, true, overlap = (
            _from_nothing(times @ counts) for counts in (profiles.good, profiles.defective, profiles.overlap)
        )
        rate, recall = false / false[:, -1:], true / true[:, -1:]
        pro, iou = overlap / (times @ profiles.regions)[:, None], true / (true[:, -1:] + false)
        for limit in limits:
            for name, height in (("au_pro", pro), ("au_roc", recall), ("au_iou", iou)):
                yield (name, limit), _limited(rate, height, limit)
        yield ("pixel_auroc", None), _limited(rate, recall, 1.0)
        yield ("pixel_ap", None), _precision(true, false)
        yield from _image_areas(profiles, times)
        if image_areas is not None:
            kept = profiles.labels & np.isfinite(image_areas)  # a defective image whose mask is empty has no area
            yield ("aupimo", None), times[:, kept] @ image_areas[kept] / times[:, kept].sum(1)


def _image_areas(profiles: Profiles, times: NDArray[np.float64]) -> Iterator[tuple[Key, NDArray[np.float64]]]:
    order = np.argsort(-profiles.maxima, kind="stable")
    scores = profiles.maxima[order]
    start = np.flatnonzero(np.r_[True, scores[1:] != scores[:-1]])
    false, true = (
        _from_nothing(np.add.reduceat((times * kind)[:, order], start, axis=1))
        for kind in (~profiles.labels, profiles.labels)
    )
    yield ("image_auroc", None), _limited(false / false[:, -1:], true / true[:, -1:], 1.0)
    precision = true[:, 1:] / (true[:, 1:] + false[:, 1:])
    yield ("image_ap", None), np.sum(np.nan_to_num(precision) * np.diff(true), 1) / true[:, -1]


def _from_nothing(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Add up from the highest score down, from zero on."""
    return np.concatenate([np.zeros((len(counts), 1)), np.cumsum(counts, 1)], 1)


def _limited(x: NDArray[np.float64], y: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Return the areas under lines (R, N) up to `limit`, over `limit`."""
    left, right = x[:, :-1], x[:, 1:]
    begin, end = np.minimum(left, limit), np.minimum(right, limit)
    share = np.where(right > left, (end - left) / np.where(right > left, right - left, 1), 0)
    cut = y[:, :-1] + np.diff(y) * share
    return np.asarray(np.sum((end - begin) * (y[:, :-1] + cut), 1) / (2 * limit) + 0 * x[:, -1] * y[:, -1])


def _precision(true: NDArray[np.float64], false: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return average precisions: that at a level, and the mean of both ends between two."""
    found = true + false
    precision = np.where(found > 0, true / np.where(found > 0, found, 1), 1.0)
    ahead = np.where(found[:, :-1] > 0, precision[:, :-1], precision[:, 1:])
    height = precision[:, 1:].copy()
    height[:, 0::2] = (height[:, 0::2] + ahead[:, 0::2]) / 2
    return np.asarray(np.sum(height * np.diff(true), 1) / true[:, -1])
