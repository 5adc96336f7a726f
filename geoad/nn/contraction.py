"""What a convolution ties together, maps, weight and outcome: each from the other two, and every derivative.

⟨outcome, maps * weight⟩ is linear in each of the three. So the convolution, the transposed one (the gradient to the
maps) and the correlation (that to the weight) are one another's gradients, and a second derivative costs no more than a
first. Torch has convolutions with the batch for channels instead, which take two to five times as long on a CPU.
"""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

from geoad.nn.windows import convolve_windows, correlate_windows, spread_windows

Role = Literal["maps", "weight", "outcome"]
FEW = 4
"""Up to so many channels a transposed convolution is done by blocks: elsewhere a CPU is ten times below its speed."""
FORMATS = {4: torch.channels_last, 5: torch.channels_last_3d}
"""Channels last, by the dimensions of a tensor: a CPU's convolutions lose no time to other orders."""


class Form(NamedTuple):
    """Stride, padding and side of the kernel; and the last cells of each side of the maps that no kernel reaches.

    >>> Form(2, 1, 4, rest=(0, 1)).strides
    [2, 2]
    """

    stride: int
    padding: int
    kernel: int
    rest: tuple[int, ...]

    @property
    def is_even(self) -> bool:
        """Whether the kernel is of whole strides, and reaches all of the maps."""
        return not self.kernel % self.stride and not any(self.rest)

    @property
    def strides(self) -> list[int]:
        """The stride, once for each dimension."""
        return [self.stride] * len(self.rest)

    @property
    def paddings(self) -> list[int]:
        """The padding, once for each dimension."""
        return [self.padding] * len(self.rest)


def convolve(maps: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Return the convolution of maps (B, C, ...) with a weight (O, C, k, ...), and a bias (O,).

    >>> convolve(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4), torch.ones(1), 2, 1).flatten().tolist()
    [10.0, 10.0, 10.0, 10.0]
    """
    if maps.shape[2:] == weight.shape[2:] and not padding:
        made: Tensor = torch.nn.functional.linear(maps.flatten(1), weight.flatten(1), bias)
        return made.view(*made.shape, *[1] * (maps.dim() - 2))
    kernel = weight.shape[-1]
    rest = tuple((side + 2 * padding - kernel) % stride for side in maps.shape[2:])
    return _with_bias("maps", maps, weight, bias, Form(stride, padding, kernel, rest))


def convolve_transposed(maps: Tensor, weight: Tensor, bias: Tensor, stride: int = 1, padding: int = 0) -> Tensor:
    """Return the transposed convolution of maps (B, O, ...) with a weight (O, C, k, ...), and a bias (C,).

    >>> convolve_transposed(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 4, 4), torch.ones(1), 2, 1).flatten().tolist()
    [2.0, 2.0, 2.0, 2.0]
    """
    if maps.shape[2:].numel() == 1 and not padding:
        made = maps.flatten(1) @ weight.flatten(1)
        return made.view(-1, *weight.shape[1:]) + _broadcast(bias.to(made.dtype), maps.dim())
    rest = (0,) * (maps.dim() - 2)
    return _with_bias("outcome", maps, weight, bias, Form(stride, padding, weight.shape[-1], rest))


def contract(given: dict[Role, Tensor], form: Form) -> Tensor:
    """Return the one of maps (B, C, ...), weight (O, C, k, ...) and outcome (B, O, ...) that is not given.

    >>> maps, outcome = torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)
    >>> contract({"maps": maps, "outcome": outcome}, Form(2, 0, 2, rest=(0, 0))).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    if "outcome" not in given:
        return _convolution(given["maps"], given["weight"], form)
    if "weight" not in given:
        return _correlation(given["maps"], given["outcome"], form)
    return _spread(given["outcome"], given["weight"], form)


class _Contraction(Function):
    """The third of two, differentiable by both."""

    @staticmethod
    def forward(ctx: Any, a: Tensor, b: Tensor, roles: tuple[Role, Role, Role], form: Form) -> Tensor:
        ctx.save_for_backward(a, b)
        ctx.roles, ctx.form = roles, form
        return contract({roles[0]: a, roles[1]: b}, form)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (a, b), (role_a, role_b, role), gradient = ctx.saved_tensors, ctx.roles, gradients[0]
        to_a, to_b = (role, role_b, role_a), (role, role_a, role_b)
        return (
            _apply(_Contraction, gradient, b, to_a, ctx.form) if ctx.needs_input_grad[0] else None,
            _apply(_Contraction, gradient, a, to_b, ctx.form) if ctx.needs_input_grad[1] else None,
            None,
            None,
        )


class _OfMaps(Function):
    """The third of maps and weight, differentiable by the maps alone.

    Autograd computes the gradients to all arguments of a function, asked for or not. A layer's are two functions,
    therefore: the gradient penalty asks for that to the maps, the first layer for that to the weight.
    """

    @staticmethod
    def forward(ctx: Any, maps: Tensor, rest: tuple[Tensor], roles: tuple[Role, Role, Role], form: Form) -> Tensor:
        ctx.save_for_backward(rest[0])
        ctx.roles, ctx.form = roles, form
        made = contract({roles[0]: maps, roles[1]: rest[0]}, form)
        return made.clone() if made._is_view() else made  # autograd lets no view be added to in place

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        a, b, c = ctx.roles
        return _apply(_Contraction, gradients[0], *ctx.saved_tensors, (c, b, a), ctx.form), None, None, None


class _OfWeight(Function):
    """The bias, as large as the third of maps and weight; its gradient to the weight is that of the third."""

    @staticmethod
    def forward(
        ctx: Any,
        _weight: Tensor,
        bias: Tensor,
        rest: tuple[Tensor],
        roles: tuple[Role, Role, Role],
        form: Form,
        shape: torch.Size,
    ) -> Tensor:
        ctx.save_for_backward(rest[0])
        ctx.roles, ctx.form = roles, form
        return _broadcast(bias, len(shape)).expand(shape)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        a, b, c = ctx.roles
        (gradient,), (maps,) = gradients, ctx.saved_tensors
        to_weight = _apply(_Contraction, maps, gradient, (a, c, b), ctx.form)
        return to_weight, gradient.sum((0, *range(2, gradient.dim()))), None, None, None, None


def _apply(function: type[Function], *given: Any) -> Any:
    return function.apply(*given)  # type: ignore[no-untyped-call]


def _with_bias(role: Role, maps: Tensor, weight: Tensor, bias: Tensor, form: Form) -> Tensor:
    """Return the third of weight and maps, which are in this role, plus the bias; under autocast in its precision."""
    device = maps.device.type
    if torch.is_autocast_enabled(device):
        kind = torch.get_autocast_dtype(device)
        maps, weight, bias = maps.to(kind), weight.to(kind), bias.to(kind)
    roles = (role, "weight", "outcome" if role == "maps" else "maps")
    made: Tensor = _apply(_OfMaps, maps, (weight,), roles, form)
    return made.add_(_apply(_OfWeight, weight, bias, (maps,), roles, form, made.shape))


def _broadcast(bias: Tensor, dimensions: int) -> Tensor:
    return bias.view(-1, *[1] * (dimensions - 2))


def _convolution(maps: Tensor, weight: Tensor, form: Form) -> Tensor:
    cells = maps.shape[2:].numel() // form.stride ** len(form.rest)
    if _is_wide(maps, cells, len(weight), form):
        return convolve_windows(maps, weight, form.stride, form.padding)
    zeros, ones = [0] * len(form.rest), [1] * len(form.rest)
    return torch.convolution(maps, weight, None, form.strides, form.paddings, ones, False, zeros, 1)


def _correlation(maps: Tensor, outcome: Tensor, form: Form) -> Tensor:
    if _is_wide(outcome, outcome.shape[2:].numel(), outcome.shape[1], form):
        return correlate_windows(maps, outcome, form.kernel, form.stride, form.padding)
    zeros, ones = [0] * len(form.rest), [1] * len(form.rest)
    shape = (outcome.shape[1], maps.shape[1], *[form.kernel] * len(form.rest))
    like = torch.empty(shape, dtype=maps.dtype, device=maps.device, memory_format=FORMATS[maps.dim()])
    arguments = (outcome, maps, like, None, form.strides, form.paddings, ones, False, zeros, 1)
    made: Tensor = torch.ops.aten.convolution_backward(*arguments, [False, True, False])[1]
    return made


def _spread(outcome: Tensor, weight: Tensor, form: Form) -> Tensor:
    if form.is_even and weight.shape[1] <= FEW:
        return _spread_to_few(outcome, weight, form)
    if form.is_even and _is_wide(outcome, outcome.shape[2:].numel(), outcome.shape[1], form):
        return spread_windows(outcome, weight, form.stride, form.padding)
    ones = [1] * len(form.rest)
    return torch.convolution(outcome, weight, None, form.strides, form.paddings, ones, True, list(form.rest), 1)


def _spread_to_few(outcome: Tensor, weight: Tensor, form: Form) -> Tensor:
    """Return `_spread` by a transposed convolution of stride 1 to blocks of cells, stride cells a side, as channels."""
    step, (many, few), dimensions = form.stride, weight.shape[:2], len(form.rest)
    taps = form.kernel // step
    inner, outer = range(3, 3 + 2 * dimensions, 2), range(2, 2 + 2 * dimensions, 2)
    blocks = weight.reshape(many, few, *[taps, step] * dimensions).permute(0, 1, *inner, *outer)
    blocks = blocks.reshape(many, few * step**dimensions, *[taps] * dimensions)
    blocks = blocks.contiguous(memory_format=FORMATS[weight.dim()])
    zeros, ones = [0] * dimensions, [1] * dimensions
    made = torch.convolution(outcome, blocks, None, ones, zeros, ones, True, zeros, 1)
    sides = made.shape[2:]
    made = made.reshape(len(made), few, *[step] * dimensions, *sides)
    pairs = [axis for place in range(dimensions) for axis in (2 + dimensions + place, 2 + place)]
    made = made.permute(0, 1, *pairs).reshape(len(outcome), few, *[step * side for side in sides])
    inside = [slice(form.padding, step * side - form.padding) for side in sides]
    whole: Tensor = made[(slice(None), slice(None), *inside)].contiguous()
    return whole


def _is_wide(maps: Tensor, places: int, many: int, form: Form) -> bool:
    """Return whether a product of matrices pays: on a CPU, with hardly more places than channels (`many`)."""
    return maps.device.type == "cpu" and form.stride > 1 and len(maps) * places <= 2 * many
