"""What ranking every pixel of a test set by its score says, kept as counts at the scores of defective pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.metrics.curve import Curve, check_limit

MODES = ("exact", "official")
OFFICIAL_THRESHOLDS = 100


@dataclass(frozen=True, eq=False)
class PixelRanking:
    """Counts at the `levels` (n,), the distinct scores of defective pixels, ascending.

    `defective` (n,) counts the defective pixels at each level, `overlap` (n,) the mean share of a region that they
    are (sum 1). `good` (n,) counts the good pixels at each level and `between` (n + 1,) those below the first,
    between neighbours and above the last. `regions` is the number of regions, `maxima` (images,) each map's maximum.

    Recall and overlap change only at these scores, so the counts hold the exact curves of all pixels. With no defective
    or no good pixel in the whole set, numbers are NaN, with a warning.

    >>> from geoad.metrics import rank_pixels
    >>> ranking = rank_pixels([[[0.1, 0.4, 0.9]]], [[[0, 0, 1]]])
    >>> ranking.au_pro((0.05, 0.3)), ranking.auroc()
    ({0.05: 1.0, 0.3: 1.0}, 1.0)
    """

    levels: NDArray[np.float64]
    defective: NDArray[np.int64]
    overlap: NDArray[np.float64]
    good: NDArray[np.int64]
    between: NDArray[np.int64]
    regions: int
    maxima: NDArray[np.float64]

    def au_pro(self, limits: Iterable[float], mode: str = "exact") -> dict[float, float]:
        """Return the normalised area under the per-region overlap up to each of `limits`, false positive rates.

        `mode="exact"` is the curve through every distinct score. `mode="official"` reproduces MVTec 3D-AD's script:
        100 thresholds at equidistant ranks of the good pixels' scores, from which a rate is read off the rank even
        where scores are tied. It is too low at small limits.
        """
        _check.one_of("mode", mode, MODES)
        limits = list(limits)
        for limit in limits:
            check_limit(limit)
        if not self._complete():
            return dict.fromkeys(limits, float("nan"))
        curve = self.pro_curve if mode == "exact" else self.official_curve
        return {limit: curve.area(limit) for limit in limits}

    def auroc(self) -> float:
        """Return the area under the pixels' ROC curve; ties count half."""
        if not self._complete():
            return float("nan")
        below = np.cumsum(self.between[:-1]) + np.cumsum(self.good) - self.good
        # In integers, twice the area: the sum stays below 2^63 up to 2·10^9 pixels of either kind.
        return int(np.sum(self.defective * (2 * below + self.good))) / (2 * self._n_defective * self._n_good)

    @cached_property
    def pro_curve(self) -> Curve:
        """Mean per-region overlap over the false positive rate."""
        return self._curve(self.overlap, 1.0)

    @cached_property
    def roc_curve(self) -> Curve:
        """True positive rate over the false positive rate, pixels pooled."""
        return self._curve(self.defective, self._n_defective)

    @cached_property
    def official_curve(self) -> Curve:
        """The overlap curve of the published script's thresholds."""
        n = self._n_good
        rank = np.linspace(0, n - 1, OFFICIAL_THRESHOLDS, dtype=np.int64)  # of the threshold, among ascending scores
        ends = np.empty(2 * len(self.levels) + 1, np.int64)  # first rank after each interval and each level, in turn
        ends[0::2], ends[1::2] = self.between, self.good
        interval = np.searchsorted(np.cumsum(ends), rank, side="right")
        reached = np.r_[np.cumsum(self.overlap[::-1])[::-1], 0.0]  # overlap of scores from level j on
        overlap = reached[(interval + 1) // 2]  # strictly above the threshold
        return Curve(np.r_[1.0, 1 - (rank + 1) / n][::-1], np.r_[1.0, overlap][::-1])

    def _curve(self, rise: NDArray[np.int64] | NDArray[np.float64], total: float) -> Curve:
        """Walk down the scores: flat over the good pixels between two levels, then sloped over those at a level."""
        x = np.zeros(2 * len(self.levels) + 2, np.int64)
        x[1::2], x[2::2] = self.between[::-1], self.good[::-1]
        y = np.zeros(len(x))
        y[2::2] = rise[::-1]
        return Curve(np.cumsum(x) / self._n_good, np.minimum(np.cumsum(y) / total, 1.0))

    @cached_property
    def _n_defective(self) -> int:
        return int(self.defective.sum())

    @cached_property
    def _n_good(self) -> int:
        return int(self.good.sum() + self.between.sum())

    def _complete(self) -> bool:
        """Return whether there are both kinds of pixels; warn where not."""
        for kind, count in (("defective", self._n_defective), ("good", self._n_good)):
            if not count:
                warnings.warn(f"no {kind} pixel in any mask: the area is undefined (NaN)", RuntimeWarning, stacklevel=3)
                return False
        return True
