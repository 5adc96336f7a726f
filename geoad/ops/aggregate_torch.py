"""The aggregation in plain torch, on any device: the geometry half is materialised."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter
from torch.nn.functional import leaky_relu, linear

from geoad.ops import _arrays


def forward(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Return (m, d_w + d_f), differentiable in every floating argument and as often as wanted."""
    check_table(index, len(points))
    neighbours = index.long()
    offset = points[: len(index), None] - points[neighbours]
    geometry = torch.cat([offset, _length(offset)], dim=-1)
    embedded = leaky_relu(linear(geometry, weight, bias), slope).mean(1)
    return torch.cat([embedded, _gather_mean(features, neighbours)], dim=-1)


def check_table(index: Tensor, count: int) -> None:
    """Raise ValueError unless all of a table, if it holds values, lie in [0, count).

    >>> check_table(torch.tensor([[-1]]), 3)
    Traceback (most recent call last):
    ValueError: index must lie in [0, 3), got values from -1 to -1
    """
    holds_values = type(index) in (Tensor, Parameter) and not index.is_meta  # fake tensors do not
    if holds_values and not torch.compiler.is_compiling():
        _arrays.check_range("index", index, count)


def _length(offset: Tensor) -> Tensor:
    """Return the lengths (m, k, 1) of offsets (m, k, 3), with derivatives of 0 where there is none, as often as wanted.

    Those of torch's norm are 0 there once, and then NaN.
    """
    square = offset.square().sum(-1, keepdim=True)
    none = square == 0
    return square.masked_fill(none, 1).sqrt().masked_fill(none, 0)


def _gather_mean(features: Tensor, index: Tensor) -> Tensor:
    """Average the neighbours' features, one neighbour at a time: no (m, k, d_f) tensor."""
    total = torch.zeros(len(index), features.shape[1], dtype=features.dtype, device=features.device)
    for column in index.T:
        total = total + features[column]
    return total / index.shape[1]
