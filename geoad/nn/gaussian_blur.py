"""Smooth a grid of any dimension."""

from __future__ import annotations

import torch
from torch import Tensor

from geoad import _check


def gaussian_blur(grid: Tensor, deviation: float) -> Tensor:
    """Return a grid, of any shape, convolved along every axis with a Gaussian of so many cells; 0 leaves it as it is.

    The Gaussian ends at 4 deviations, and its weights sum to 1; beyond the border the outermost cells go on.

    >>> [round(value, 4) for value in gaussian_blur(torch.tensor([0.0, 0, 1, 0, 0]), 0.5).tolist()]
    [0.0003, 0.1065, 0.7866, 0.1065, 0.0003]
    """
    _check.not_negative(deviation=deviation)
    reach = int(4 * deviation + 0.5)
    if not reach:
        return grid
    offsets = range(-reach, reach + 1)
    weights = torch.exp(-torch.tensor(offsets, dtype=torch.float64).square() / (2 * deviation**2))
    shares = (weights / weights.sum()).tolist()
    for axis, length in enumerate(grid.shape):
        places = torch.arange(length, device=grid.device)
        blurred = torch.zeros_like(grid)
        for offset, share in zip(offsets, shares, strict=True):
            blurred.add_(grid.index_select(axis, (places + offset).clamp(0, length - 1)), alpha=share)
        grid = blurred
    return grid
