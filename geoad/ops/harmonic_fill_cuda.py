"""Laplace's equation on a CUDA device: the iterations of the CPU, each a fixed sequence of launches.

Scalars stay on the device, and iterations after the last one needed return at once: the host asks only after every
TOGETHER iterations whether that was one of them. Nearly always the first time is the last.
"""

from __future__ import annotations

import torch
from torch import Tensor

from geoad.ops import _cuda

TOGETHER = 8
ITERATIONS = 1000  # never needed; a guard
LIMIT = 2**31


def fill(values: Tensor, known: Tensor, ends: tuple[float, float], unit: tuple[float, float]) -> Tensor:
    """Return values (H, W) whose unknown pixels are the harmonic interpolation of the known, within the `ends`.

    The error is small beside the `unit`, which is from one value to another. Not the bits of the CPU: sums have another
    order.
    """
    height, width = values.shape
    if (height + 2) * (width + 2) >= LIMIT:
        raise ValueError(f'backend "cuda" takes fewer than {LIMIT} pixels, got {height} × {width}')
    workspace = _cuda.workspace(_cuda.measure("geoad_harmonic_fill_workspace", height, width), values.device)
    picture = values, known, *unit, height, width, workspace
    _cuda.call("geoad_harmonic_fill_start", values.device, *picture)
    last = workspace[:4].view(torch.int32)
    for first in range(0, ITERATIONS, TOGETHER):
        _cuda.call("geoad_harmonic_fill_iterate", values.device, height, width, first, TOGETHER, workspace)
        if int(last) < first + TOGETHER:
            break
    out = torch.empty_like(values)
    _cuda.call("geoad_harmonic_fill_end", values.device, *picture, *ends, out)
    return out
