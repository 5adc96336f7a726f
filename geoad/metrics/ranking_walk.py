"""From counts at levels to the corners of curves: a walk down the scores, band after band."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from geoad.metrics.pixel_ranking import Corners
from geoad.metrics.score_store import WHOLE, Band

GRID = 1 << 15
STRIDE = 1 << 15  # levels at a time: a dozen arrays are made of them


class RankingWalk:
    """Adds up curves and areas over bands that come from the top down.

    `good` and `defective` count all pixels; `targets` are counts of good pixels beside which every corner is kept.

    >>> walk = RankingWalk(good=2, defective=1, targets=[])
    >>> walk.add(Band(np.array([0.5]), np.array([1]), np.array([1 << 62])), np.array([0]), np.array([1, 1]))
    >>> walk.corners().false.tolist(), walk.average_precision, walk.auroc
    ([0, 1, 1, 2], 0.5, 0.5)
    """

    def __init__(self, good: int, defective: int, targets: Iterable[float]) -> None:
        self.good, self.defective, self.targets = good, defective, np.array(list(targets), np.float64)
        self._twice = 0
        self._gained = self._straight = 0.0
        self._last = np.zeros(3, np.int64)
        start = np.zeros(1)
        whole = start.astype(np.int64)
        self._parts = [Corners(start + np.inf, whole, whole, whole, start, start, start)]

    def add(self, band: Band, good: NDArray[np.int64], between: NDArray[np.int64]) -> None:
        """Walk down a band: `good` (n,) good pixels at its levels, `between` (n + 1,) below, between and above them."""
        above = int(between[-1])
        for end in range(len(good), 0, -STRIDE):
            part = slice(max(end - STRIDE, 0), end)
            gaps = np.r_[between[part.start + 1 : end], above]
            piece = Band(band.levels[part], band.defective[part], band.weight[part])
            self._step(piece, good[part], gaps)
            above = int(self._last[0] + between[part.start])

    def _step(self, band: Band, good: NDArray[np.int64], gaps: NDArray[np.int64]) -> None:
        """Walk down some levels; `gaps` (n,) are the good pixels above each that are not above the next."""
        good, defective, weight = good[::-1], band.defective[::-1], band.weight[::-1]
        above = np.cumsum(gaps[::-1] + good) - good  # good pixels above each level
        true = self._last[1] + np.cumsum(defective)
        overlap = self._last[2] + np.cumsum(weight)
        self._add_precision(defective, true, above, good)
        self._twice += int(np.sum(defective * (2 * (self.good - above) - good)))
        self._keep(
            np.repeat(band.levels[::-1].astype(np.float64), 2),
            _interleave(above, above + good),
            _interleave(true - defective, true),
            _interleave(overlap - weight, overlap),
        )

    def corners(self) -> Corners:
        """Return the corners, the last with every pixel found."""
        end = [np.array([count]) for count in (self.good, *self._last[1:])]
        self._keep(np.array([-np.inf]), *end)
        names = [field.name for field in fields(Corners)]
        return Corners(*(np.concatenate([getattr(part, name) for part in self._parts]) for name in names))

    @property
    def auroc(self) -> float:
        """Area under the ROC curve of the pixels, in whole numbers until the last division."""
        return self._twice / (2 * self.defective * self.good)

    @property
    def average_precision(self) -> float:
        """Σ (Rᵢ − Rᵢ₋₁) Pᵢ over the distinct scores."""
        return self._gained / self.defective

    @property
    def pr_trapezoid(self) -> float:
        """The same with the mean of the precisions at both ends."""
        return self._straight / self.defective

    def _add_precision(
        self, defective: NDArray[np.int64], true: NDArray[np.int64], above: NDArray[np.int64], good: NDArray[np.int64]
    ) -> None:
        some = defective > 0
        gain, true, before = defective[some], true[some], above[some]
        precision = true / (true + before + good[some])
        found = true - gain + before
        ahead = np.where(found > 0, (true - gain) / np.maximum(found, 1), precision)
        self._gained += float(np.sum(gain * precision))
        self._straight += float(np.sum(gain * (precision + ahead))) / 2

    def _keep(
        self, score: NDArray[np.float64], false: NDArray[np.int64], true: NDArray[np.int64], overlap: NDArray[np.int64]
    ) -> None:
        """Choose corners and add the areas between them."""
        kept = np.flatnonzero(self._chosen(false, true, overlap))
        false, true, overlap = (np.r_[old, new] for old, new in zip(self._last, (false, true, overlap), strict=True))
        width = np.diff(false) / self.good
        last = self._parts[-1]
        starts = np.r_[0, kept[:-1] + 1]
        sums = [
            before[-1] + np.cumsum(np.add.reduceat(strips, starts))
            for before, strips in (
                (last.roc_sums, width * _middle(true)),
                (last.pro_sums, width * _middle(overlap.astype(np.float64))),
                (last.iou_sums, self._iou_strips(false, true)),
            )
        ]
        self._last = np.array([false[-1], true[-1], overlap[-1]])
        self._parts.append(Corners(score[kept], false[kept + 1], true[kept + 1], overlap[kept + 1], *sums))

    def _chosen(
        self, false: NDArray[np.int64], true: NDArray[np.int64], overlap: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return which corners stay: the first and last in a field of the grid, and those beside the targets."""
        field = (false * (GRID / self.good)).astype(np.int64)
        field += (true * (GRID / self.defective)).astype(np.int64)
        field += (overlap * (GRID / WHOLE)).astype(np.int64)
        change = field[1:] != field[:-1]
        chosen: NDArray[np.bool_] = np.r_[True, change] | np.r_[change, True]
        at = np.searchsorted(false, self.targets, side="right") - 1
        beside = np.r_[at, at + 1]
        chosen[beside[(beside >= 0) & (beside < len(chosen))]] = True
        return chosen

    def _iou_strips(self, false: NDArray[np.int64], true: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the areas under the IoU: straight over tied scores, a hyperbola over several distinct ones."""
        union = (self.defective + false).astype(np.float64)
        straight = np.diff(false) * _middle(true / union)
        bent = true[1:] * np.log(union[1:] / union[:-1])
        # Every second strip leads from one level to the next; there the scores are not known one by one.
        distinct = (np.diff(false) > 1) & (np.arange(len(straight)) % 2 == 0)
        return np.where(distinct, bent, straight) / self.good


def _interleave(first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.stack([first, second], 1).reshape(-1)


def _middle(heights: NDArray[np.int64] | NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean of neighbours."""
    return (heights[1:] + heights[:-1]) / 2
