"""Instance norm without parameters, its gradient and the gradient's, each in few passes over memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function


def instance_norm(maps: Tensor, eps: float = 1e-5) -> Tensor:
    """Return maps (B, C, ...), each less its mean and over its deviation, as `torch.nn.functional.instance_norm` does.

    It can be differentiated twice. The sums are in full precision at least.

    >>> instance_norm(torch.tensor([[[1.0, 3.0]]])).round(decimals=3).tolist()
    [[[-1.0, 1.0]]]
    """
    made: Tensor = _Norm.apply(maps.to(torch.promote_types(maps.dtype, torch.float32)), eps)  # type: ignore[no-untyped-call]
    return made.to(maps.dtype)


class _Norm(Function):
    """y = s (x - mean of x), where s = 1 / √(variance + eps)."""

    @staticmethod
    def forward(ctx: Any, maps: Tensor, eps: float) -> Tensor:
        made, mean = torch.empty_like(maps), _mean(maps)
        scale = torch.empty_like(mean)
        for x, y, m, s in _parts(maps, made, mean, scale):
            torch.sub(x, m, out=y)
            s.copy_((_mean(y.square()) + eps).rsqrt_())
            y.mul_(s)
        ctx.save_for_backward(maps, mean, scale)
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return _Gradient.apply(gradients[0], *ctx.saved_tensors), None  # type: ignore[no-untyped-call]


class _Gradient(Function):
    """P(g) = s (g - mean of g - y · mean of g y), the gradient to x if g is that to y."""

    @staticmethod
    def forward(ctx: Any, gradient: Tensor, maps: Tensor, mean: Tensor, scale: Tensor) -> Tensor:
        made = torch.empty_like(maps)
        for g, x, p, m, s in _parts(gradient, maps, made, mean, scale):
            y = (x - m).mul_(s)
            torch.addcmul(g - _mean(g), y, _mean(g * y), value=-1, out=p)
            p.mul_(s)
        ctx.save_for_backward(gradient, maps, mean, scale)
        return made

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """Return what v, the gradient to P(g), becomes: P(v) for g, as P is symmetric; and for x, through y and s,

        - s² (y · (mean of v g') + v' · (mean of g y) + g' · (mean of v y)), where g' = P(g) / s and v' = P(v) / s.
        """
        if torch.is_grad_enabled():  # torch's once_differentiable lets derivatives of named inputs be wrong
            raise NotImplementedError("an instance norm has no third derivative here: torch's own has")
        to_gradient, to_maps = torch.empty_like(gradients[0]), torch.empty_like(gradients[0])
        for v, g, x, m, s, to_g, to_x in _parts(gradients[0], *ctx.saved_tensors, to_gradient, to_maps):
            y = (x - m).mul_(s)
            of_v, of_g = _mean(v * y), _mean(g * y)
            torch.addcmul(v - _mean(v), y, of_v, value=-1, out=to_g)
            rest = torch.addcmul(g - _mean(g), y, of_g, value=-1)
            torch.mul(y, _mean(v * rest), out=to_x)
            to_x.addcmul_(to_g, of_g).addcmul_(rest, of_v).mul_(-s.square())
            to_g.mul_(s)
        return to_gradient, to_maps, None, None


def _mean(maps: Tensor) -> Tensor:
    return maps.mean(tuple(range(2, maps.dim())), keepdim=True)


def _parts(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Yield the tensors sample by sample on a CPU, whose cache holds what one needs; else whole."""
    size = 1 if tensors[0].device.type == "cpu" else len(tensors[0])
    return zip(*(torch.split(tensor, size) for tensor in tensors), strict=True)
