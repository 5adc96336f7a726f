"""AUPIMO: recall image by image, where nearly nothing is found on good images."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Sized
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad.metrics.pairs import check_reiterable
from geoad.metrics.passes import Progress, Reader, Source

BOUNDS = (1e-5, 1e-4)


def aupimo(
    maps: Iterable[ArrayLike],
    masks: Iterable[ArrayLike | None],
    *,
    bounds: tuple[float, float] = BOUNDS,
    jobs: int = 1,
    progress: Progress | None = None,
) -> NDArray[np.float64]:
    """Return for each image the mean recall of its defective pixels over false positive rates within `bounds`.

    The rate is the mean of the good images' own rates, from good images (mask None or empty) alone; the mean is over
    the logarithm of the rate: ∫ recall dlog(rate) / log(upper / lower). Thresholds are all distinct scores of the good
    images; between two rates the recall is straight, which matters under ties only. A rate cannot be told apart below
    1 / (good pixels). Good images are NaN: `numpy.nanmean` gives the paper's average, and the spread is worth a look.

    Maps and masks are sequences or re-iterables, read twice, one at a time; in memory are the highest good scores only.
    NaN everywhere, with a warning, where there is no good or no defective image. `jobs` and `progress` as in
    `rank_pixels`. Source: Bertoldo et al., AUPIMO, 2024, section 3.

    >>> maps = [np.linspace(0, 1, 10_000).reshape(100, 100), np.array([[2.0, 0.0]])]
    >>> aupimo(maps, [None, np.array([[1, 1]])], bounds=(1e-3, 1e-2)).round(12).tolist()
    [nan, 0.5]
    """
    low, high = bounds
    if not 0 < low < high <= 1:
        raise ValueError(f"bounds must be false positive rates, 0 < lower < upper ≤ 1, got {bounds}")
    check_reiterable("maps", maps)
    check_reiterable("masks", masks)
    with Reader(Source(maps, masks), jobs, progress) as reader:
        top = reader.run(_Top(high, _count(maps)))
        if not top.good or top.good == top.images:
            kind = "defective" if top.good else "good"
            warnings.warn(f"no {kind} image: the area is undefined (NaN)", RuntimeWarning, stacklevel=2)
            return np.full(top.images, np.nan)
        return np.array(reader.run(_Recalls(*top.rates(), bounds)).areas)


class _Top:
    """The highest scores of good images, as many as can matter for rates up to `high`."""

    def __init__(self, high: float, images: int) -> None:
        self.high, self.most = high, images
        self.images = self.good = 0
        self.scores, self.shares = np.zeros(0), np.zeros(0)

    def see(self, pixels: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
        self.images += 1
        if mask is None or not mask.any():
            self.good += 1
            # Rates are means over good images: no score matters that this image alone puts above the bound.
            wanted = min(math.ceil(self.high * self.most * pixels.size) + 1, pixels.size)
            flat = pixels.reshape(-1)
            least = np.partition(flat, pixels.size - wanted)[pixels.size - wanted]
            kept = flat[flat >= least].astype(np.float64)
            self._add(kept, np.full(len(kept), 1 / pixels.size))

    def merge(self, other: _Top) -> None:
        self.images += other.images
        self.good += other.good
        self._add(other.scores, other.shares)

    def rates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the distinct scores, descending, and the rate of those at or above each."""
        levels = np.unique(self.scores)[::-1]
        order = np.argsort(-self.scores, kind="stable")
        ends = np.searchsorted(-self.scores[order], -levels, side="right")
        return levels, np.cumsum(self.shares[order])[ends - 1] / self.good

    def _add(self, scores: NDArray[np.float64], shares: NDArray[np.float64]) -> None:
        """Join what is there, and drop what is below all that can matter, ties with the last kept."""
        scores, shares = np.r_[self.scores, scores], np.r_[self.shares, shares]
        order = np.argsort(-scores, kind="stable")
        enough = int(np.searchsorted(np.cumsum(shares[order]), self.high * self.most, side="right")) + 1
        if enough < len(order):
            order = order[scores[order] >= scores[order[enough - 1]]]
        self.scores, self.shares = scores[order], shares[order]


class _Recalls:
    """The normalised areas of the images so far."""

    def __init__(self, levels: NDArray[np.float64], rates: NDArray[np.float64], bounds: tuple[float, float]) -> None:
        self.levels, self.rates, self.bounds = levels, rates, bounds
        self.areas: list[float] = []

    def see(self, pixels: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
        found = pixels[mask] if mask is not None else pixels[:0].reshape(-1)
        if not len(found):
            self.areas.append(math.nan)
            return
        ordered = np.sort(-found.astype(np.float64))
        above = np.searchsorted(ordered, -self.levels, side="left") / len(found)
        at = np.searchsorted(ordered, -self.levels, side="right") / len(found)
        self.areas.append(_log_area(self.rates, above, at, self.bounds))

    def merge(self, other: _Recalls) -> None:
        self.areas += other.areas


def _log_area(
    rates: NDArray[np.float64], above: NDArray[np.float64], at: NDArray[np.float64], bounds: tuple[float, float]
) -> float:
    """Integrate the recall over the logarithm of the rate, between the bounds, and divide by their distance.

    Each good level is a step of the rate: the recall goes from that `above` the level to that `at` it, straight.
    """
    low, high = bounds
    left, right = np.r_[0.0, rates[:-1]], rates
    begin, end = np.clip(left, low, high), np.clip(right, low, high)
    slope = (at - above) / (right - left)
    start = above - slope * left
    area = np.sum(start * np.log(end / begin) + slope * (end - begin))
    return float(area / math.log(high / low))


def _count(arrays: Iterable[Any]) -> int:
    return len(arrays) if isinstance(arrays, Sized) else sum(1 for _ in arrays)
