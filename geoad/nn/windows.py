"""Convolutions as products of matrices: each row of the one is what the kernel sees at one place of the maps.

A CPU's convolutions are made for large maps and small weights. With more channels than places they take two to five
times as long as this.
"""

from __future__ import annotations

from itertools import product

from torch import Tensor, nn


def convolve_windows(maps: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Return the convolution of maps (B, C, ...) with a weight (O, C, k, ...), channels last.

    >>> import torch
    >>> convolve_windows(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 4, 4), 2, 1).flatten().tolist()
    [9.0, 9.0, 9.0, 9.0]
    """
    seen = _windows(maps, weight.shape[-1], stride, padding)
    made = seen.flatten(maps.dim() - 1).flatten(0, -2) @ _matrix(weight).T
    return made.view(*seen.shape[: maps.dim() - 1], -1).movedim(-1, 1)


def correlate_windows(maps: Tensor, outcome: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Return the gradient of `convolve_windows` to the weight, from that to its outcome (B, O, ...).

    >>> import torch
    >>> correlate_windows(torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2), 2, 2, 0).tolist()
    [[[[4.0, 4.0], [4.0, 4.0]]]]
    """
    seen = _windows(maps, kernel, stride, padding)
    made = outcome.movedim(1, -1).flatten(0, -2).T @ seen.flatten(maps.dim() - 1).flatten(0, -2)
    return made.view(-1, *seen.shape[maps.dim() - 1 :]).movedim(-1, 1)


def spread_windows(outcome: Tensor, weight: Tensor, stride: int, padding: int) -> Tensor:
    """Return the transposed convolution of an outcome (B, O, ...) with a weight (O, C, k, ...), k a multiple of stride.

    >>> import torch
    >>> spread_windows(torch.ones(1, 1, 1, 1), torch.ones(1, 1, 4, 4), 2, 1).flatten().tolist()
    [1.0, 1.0, 1.0, 1.0]
    """
    dimensions, sides, taps = outcome.dim() - 2, outcome.shape[2:], weight.shape[-1] // stride
    made = outcome.movedim(1, -1).flatten(0, -2) @ _matrix(weight)
    made = made.view(len(outcome), *sides, *[taps, stride] * dimensions, -1)
    # the cells of the maps in blocks, stride cells a side: a kernel covers taps blocks a side
    whole = made.new_zeros(len(outcome), *[n for side in sides for n in (side + taps - 1, stride)], made.shape[-1])
    pairs = [axis for place in range(dimensions) for axis in (1 + place, 1 + dimensions + place)]
    for places in product(range(taps), repeat=dimensions):
        part, there = made, whole
        for axis, place in enumerate(places):
            part = part.select(1 + dimensions + axis, place)
            there = there.narrow(1 + 2 * axis, place, sides[axis])
        there += part.permute(0, *pairs, -1)
    cells = [stride * (side + taps - 1) for side in sides]
    inside = [slice(padding, side - padding) for side in cells]
    return whole.view(len(outcome), *cells, -1)[(slice(None), *inside)].contiguous().movedim(-1, 1)


def _windows(maps: Tensor, kernel: int, stride: int, padding: int) -> Tensor:
    """Return what the kernel sees: (B, places along each axis ..., cells along each axis of the kernel ..., C)."""
    seen = nn.functional.pad(maps.movedim(1, -1), [0, 0] + [padding] * (2 * (maps.dim() - 2)))
    for axis in range(1, maps.dim() - 1):
        seen = seen.unfold(axis, kernel, stride)
    return seen.movedim(maps.dim() - 1, -1)


def _matrix(weight: Tensor) -> Tensor:
    """Return a row for each first index; a view of what lies channels last."""
    return weight.movedim(1, -1).flatten(1)
