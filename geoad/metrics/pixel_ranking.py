"""What ranking every pixel of a test set by its score says: corners of curves, and the areas between them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.metrics.curve import Curve, checked_limits

NO_CURVE = Curve(np.empty(0), np.empty(0))
OFFICIAL = 100


@dataclass(frozen=True, eq=False)
class Corners:
    """Corners (V,) of the curves, from the highest score down: how much is found at or above each.

    `score`; `false`, `true`: good and defective pixels; `overlap`, the mean share of regions times `whole`; `*_sums`,
    the areas under ROC (true pixels), per-region overlap and IoU up to the corner's false positive rate, not divided.

    >>> Corners.empty().score
    array([], dtype=float64)
    """

    score: NDArray[np.float64]
    false: NDArray[np.int64]
    true: NDArray[np.int64]
    overlap: NDArray[np.int64]
    roc_sums: NDArray[np.float64]
    pro_sums: NDArray[np.float64]
    iou_sums: NDArray[np.float64]

    @classmethod
    def empty(cls) -> Corners:
        """Return no corners."""
        return cls(*(np.zeros(0, kind) for kind in ("f8", "i8", "i8", "i8", "f8", "f8", "f8")))


@dataclass(frozen=True, eq=False)
class PixelRanking:
    """The exact curves of all pixels, and what follows from them.

    `good` and `defective` count the pixels, `regions` the regions; `maxima` (images,) is each map's maximum, `marked`
    (images,) how many pixels its mask marks, −1 without one. `auroc` and `average_precision` (Σ (Rᵢ − Rᵢ₋₁) Pᵢ) are of
    the pixels; `pr_trapezoid` is the area under precision over recall with straight lines between the thresholds.

    Of long curves the corners are kept that a grid of 2^-15 can tell apart, with the exact areas between them, and all
    corners beside the limits that were asked for: areas up to these are exact, up to others to 1e-7. With no defective
    or no good pixel in the whole set, numbers are NaN, with a warning.

    >>> from geoad.metrics import rank_pixels
    >>> ranking = rank_pixels([[[0.1, 0.4, 0.9]]], [[[0, 0, 1]]])
    >>> ranking.au_pro((0.05, 0.3)), ranking.auroc
    ({0.05: 1.0, 0.3: 1.0}, 1.0)
    """

    corners: Corners
    good: int
    defective: int
    regions: int
    maxima: NDArray[np.float64]
    marked: NDArray[np.int64]
    auroc: float
    average_precision: float
    pr_trapezoid: float

    def au_pro(self, limits: float | Iterable[float], mode: str = "exact") -> dict[float, float]:
        """Return the normalised area under the per-region overlap up to each of `limits`, false positive rates.

        `mode="exact"` is the curve through every distinct score. `mode="official"` reproduces MVTec 3D-AD's script:
        100 thresholds at equidistant ranks of the good pixels' scores, from which a rate is read off the rank even
        where scores are tied. It is too low at small limits.
        """
        _check.one_of("mode", mode, ("exact", "official"))
        return self._areas(limits, self.pro_curve if mode == "exact" else self.official_curve)

    def au_roc(self, limits: float | Iterable[float]) -> dict[float, float]:
        """Return the normalised area under the ROC curve of the pixels up to each of `limits`."""
        return self._areas(limits, self.roc_curve)

    def au_iou(self, limits: float | Iterable[float]) -> dict[float, float]:
        """Return the normalised area under the IoU over the false positive rate up to each of `limits`.

        Good scores between two kept ones count as distinct; exact for small sets, to about 1e-6 for large ones.
        """
        return self._areas(limits, self.iou_curve)

    @property
    def pro_curve(self) -> Curve:
        """Mean per-region overlap over the false positive rate."""
        if not len(self.corners.overlap):
            return NO_CURVE
        scale = 1 / self.corners.overlap[-1]
        return Curve(self._rate, self.corners.overlap / self.corners.overlap[-1], self.corners.pro_sums * scale)

    @property
    def roc_curve(self) -> Curve:
        """True positive rate over the false positive rate, pixels pooled."""
        if not len(self.corners.true):
            return NO_CURVE
        return Curve(self._rate, self.corners.true / self.defective, self.corners.roc_sums / self.defective)

    @property
    def iou_curve(self) -> Curve:
        """Intersection over union of prediction and mask, pixels pooled, over the false positive rate."""
        if not len(self.corners.true):
            return NO_CURVE
        return Curve(self._rate, self.corners.true / (self.defective + self.corners.false), self.corners.iou_sums)

    @property
    def pr_curve(self) -> Curve:
        """Precision over recall; without a prediction there is no precision: it begins with that of the first."""
        found = self.corners.true[1:] + self.corners.false[1:]
        if not (some := found > 0).any():
            return NO_CURVE
        recall, precision = self.corners.true[1:][some] / self.defective, self.corners.true[1:][some] / found[some]
        return Curve(np.r_[0.0, recall], np.r_[precision[0], precision])

    @property
    def official_curve(self) -> Curve:
        """The overlap curve of the published script's thresholds."""
        if not len(self.corners.overlap):
            return NO_CURVE
        above = official_ranks(self.good)
        at = np.searchsorted(self.corners.false, above, side="right") - 1  # overlap strictly above the threshold
        overlap = self.corners.overlap[at] / self.corners.overlap[-1]
        return Curve(np.r_[above / self.good, 1.0], np.r_[overlap, 1.0])

    @property
    def _rate(self) -> NDArray[np.float64]:
        return self.corners.false / self.good

    def _areas(self, limits: float | Iterable[float], curve: Curve) -> dict[float, float]:
        limits = checked_limits(limits)
        if not self.is_complete():
            return dict.fromkeys(limits, float("nan"))
        return {limit: curve.area(limit) for limit in limits}

    def is_complete(self) -> bool:
        """Return whether there are defective and good pixels; warn where not."""
        for kind, count in (("defective", self.defective), ("good", self.good)):
            if not count:
                warnings.warn(f"no {kind} pixel in any mask: the area is undefined (NaN)", RuntimeWarning, stacklevel=3)
                return False
        return True


def official_ranks(good: int) -> NDArray[np.int64]:
    """Return how many good pixels lie above each threshold of the published script, ascending.

    >>> official_ranks(1000)[:3].tolist()
    [0, 11, 21]
    """
    rank = np.linspace(0, good - 1, OFFICIAL, dtype=np.int64)  # among ascending scores
    return (good - 1 - rank)[::-1]
