"""The local feature aggregation of 3D-ST, fused: no (n, k, d) tensor forward or backward."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import leaky_relu, linear

from geoad import _check
from geoad.ops import aggregate_numba

BACKENDS = ("numba", "torch")


def aggregate(
    points: Tensor,
    index: Tensor,
    weight: Tensor,
    bias: Tensor,
    features: Tensor,
    *,
    slope: float = 0.2,
    backend: str | None = None,
) -> Tensor:
    """Average, over the neighbours of each point, an embedding of the offsets beside the neighbours' features.

    Row i of the result (m, d_w + d_f) is concat(mean_j LeakyReLU(W·g_ij + b), mean_j f_j) over the neighbours j in
    `index[i]`, with g_ij = (x_i − x_j, ‖x_i − x_j‖) (thesis eq. 10.1 and fig. 10.4b). `points` (n, 3), `features`
    (n, d_f), `weight` (d_w, 4), `bias` (d_w,), `index` (m, k) integers in [0, n) with m ≤ n: the first m points are
    the centres. Differentiable in weight, bias and features, not in the coordinates.

    `backend`: "numba" (CPU) or "torch" (any device; materialises (m, k, d_w)); None takes numba for CPU tensors.

    >>> import torch
    >>> points = torch.tensor([[0.0, 0, 0], [1, 0, 0]])
    >>> aggregate(points, torch.tensor([[1], [0]]), torch.ones(1, 4), torch.zeros(1), torch.tensor([[5.0], [7]]))
    tensor([[0., 7.],
            [2., 5.]])
    """
    _check_shapes(points, index, weight, bias, features)
    if backend is None:
        backend = "numba" if points.device.type == "cpu" else "torch"
    _check.one_of("backend", backend, BACKENDS)
    if backend == "torch":
        return _plain(points, index, weight, bias, features, slope)
    if points.device.type != "cpu":
        raise ValueError(f'backend "numba" needs CPU tensors, got points on {points.device}')
    return _Aggregate.apply(points, index, weight, bias, features, slope)  # type: ignore[no-any-return, no-untyped-call]


def _check_shapes(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor) -> None:
    _check.shape("points", points, ("n", 3))
    _check.shape("index", index, ("m", "k"))
    _check.shape("weight", weight, ("d_w", 4))
    _check.shape("bias", bias, (len(weight),))
    _check.shape("features", features, (len(points), "d_f"))
    if len(index) > len(points):
        raise ValueError(f"index must have at most one row a point ({len(points)}), got {len(index)}")
    if index.numel():
        values = index.numpy() if index.device.type == "cpu" else index  # numpy's minimum is the faster one
        low, high = int(values.min()), int(values.max())
        if low < 0 or high >= len(points):
            raise ValueError(f"index must lie in [0, {len(points)}), got values from {low} to {high}")


def _plain(points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float) -> Tensor:
    """The same in plain torch: the feature half is a gather-mean, the geometry half is materialised."""
    neighbours = index.long()
    offset = points[: len(index), None] - points[neighbours]
    geometry = torch.cat([offset, offset.norm(dim=-1, keepdim=True)], dim=-1)
    embedded = leaky_relu(linear(geometry, weight, bias), slope).mean(1)
    return torch.cat([embedded, _gather_mean(features, neighbours)], dim=-1)


def _gather_mean(features: Tensor, index: Tensor) -> Tensor:
    total = torch.zeros(len(index), features.shape[1], dtype=features.dtype, device=features.device)
    for column in index.T:
        total = total + features[column]
    return total / index.shape[1]


class _Aggregate(torch.autograd.Function):
    @staticmethod
    def forward(ctx, points, index, weight, bias, features, slope):  # type: ignore[no-untyped-def]
        table = index.to(torch.int32).contiguous()
        ctx.save_for_backward(points, table, weight, bias)
        ctx.slope = slope
        return aggregate_numba.forward(points.detach(), table, weight.detach(), bias.detach(), features.detach(), slope)

    @staticmethod
    def backward(ctx, gradient):  # type: ignore[no-untyped-def]
        points, table, weight, bias = ctx.saved_tensors
        gradient = gradient.contiguous()
        by_weight = by_bias = by_features = None
        if ctx.needs_input_grad[2] or ctx.needs_input_grad[3]:
            by_weight, by_bias = aggregate_numba.backward_weight(points, table, weight, bias, gradient, ctx.slope)
        if ctx.needs_input_grad[4]:
            by_features = aggregate_numba.backward_features(len(points), table, gradient, len(weight))
        return None, None, by_weight, by_bias, by_features, None
