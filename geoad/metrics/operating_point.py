"""Decisions at one threshold: what is found, what is missed, what is found that is not there."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad import _check
from geoad.metrics.pairs import check_iterable, check_reiterable
from geoad.metrics.passes import Progress, Reader, Source
from geoad.metrics.regions import check_connectivity, label_regions
from geoad.metrics.threshold_rules import quantile


@dataclass(frozen=True)
class Confusion:
    """True and false positives and negatives; a positive has a score strictly above the threshold.

    Rates are NaN where they divide by nothing.

    >>> confusion = Confusion(tp=16, fp=2, tn=78, fn=4)
    >>> confusion.tpr, round(confusion.precision, 4), round(confusion.iou, 4), confusion.fpr
    (0.8, 0.8889, 0.7273, 0.025)
    """

    tp: int
    fp: int
    tn: int
    fn: int

    @property
    def tpr(self) -> float:
        """Share of the anomalous that are found: recall."""
        return _share(self.tp, self.tp + self.fn)

    @property
    def tnr(self) -> float:
        """Share of the good that are let pass."""
        return _share(self.tn, self.tn + self.fp)

    @property
    def fpr(self) -> float:
        """Share of the good that are called anomalous."""
        return _share(self.fp, self.tn + self.fp)

    @property
    def precision(self) -> float:
        """Share of the found that are anomalous."""
        return _share(self.tp, self.tp + self.fp)

    @property
    def iou(self) -> float:
        """Intersection over union of the found and the anomalous."""
        return _share(self.tp, self.tp + self.fp + self.fn)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return _share(2 * self.tp, 2 * self.tp + self.fp + self.fn)

    @property
    def balanced_accuracy(self) -> float:
        """Mean of the rates at which both kinds are told right."""
        return (self.tpr + self.tnr) / 2


@dataclass(frozen=True, eq=False)
class PixelDecision:
    """All pixels of a test set at one threshold: their `confusion`, and the `overlaps` (regions,) found of each region.

    >>> PixelDecision(Confusion(1, 0, 1, 1), np.array([1.0, 0.0])).pro
    0.5
    """

    confusion: Confusion
    overlaps: NDArray[np.float64]

    @property
    def pro(self) -> float:
        """Mean per-region overlap; NaN without a region."""
        return float(self.overlaps.mean()) if len(self.overlaps) else math.nan

    def quantiles(self, shares: Iterable[float] = (0.25, 0.5, 0.75)) -> list[float]:
        """Return quantiles of the overlaps; NaN without a region."""
        shares = list(shares)
        return np.quantile(self.overlaps, shares).tolist() if len(self.overlaps) else [math.nan] * len(shares)


def decide_pixels(
    maps: Iterable[ArrayLike],
    masks: Iterable[ArrayLike | None],
    threshold: float,
    *,
    connectivity: int = 8,
    jobs: int = 1,
    progress: Progress | None = None,
) -> PixelDecision:
    """Return what pixels above `threshold` find of the masks' regions; maps are read once, otherwise as in `au_pro`.

    Raises ValueError for a threshold that is NaN.

    >>> decision = decide_pixels([[[0.9, 0.2, 0.8]]], [[[1, 1, 0]]], 0.5)
    >>> decision.confusion, decision.pro
    (Confusion(tp=1, fp=1, tn=0, fn=1), 0.5)
    """
    check_connectivity(connectivity)
    check_threshold(threshold)
    check_iterable("masks", masks)
    with Reader(Source(maps, masks), jobs, progress) as reader:
        found = reader.run(_Found(partial(_decide, threshold=threshold, connectivity=connectivity)))
    tp, fp, tn, fn = (int(count) for count in found.counts)
    return PixelDecision(Confusion(tp, fp, tn, fn), np.array(found.overlaps))


def check_threshold(threshold: float) -> None:
    """Raise ValueError for NaN: everything would be called good.

    >>> check_threshold(math.nan)
    Traceback (most recent call last):
    ValueError: threshold must be a number, got NaN
    """
    if np.isnan(_check.number("threshold", threshold)):
        raise ValueError("threshold must be a number, got NaN")


def threshold_at_fpr(maps: Iterable[ArrayLike], masks: Iterable[ArrayLike | None], fpr: float) -> float:
    """Return the smallest score above which at most the share `fpr` of all good pixels lies: for pictures, not for use.

    It is chosen on the test set; `Threshold` is for use. Maps and masks are read three times, four for float64. NaN
    without a good pixel.

    >>> threshold_at_fpr([[[1.0, 2.0, 3.0, 4.0, 9.0]]], [[[0, 0, 0, 0, 1]]], 0.25)
    3.0
    """
    if not 0 <= fpr < 1:
        raise ValueError(f"fpr must be a false positive rate in [0, 1), got {fpr}")
    check_reiterable("masks", masks)
    return quantile(_Good(Source(maps, masks)), 1 - fpr)


class _Good:
    """The scores of good pixels, image after image, as often as they are read."""

    def __init__(self, source: Source) -> None:
        check_reiterable("maps", source.maps)
        self.source = source

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (pixels if mask is None else pixels[~mask] for pixels, mask in self.source.pairs())


class _Found:
    """What was found in the images so far."""

    def __init__(self, decide: Any) -> None:
        self.decide, self.counts = decide, np.zeros(4, np.int64)
        self.overlaps: list[float] = []

    def see(self, pixels: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
        counts, overlaps = self.decide(pixels, mask)
        self.counts += counts
        self.overlaps += overlaps

    def merge(self, other: _Found) -> None:
        self.counts += other.counts
        self.overlaps += other.overlaps


def _decide(
    pixels: NDArray[Any], mask: NDArray[np.bool_] | None, threshold: float, connectivity: int
) -> tuple[list[int], list[float]]:
    above = pixels > np.float64(threshold)  # as in `decide`, whatever the precision of the map
    total = int(np.count_nonzero(above))
    if mask is None or not mask.any():
        return [0, total, above.size - total, 0], []
    labels, count = label_regions(mask, connectivity)
    sizes = np.bincount(labels.reshape(-1), minlength=count + 1)
    found = np.bincount(labels[above], minlength=count + 1)
    tp, defective = int(found[1:].sum()), int(sizes[1:].sum())
    return [tp, int(found[0]), int(sizes[0] - found[0]), defective - tp], (found[1:] / sizes[1:]).tolist()


def _share(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
