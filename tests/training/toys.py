"""Small modules that train in milliseconds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor, nn

from geoad.training.stage import Batch, Descend, Stage, Update, Visit


def numbers(count: int = 12, seed: int = 0) -> list[Tensor]:
    """Return samples (4,)."""
    return list(torch.randn(count, 4, generator=torch.Generator().manual_seed(seed)))


class Toy(nn.Module):
    """Moments, then a regression of noised inputs, then a bank of what the regression says: buffers of two kinds."""

    def __init__(self, epochs: int = 3, batch_size: int = 5, width: int = 8) -> None:
        super().__init__()
        self.epochs, self.batch_size = epochs, batch_size
        self.net = nn.Sequential(nn.Linear(4, width), nn.Tanh(), nn.Dropout(0.1), nn.Linear(width, 4))
        self.head = nn.Linear(4, 1)
        self.register_buffer("sum", torch.zeros(4))
        self.register_buffer("scale", torch.ones(4))
        self.register_buffer("bank", torch.empty(0, 4))

    def prepare(self, sample: Tensor) -> Batch:
        return {"x": sample.clone()}

    def stages(self) -> Iterator[Stage]:
        for layer in (self.net[0], self.net[3], self.head):
            layer.reset_parameters()
        yield Visit("moments", self._moments)
        self.scale.copy_(1 / (1 + self.sum.abs()))
        yield self._stage("descend", self.net)
        self.head.reset_parameters()
        yield self._stage("head", self.head)
        yield Visit("bank", self._bank)

    def _stage(self, name: str, module: nn.Module) -> Descend:
        update = Update(module, self._loss, partial(torch.optim.Adam, lr=1e-2))
        return Descend(name, [update], epochs=self.epochs, batch_size=self.batch_size)

    def _moments(self, batch: Batch) -> None:
        self.sum += batch["x"][0]

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        x = batch["x"] * self.scale
        error = self.net(x + 0.1 * torch.randn_like(x)) - x
        return {"total": error.square().mean() + self.head(error).square().mean(), "norm": error.norm()}

    def _bank(self, batch: Batch) -> None:
        self.bank = torch.cat([self.bank, self.net(batch["x"])])


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    """Return whether two modules hold the same bits."""
    one, two = a.state_dict(), b.state_dict()
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


class Calm(Toy):
    """A toy that draws nothing at random, so that several processes can be compared with one.

    `spare` is a parameter that no loss reaches: weight decay must leave it alone.
    """

    def __init__(self, **keywords: int) -> None:
        super().__init__(**keywords)
        self.net[2].p = 0.0
        self.net.register_parameter("spare", nn.Parameter(torch.ones(1)))

    def _stage(self, name: str, module: nn.Module) -> Descend:
        update = Update(module, self._loss, partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1))
        return Descend(name, [update], epochs=self.epochs, batch_size=self.batch_size, select="best")

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        error = self.net(batch["x"] * self.scale) - batch["x"]
        return {"total": error.square().mean() + self.head(error).square().mean()}
