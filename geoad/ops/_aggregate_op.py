"""The fused aggregation as operators of torch: what autograd, fake tensors and compilers see of the kernels.

They are defined, not decorated with `torch.library.custom_op`, whose first call imports the compiler (seconds).
Kernels get tensors of one device as the caller has them: `index` int32 or int64, any of them perhaps not contiguous,
`index` perhaps out of range. They check it, as a compiled program has no other check, and return new tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

KERNELS = {"cpu": "numba", "cuda": "cuda"}  # device: where its kernels are, in aggregate_*.py
OPERATORS = {
    "forward": "(Tensor points, Tensor index, Tensor weight, Tensor bias, Tensor features, float slope) -> Tensor",
    "backward_weight": "(Tensor points, Tensor index, Tensor weight, Tensor bias, Tensor gradient, float slope)"
    " -> (Tensor, Tensor)",
    "backward_features": "(SymInt n, Tensor index, Tensor gradient, SymInt width) -> Tensor",
}


def _kernel(backend: str, name: str) -> Callable[..., Any]:
    """Return a function that imports the kernel when it is first called."""

    def call(*arguments: Any) -> Any:
        return getattr(import_module(f"geoad.ops.aggregate_{backend}"), name)(*arguments)

    return call


def _define() -> None:
    for name, schema in OPERATORS.items():
        # An index that is new is waited for, which a CUDA graph cannot record.
        torch.library.define(f"geoad::aggregate_{name}", schema, tags=(torch.Tag.cudagraph_unsafe,))
        for device, backend in KERNELS.items():
            torch.library.impl(f"geoad::aggregate_{name}", device, _kernel(backend, name))


_define()
forward: Callable[..., Tensor] = torch.ops.geoad.aggregate_forward
backward_weight: Callable[..., tuple[Tensor, Tensor]] = torch.ops.geoad.aggregate_backward_weight
backward_features: Callable[..., Tensor] = torch.ops.geoad.aggregate_backward_features


@torch.library.register_fake("geoad::aggregate_forward")  # type: ignore[untyped-decorator]
def _fake_forward(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, features: Tensor, slope: float
) -> Tensor:
    del bias, slope
    return points.new_empty(index.shape[0], weight.shape[0] + features.shape[1])


@torch.library.register_fake("geoad::aggregate_backward_weight")  # type: ignore[untyped-decorator]
def _fake_backward_weight(
    points: Tensor, index: Tensor, weight: Tensor, bias: Tensor, gradient: Tensor, slope: float
) -> tuple[Tensor, Tensor]:
    del points, index, gradient, slope
    return weight.new_empty(weight.shape), bias.new_empty(bias.shape)


@torch.library.register_fake("geoad::aggregate_backward_features")  # type: ignore[untyped-decorator]
def _fake_backward_features(n: int, index: Tensor, gradient: Tensor, width: int) -> Tensor:
    del index
    return gradient.new_empty(n, gradient.shape[1] - width)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    del output
    *tensors, _, ctx.slope = inputs
    ctx.save_for_backward(*tensors)


def _backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
    points, index, weight, bias = ctx.saved_tensors
    _, _, for_weight, for_bias, for_features, _ = ctx.needs_input_grad
    by_weight = by_bias = by_features = None
    if for_weight or for_bias:
        by_weight, by_bias = backward_weight(points, index, weight, bias, gradient, ctx.slope)
    if for_features:
        by_features = backward_features(points.shape[0], index, gradient, weight.shape[0])
    return None, None, by_weight, by_bias, by_features, None


def _no_second_derivative(ctx: Any, *gradients: Tensor) -> None:
    del ctx, gradients
    raise NotImplementedError('aggregate has no second derivative here: use backend="torch"')


torch.library.register_autograd("geoad::aggregate_forward", _backward, setup_context=_remember)
torch.library.register_autograd("geoad::aggregate_backward_weight", _no_second_derivative)
torch.library.register_autograd("geoad::aggregate_backward_features", _no_second_derivative)
