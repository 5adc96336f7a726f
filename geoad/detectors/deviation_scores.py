"""How many deviations values are away from those of good scans: the scores of variation models (Steger 2018)."""

from __future__ import annotations

from typing import Literal, get_args

from torch import Tensor

from geoad import _check
from geoad.nn.moments import Moments
from geoad.nn.sparse_moments import CellMoments

Reduce = Literal["norm", "max", "mean"]


def check_deviation_keywords(reduce: str, floor: float | None) -> None:
    """Raise ValueError for an unknown `reduce`, and for a `floor` that is neither None, to be chosen, nor in (0, ∞).

    >>> check_deviation_keywords("norm", 0.0)
    Traceback (most recent call last):
    ValueError: floor must be positive, got 0.0
    """
    _check.one_of("reduce", reduce, get_args(Reduce))
    _check.positive(floor=floor)


def deviation_scores(values: Tensor, moments: Moments | CellMoments, floor: float, reduce: Reduce = "norm") -> Tensor:
    """Return |values - mean| / max(deviation, floor) of (C, …) reduced over C; `moments` are of the flattened values.

    "norm" is the Mahalanobis distance of independent channels (thesis, eqs. 2.22 and 2.23).

    >>> import torch
    >>> moments = Moments(1)
    >>> moments.see(torch.tensor([[1.0], [2.0], [3.0]]))
    >>> [round(float(deviation_scores(torch.tensor([[x]]), moments, floor=0.1)), 4) for x in (5.0, -1.0, 2.0)]
    [3.6742, 3.6742, 0.0]
    """
    z = (values - moments.mean.reshape(values.shape)).abs() / moments.std.clamp_min(floor).reshape(values.shape)
    if reduce == "max":
        return z.amax(0)
    return z.mean(0) if reduce == "mean" else z.square().sum(0).sqrt()
