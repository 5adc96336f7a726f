"""How well scores separate two classes: areas over all thresholds, exact under ties."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import ArrayLike, NDArray

from geoad import _check
from geoad.ops._arrays import to_array, to_mask, to_numbers


def roc_auc(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the area under the ROC curve of `scores` (N,) for `labels` (N,), > 0 where anomalous; ties count half.

    NaN, with a warning, where one class is missing. Raises ValueError for NaN among the scores.

    >>> roc_auc([3, 2, 2, 1], [1, 1, 0, 0])
    0.875
    """
    scores, anomalous = scores_and_labels(scores, labels)
    high, low = scores[anomalous], np.sort(scores[~anomalous])
    if not len(high) or not len(low):
        return undefined("anomalous" if len(low) else "good")
    twice = np.searchsorted(low, high, side="left").sum() + np.searchsorted(low, high, side="right").sum()
    return int(twice) / (2 * len(high) * len(low))


def average_precision(scores: ArrayLike, labels: ArrayLike) -> float:
    """Return the sum over distinct scores of precision times the recall gained, Σ (Rᵢ − Rᵢ₋₁) Pᵢ.

    `scores` (N,), `labels` (N,), > 0 where anomalous. NaN, with a warning, where no label is anomalous; 1 where all
    are. Raises ValueError for NaN among the scores.

    >>> average_precision([3, 2, 2, 1], [1, 1, 0, 0])
    0.8333333333333333
    """
    scores, anomalous = scores_and_labels(scores, labels)
    if not anomalous.any():
        return undefined("anomalous")
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.r_[np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1]  # of every group of equal scores
    found = np.cumsum(anomalous[order])[last]
    return float(np.sum(np.diff(found, prepend=0) * (found / (last + 1))) / found[-1])


def scores_and_labels(scores: ArrayLike, labels: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return checked scores (N,) and which are anomalous (N,).

    >>> scores_and_labels([0.5, 2], [0, 253])[1].tolist()
    [False, True]
    """
    values, given = to_numbers("scores", scores).astype(np.float64), to_array("labels", labels)
    if given.dtype.kind not in "biuf" or (given.dtype.kind == "f" and not (given % 1 == 0).all()):
        raise ValueError("labels must be whole numbers, 0 where good: the order is (scores, labels)")
    anomalous = to_mask("labels", given)
    _check.shape("scores", values, ("N",))
    _check.shape("labels", anomalous, (len(values),))
    if np.isnan(values).any():
        raise ValueError(f"scores must not be NaN, got NaN at index {int(np.isnan(values).argmax())}")
    return values, anomalous


def undefined(kind: str) -> float:
    """Return NaN and say why.

    >>> with warnings.catch_warnings(action="ignore"):
    ...     undefined("good")
    nan
    """
    warnings.warn(f"no {kind} label: the area is undefined (NaN)", RuntimeWarning, stacklevel=3)
    return float("nan")
