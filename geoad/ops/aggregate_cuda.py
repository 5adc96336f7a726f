"""CUDA kernels of `aggregate`, with the signatures of its CPU kernels.

Nothing of size (m, k, d) is made, no sum is left to the order in which threads arrive: equal bits on every run. The
features' gradient is gathered over the transposed graph, which torch's stable sort makes.
"""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from geoad.ops import _cuda

LIMIT = 2**31


def forward(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """Return (m, d_w + d_f) from index (m, k) int32."""
    width, rest = len(weight), features.shape[1]
    out = torch.empty(len(index), width + rest, dtype=points.dtype, device=points.device)
    inputs = _alike(points, weight, bias, features)
    _run(
        "geoad_aggregate_forward",
        *(inputs[0], index, *index.shape, *inputs[1:3], width, inputs[3], rest, ctypes.c_double(slope), out),
    )
    return out


def backward_weight(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    """Return the gradients (d_w, 4) and (d_w,)."""
    width = len(weight)
    size = _cuda.measure("geoad_aggregate_partials", len(index), width)
    partial, by_weight, by_bias = (points.new_empty(shape) for shape in (size, (width, 4), width))
    inputs = _alike(points, weight, bias, gradient)
    _run(
        "geoad_aggregate_backward_weight",
        *(inputs[0], index, *index.shape, *inputs[1:3], width, inputs[3], gradient.shape[1], ctypes.c_double(slope)),
        *(partial, by_weight, by_bias),
    )
    return by_weight, by_bias


def backward_features(n: int, index: Tensor, gradient: Tensor, width: int) -> Tensor:
    """Return the gradient (n, d_f): each point gathers from the rows that it is a neighbour of, in their order."""
    if index.numel() >= LIMIT:
        raise ValueError(f'backend "cuda" takes fewer than {LIMIT} edges, got {index.numel()}')
    rest = gradient.shape[1] - width
    keys, order = torch.sort(index.reshape(-1), stable=True)
    starts = torch.empty(n + 1, dtype=torch.int64, device=index.device)
    out = gradient.new_empty(n, rest)
    _run(
        "geoad_aggregate_backward_features",
        *(gradient.contiguous(), keys, order, index.numel(), index.shape[1], n, width, rest, starts, out),
    )
    return out


def _alike(points: Tensor, *others: Tensor) -> list[Tensor]:
    """Return contiguous tensors of the points' precision."""
    return [tensor.detach().to(points.dtype).contiguous() for tensor in (points, *others)]


def _run(name: str, first: Tensor, *others: object) -> None:
    """Call an exported function in the precision of its first tensor; raise TypeError for another than these two."""
    if first.dtype not in (torch.float32, torch.float64):
        raise TypeError(f'backend "cuda" computes in float32 or float64, got {first.dtype}')
    _cuda.call(name, first.device, first.dtype == torch.float64, first, *others)
