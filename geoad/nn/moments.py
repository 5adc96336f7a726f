"""Mean and standard deviation of features seen in pieces."""

from __future__ import annotations

import torch
from torch import Tensor, nn

ROUNDING = 1e-6  # of the mean: some steps of float32
TINY = 1e-12


class Moments(nn.Module):
    """Running mean and population standard deviation a channel, float64, by Chan's merge of means and squares.

    A `width` of 0 is open: the first features decide it.

    >>> moments = Moments(1)
    >>> moments.see(torch.tensor([[1.0], [2.0]]))
    >>> moments.see(torch.tensor([[3.0]]))
    >>> moments.mean.item(), round(moments.std.item(), 7)
    (2.0, 0.8164966)
    """

    count: Tensor
    mean: Tensor
    squares: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.register_buffer("mean", torch.zeros(width, dtype=torch.float64))
        self.register_buffer("squares", torch.zeros(width, dtype=torch.float64))

    @torch.no_grad()
    def see(self, features: Tensor) -> None:
        """Add the rows of (n, d)."""
        rows = features.double()
        if not len(self.mean):
            self.mean, self.squares = rows.new_zeros(rows.shape[1]), rows.new_zeros(rows.shape[1])
        if not len(rows):
            return
        centre = rows.mean(0)
        step, total = centre - self.mean, self.count + len(rows)
        self.squares += (rows - centre).square().sum(0) + step.square() * (self.count * len(rows) / total)
        self.mean += step * (len(rows) / total)
        self.count.copy_(total)

    @property
    def std(self) -> Tensor:
        """The population standard deviation (d,)."""
        return (self.squares / self.count).sqrt()

    @property
    def varies(self) -> Tensor:
        """Which channels were not the same everywhere, (d,) bool, but for what rounding to float32 makes of them."""
        return self.std > ROUNDING * self.mean.abs() + TINY

    def normalise(self, features: Tensor) -> Tensor:
        """Return (features − mean) / std in the dtype of `features`; a channel that never varied becomes 0."""
        varies = self.varies
        inverse = torch.where(varies, 1 / torch.where(varies, self.std, 1.0), 0.0)
        return (features - self.mean.to(features)) * inverse.to(features)
