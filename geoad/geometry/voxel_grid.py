"""A cube of cells around a part, and the cell of every point."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays


@dataclass(frozen=True, eq=False)
class VoxelGrid:
    """Cells of side `cell` from the lower corner `origin` (3,), `shape` (X, Y, Z) of them; x is the slowest axis.

    `values` is (C, X, Y, Z) float32. `index` (N,) int64 is the flat cell of each point, -1 outside the grid; `nearest`
    (N,) is the same, but the closest cell for a point outside.

    >>> import numpy as np
    >>> VoxelGrid(np.zeros(3), 0.5, (2, 2, 2)).upper.tolist()
    [1.0, 1.0, 1.0]
    """

    origin: NDArray[np.float64]
    cell: float
    shape: tuple[int, int, int]
    values: NDArray[np.float32] | None = None
    index: NDArray[np.int64] | None = None
    nearest: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "origin", _arrays.to_corner(self.origin))
        if any(n != int(n) for n in self.shape):
            raise ValueError(f"shape must be whole numbers of cells, got {self.shape}")
        object.__setattr__(self, "shape", tuple(int(n) for n in self.shape))
        object.__setattr__(self, "cell", _arrays.to_side(self.cell))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise ValueError(f"shape must be three positive numbers of cells, got {self.shape}")
        if self.values is not None:
            _check.shape("values", self.values, ("C", *self.shape))

    @property
    def upper(self) -> NDArray[np.float64]:
        """The corner (3,) opposite to the origin."""
        return np.asarray(self.origin + self.cell * np.asarray(self.shape))
