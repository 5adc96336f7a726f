"""How small a deviation of a cell may get: what good scans say of it, each held out in turn."""

from __future__ import annotations

import torch
from torch import Tensor

from geoad.nn.sparse_moments import SparseMoments

FLOORS = tuple(round(10 ** (tenth / 10), 4) for tenth in range(-30, 4))
"""Candidates, 0.001 to 2 (the difference of an empty and an occupied cell) in steps of a tenth of a decade."""


def floor_losses(moments: SparseMoments, cells: Tensor, values: Tensor, size: int) -> Tensor:
    """Return the negative log-likelihood, in nats but for a constant, of a grid by the others, for each of `FLOORS`.

    A cell is Gaussian with the mean of the other grids that `moments` saw, and their deviation or the floor, whichever
    is larger; `size` cells are in a grid. `cells` and `values` are as in `SparseMoments.see`. Zeros if it was the only
    one.

    The floor with the least sum over the grids is neither so small that a cell which is occupied for the first time
    rules out a good part, nor so large that nothing is unusual.

    >>> moments = SparseMoments(1)
    >>> grids = [(torch.arange(9), torch.rand(1, 9, generator=torch.manual_seed(seed))) for seed in range(8)]
    >>> for grid in grids:
    ...     moments.see(*grid)
    >>> losses = sum(floor_losses(moments, *grid, size=9) for grid in grids)
    >>> FLOORS[losses.argmin()]  # evenly between 0 and 1: a deviation of 0.29
    0.3162
    """
    if moments.count < 2:
        return torch.zeros(len(FLOORS), dtype=torch.float64, device=moments.count.device)
    others, left_out = moments.without(cells, values)
    gap = left_out - others.mean
    floors = torch.tensor(FLOORS, dtype=torch.float64, device=gap.device)
    never = len(gap) * size - gap.numel()  # cells that no grid fills: as expected, and as narrow as the floor allows
    losses = [(gap / (wide := others.std.clamp_min(floor))).square().sum() / 2 + wide.log().sum() for floor in FLOORS]
    return torch.stack(losses) + never * floors.log()
