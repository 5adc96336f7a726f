"""A residual block of 3D-ST as one operation of autograd on the CPU: fewer passes over memory than of its parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from geoad.ops import _aggregate_op, leaky_pair_numba

SLOPE = 0.2  # of LeakyReLU


def serves(points: Tensor) -> bool:
    """Tell whether a block on these points may be taken as one: on the CPU, in their own precision, by our kernels.

    >>> serves(torch.zeros(4, 3)), serves(torch.zeros(4, 3).requires_grad_())
    (True, False)
    """
    differentiated = points.requires_grad and torch.is_grad_enabled()
    here = "cpu" in _aggregate_op.KERNELS and points.device.type == "cpu"
    return here and not differentiated and not torch.is_autocast_enabled("cpu")


class FusedBlock(torch.autograd.Function):
    """`apply(points, index, features, rows, enter…, first…, second…, leave…, skip…)`: (n, d) features to (rows[1], d).

    `points` (n, 3) and `features` (n, d) are of one dtype, `index` (n or fewer, k) names neighbours, `rows` are how
    many points each of the two aggregations is for. Of each layer follow weight and bias, those of the aggregations
    already scaled. Differentiable once, in the features and in the layers.

    >>> layers = [torch.ones(*shape) for a, b in ((1, 4), (1, 4), (2, 4), (4, 4), (4, 4)) for shape in ((a, b), (a,))]
    >>> index = torch.tensor([[1], [0]])
    >>> FusedBlock.apply(torch.zeros(2, 3), index, torch.zeros(2, 4), (2, 1), *layers)
    tensor([[6., 6., 6., 6.]])
    """

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, index: Tensor, features: Tensor, rows: tuple[int, int], *layers: Tensor
    ) -> Tensor:
        enter, first, second, leave, skip = zip(layers[::2], layers[1::2], strict=True)
        hidden = _dense(features, *enter)
        near = _aggregate_op.forward(points, index[: rows[0]], *first, hidden.expand(len(points), -1), SLOPE)
        far = _aggregate_op.forward(points[: rows[0]], index[: rows[1]], *second, near, SLOPE)
        sides = far @ leave[0].T, features[: rows[1]] @ skip[0].T
        out, ctx.signs = leaky_pair_numba.forward(*sides, (leave[1], skip[1]), SLOPE)
        ctx.rows = rows
        ctx.save_for_backward(points, index, features, hidden, far, *layers)
        return out

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        if torch.is_grad_enabled():  # torch's once_differentiable lets derivatives of named inputs be wrong
            raise NotImplementedError("a block has no second derivative here: let its points require a gradient")
        points, index, features, hidden, far, *layers = ctx.saved_tensors
        enter, first, second, leave, skip = layers[::2]
        rows, kept = ctx.rows, index[: ctx.rows[0]]  # by_x is the gradient to x, of_x those to the layer x
        single = len(features) < len(points)  # one row stands for all
        by_left, by_right = leaky_pair_numba.backward(gradient, ctx.signs, SLOPE)
        by_right = _folded(by_right) if single else by_right
        by_far = by_left @ leave
        of_second = _aggregate_op.backward_weight(points[: rows[0]], index[: rows[1]], second, layers[5], by_far, SLOPE)
        by_near = _aggregate_op.backward_features(rows[0], index[: rows[1]], by_far, len(second))
        of_first = _aggregate_op.backward_weight(points, kept, first, layers[3], by_near, SLOPE)
        if single:
            by_hidden = _folded(by_near[:, len(first) :])
        else:
            by_hidden = _aggregate_op.backward_features(len(points), kept, by_near, len(first))
        by_hidden = _undo(by_hidden, hidden)
        by_features = None
        if ctx.needs_input_grad[2]:
            by_features = by_hidden @ enter
            by_features[: rows[1]].addmm_(by_right, skip)
        of_dense = (_of(by_hidden, features), _of(by_left, far), _of(by_right, features[: rows[1]]))
        return None, None, by_features, None, *of_dense[0], *of_first, *of_second, *of_dense[1], *of_dense[2]


def _dense(features: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return torch.nn.functional.leaky_relu_(torch.addmm(bias, features, weight.T), SLOPE)


def _undo(gradient: Tensor, result: Tensor) -> Tensor:
    """Return the gradient before LeakyReLU: the result has the sign of what it came from."""
    return torch.ops.aten.leaky_relu_backward(gradient, result, SLOPE, True)  # type: ignore[no-any-return]


def _folded(gradient: Tensor) -> Tensor:
    return gradient.sum(0, keepdim=True)


def _of(gradient: Tensor, features: Tensor) -> tuple[Tensor, Tensor]:
    """Return the gradients of weight and bias."""
    return gradient.T @ features, gradient.sum(0)
