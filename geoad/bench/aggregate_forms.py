"""The aggregation of 3D-ST in eager torch, with the tensors that the fused kernels do without."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

SLOPE = 0.2


def _embed(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, first: int) -> Tensor:
    """Return LeakyReLU(W·g + b) of every edge; the centres are numbered from `first`."""
    offset = points[first : first + len(index), None] - points[index]
    return leaky_relu(linear(torch.cat([offset, offset.norm(dim=-1, keepdim=True)], dim=-1), weight, bias), SLOPE)


def concatenate_then_mean(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, *, first: int = 0
) -> Tensor:
    """Return the mean of what is concatenated edge by edge: the naive form, as the paper draws it.

    >>> points, index, one = torch.zeros(1, 3), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1)
    >>> concatenate_then_mean(points, index, torch.ones(1, 4), one, 5 * torch.ones(1, 1)).tolist()
    [[1.0, 5.0]]
    """
    return torch.cat([_embed(points, index, weight, bias, first), features[index]], dim=-1).mean(1)


def mean_then_concatenate(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor) -> Tensor:
    """Return the means of both halves side by side: the gather-mean form, with less of it in memory.

    >>> points, index, one = torch.zeros(1, 3), torch.zeros(1, 1, dtype=torch.int64), torch.ones(1)
    >>> mean_then_concatenate(points, index, torch.ones(1, 4), one, 5 * torch.ones(1, 1)).tolist()
    [[1.0, 5.0]]
    """
    return torch.cat([_embed(points, index, weight, bias, 0).mean(1), features[index].mean(1)], dim=-1)
