"""Parts called good or anomalous by one score: at a threshold, or at the best one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad.metrics.classification import scores_and_labels, undefined
from geoad.metrics.operating_point import Confusion, check_threshold


class Best(NamedTuple):
    """The best value, and a threshold that reaches it: a score above `threshold` is anomalous.

    >>> Best(1.0, 0.5).threshold
    0.5
    """

    value: float
    threshold: float


def decide(scores: ArrayLike, labels: ArrayLike, threshold: float) -> Confusion:
    """Return the confusion matrix of `scores` (N,) > `threshold` against `labels` (N,), > 0 where anomalous.

    Raises ValueError for NaN, above which nothing is.

    >>> decide([3, 2, 1], [1, 0, 1], threshold=1.5)
    Confusion(tp=1, fp=1, tn=0, fn=1)
    """
    check_threshold(threshold)
    values, anomalous = scores_and_labels(scores, labels)
    above = values > threshold
    cells = (above & anomalous, above & ~anomalous, ~above & ~anomalous, ~above & anomalous)
    tp, fp, tn, fn = (int(np.count_nonzero(cell)) for cell in cells)
    return Confusion(tp, fp, tn, fn)


def best_f1(scores: ArrayLike, labels: ArrayLike) -> Best:
    """Return the highest F1 over all thresholds, and the threshold; of equal ones the highest.

    The threshold lies in the middle between two neighbouring scores. NaN, with a warning, where no label is anomalous.
    The labels choose the threshold: a bound of what can be reached, not what is reached.

    >>> best_f1([3, 2, 2, 1], [1, 1, 0, 0])
    Best(value=0.8, threshold=1.5)
    """
    steps = _Steps.of(scores, labels)
    if not steps.anomalous:
        return Best(undefined("anomalous"), np.nan)
    found = steps.tp + steps.fp
    return steps.best(2 * steps.tp / (steps.anomalous + found))


def best_balanced_accuracy(scores: ArrayLike, labels: ArrayLike) -> Best:
    """Return the highest mean of TPR and TNR over all thresholds, and the threshold; otherwise as `best_f1`.

    NaN, with a warning, where one class is missing.

    >>> best_balanced_accuracy([3, 2, 2, 1], [1, 1, 0, 0])
    Best(value=0.75, threshold=2.5)
    """
    steps = _Steps.of(scores, labels)
    if not steps.anomalous or not steps.good:
        return Best(undefined("anomalous" if steps.good else "good"), np.nan)
    return steps.best((steps.tp / steps.anomalous + 1 - steps.fp / steps.good) / 2)


def rate_pairs(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    """Return thresholds, TPR and TNR (n + 1,), from the one above which nothing is to the one above which all is.

    NaN rates where a class is missing.

    >>> [rates.tolist() for rates in rate_pairs([3, 2, 2, 1], [1, 1, 0, 0])]
    [[3.0, 2.5, 1.5, -inf], [0.0, 0.5, 1.0, 1.0], [1.0, 1.0, 0.5, 0.0]]
    """
    steps = _Steps.of(scores, labels)
    tpr = steps.tp / steps.anomalous if steps.anomalous else np.full(len(steps.tp), np.nan)
    tnr = 1 - steps.fp / steps.good if steps.good else np.full(len(steps.tp), np.nan)
    return steps.thresholds, tpr, tnr


class _Steps(NamedTuple):
    """Counts above each threshold, from the highest down."""

    thresholds: NDArray[np.float64]
    tp: NDArray[np.int64]
    fp: NDArray[np.int64]
    anomalous: int
    good: int

    @classmethod
    def of(cls, scores: ArrayLike, labels: ArrayLike) -> _Steps:
        values, anomalous = scores_and_labels(scores, labels)
        levels = np.unique(values)[::-1]
        with np.errstate(invalid="ignore"):  # half of the way between infinities is nowhere: the lower one will do
            middle = levels[1:] + (levels[:-1] - levels[1:]) / 2
        middle = np.where(np.isfinite(middle) & (middle < levels[:-1]), middle, levels[1:])
        thresholds = np.r_[levels[:1], middle, -np.inf if len(levels) else []]
        if len(levels) and np.isneginf(levels[-1]):  # above which no threshold calls it
            thresholds, levels = thresholds[:-1], levels[:-1]
        tp, fp = (
            np.r_[0, len(part) - np.searchsorted(np.sort(part), levels, side="left")].astype(np.int64)
            for part in (values[anomalous], values[~anomalous])
        )
        return cls(thresholds, tp, fp, int(anomalous.sum()), int((~anomalous).sum()))

    def best(self, value: NDArray[np.float64]) -> Best:
        at = int(np.argmax(value))
        return Best(float(value[at]), float(self.thresholds[at]))
