"""Mean and standard deviation of the cells of grids that are empty nearly everywhere."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from geoad import _check
from geoad.ops import _arrays


class CellMoments(NamedTuple):
    """`mean` and population deviation `std` of some cells, (C, m) float64 each.

    >>> SparseMoments(2).at(torch.tensor([7])).mean.tolist()
    [[-1.0], [-1.0]]
    """

    mean: Tensor
    std: Tensor


class SparseMoments(nn.Module):
    """`Moments` of grids of `channels` numbers a cell, kept for the cells alone that ever differed from `empty`.

    The same sums in the same order as the dense form, so the same bits; a cell that was never seen has mean `empty`
    and deviation 0. `cells` (k,) int32 are flat and ascending, `mean` and `squares` are (channels, k) float64: the
    state takes 4 + 16 · channels bytes a kept cell, however large the grid.

    >>> moments = SparseMoments(1)
    >>> moments.see(torch.tensor([5]), torch.tensor([[1.0]]))  # a grid with one occupied cell
    >>> moments.see(torch.tensor([5, 900]), torch.tensor([[1.0, 1.0]]))
    >>> moments.cells.tolist(), moments.at(torch.tensor([5, 6, 900])).mean.tolist()
    ([5, 900], [[1.0, -1.0, 0.0]])
    """

    count: Tensor
    cells: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, channels: int, empty: float = -1.0) -> None:
        super().__init__()
        _check.positive(channels=channels)
        self.empty = empty
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("cells", torch.zeros(0, dtype=torch.int32))
        self.register_buffer("mean", torch.zeros(channels, 0, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(channels, 0, dtype=torch.float64))

    @torch.no_grad()
    def see(self, cells: Tensor, values: Tensor) -> None:
        """Add one grid: its cells (m,) that are not empty, distinct, and their values (channels, m).

        Raises ValueError for values of another shape, and for cells that are not in [0, 2³¹).
        """
        _check.shape("values", values, (len(self.mean), len(cells)))
        _arrays.check_range("cells", cells, 1 << 31)
        cells = cells.to(self.cells)
        self._keep(cells)
        step = self._spread(cells, values) - self.mean
        total = self.count + 1
        self.squares += step.square() * (self.count / total)
        self.mean += step * (1 / total)
        self.count.copy_(total)

    def at(self, cells: Tensor) -> CellMoments:
        """Return the moments of cells (m,), kept or not, in any order."""
        _arrays.check_range("cells", cells, 1 << 31)
        place, kept = self._find(cells.to(self.cells))
        mean = torch.full((len(self.mean), len(cells)), self.empty, dtype=self.mean.dtype, device=self.mean.device)
        squares = torch.zeros_like(mean)
        mean[:, kept], squares[:, kept] = self.mean[:, place], self.squares[:, place]
        return CellMoments(mean, (squares / self.count.clamp_min(1)).sqrt())

    def without(self, cells: Tensor, values: Tensor) -> tuple[CellMoments, Tensor]:
        """Return the moments of all kept cells had one of the grids seen not been, and that grid's values there.

        `cells` and `values` are as in `see`. Raises ValueError unless at least two grids were seen.

        >>> moments = SparseMoments(1)
        >>> for value in (1.0, 2.0, 6.0):
        ...     moments.see(torch.tensor([0]), torch.tensor([[value]]))
        >>> others, left_out = moments.without(torch.tensor([0]), torch.tensor([[6.0]]))
        >>> round(others.mean.item(), 9), round(others.std.item(), 9), left_out.item()
        (1.5, 0.5, 6.0)
        """
        if self.count < 2:
            raise ValueError(f"one of at least two grids can be left out, got {int(self.count)}")
        row = self._spread(cells.to(self.cells), values)
        mean = (self.mean * self.count - row) / (self.count - 1)
        squares = self.squares - (row - self.mean) * (row - mean)
        return CellMoments(mean, (squares.clamp_min(0) / (self.count - 1)).sqrt()), row

    def _keep(self, cells: Tensor) -> None:
        """Make room for cells: until now they were empty in every grid."""
        union: Tensor = torch.unique(torch.cat([self.cells, cells]))
        if len(union) == len(self.cells):
            return
        mean = self.mean.new_full((len(self.mean), len(union)), self.empty)
        squares = torch.zeros_like(mean)
        place = torch.searchsorted(union, self.cells)
        mean[:, place], squares[:, place] = self.mean, self.squares
        self.cells, self.mean, self.squares = union, mean, squares

    def _spread(self, cells: Tensor, values: Tensor) -> Tensor:
        """Return the values of one grid at all kept cells, among which its own must be."""
        row = torch.full_like(self.mean, self.empty)
        row[:, torch.searchsorted(self.cells, cells)] = values.to(row)
        return row

    def _find(self, cells: Tensor) -> tuple[Tensor, Tensor]:
        """Return where those of `cells` that are kept are kept, and which they are (m,) bool."""
        if not len(self.cells):
            return cells[:0].long(), torch.zeros_like(cells, dtype=torch.bool)
        place = torch.searchsorted(self.cells, cells).clamp_max(len(self.cells) - 1)
        kept = self.cells[place] == cells
        return place[kept], kept
