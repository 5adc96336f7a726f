"""Training as data: what a method wants done, for the one loop to do."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil
from typing import Literal, NamedTuple, TypeAlias

from torch import Tensor, nn
from torch.optim import Optimizer

from geoad import _check

Batch: TypeAlias = dict[str, Tensor]


class Update(NamedTuple):
    """A gradient step on the parameters of `module`, and on no others.

    `loss(batch)` returns `{"total": Tensor, ...}`: the total is descended, the rest is logged; validation and several
    devices take the total for a mean over the batch's samples. `optimizer` makes the optimiser from the parameters
    that require a gradient. The update runs each `every`-th step (steps n, 2n, …).

    >>> from functools import partial
    >>> import torch
    >>> net = torch.nn.Linear(2, 1)
    >>> adam = partial(torch.optim.Adam, lr=1e-3)
    >>> Update(net, lambda batch: {"total": net(batch["x"]).square().mean()}, adam).every
    1
    """

    module: nn.Module
    loss: Callable[[Batch], dict[str, Tensor]]
    optimizer: Callable[[Iterable[nn.Parameter]], Optimizer]
    every: int = 1


class Descend(NamedTuple):
    """Gradient steps over shuffled batches; several updates alternate within a step.

    There are `steps` of them or, where none are given, `epochs`. An epoch sees each sample once; its last batch may be
    smaller.
    `select="best"` ends with the state of the lowest mean validation loss of the first update, measured at the end of
    each epoch or every `validate_every` steps, and at the end; without validation data it ends with the last state.
    With `prolongs` a checkpoint may be continued with another number of steps: none depends on how many are to come.
    `refine(item)` makes of a prepared sample, on the CPU, what this stage sees in its place. It may rest on what stages
    before have learnt; what it returns is kept in memory, and shared by the stages that have the same function.

    >>> Descend("student", [], epochs=10, batch_size=4).total_steps(samples=9)
    30
    """

    name: str
    updates: Sequence[Update]
    epochs: int | None = None
    steps: int | None = None
    batch_size: int = 1
    select: Literal["last", "best"] = "last"
    validate_every: int | None = None
    prolongs: bool = False
    refine: Callable[[Batch], Batch] | None = None

    def check(self) -> None:
        """Raise ValueError that names the stage and what is wrong with it."""
        if self.epochs is None and self.steps is None:
            raise ValueError(f"stage {self.name!r} needs epochs or steps, got neither")
        if not self.updates:
            raise ValueError(f"stage {self.name!r} has no updates")
        _check.one_of(f"select of stage {self.name!r}:", self.select, ("last", "best"))
        for field in ("epochs", "steps", "batch_size", "validate_every"):
            if (value := getattr(self, field)) is not None:
                _check.positive(**{f"{field} of stage {self.name!r}": value})
        for update in self.updates:
            _check.positive(**{f"every of an update of stage {self.name!r}": update.every})

    def check_length(self, steps: int) -> None:
        """Raise ValueError if an update would not run once in so many steps."""
        if (rarest := max(update.every for update in self.updates)) > steps:
            told = f"an update that runs every {rarest} steps would learn nothing: give it more epochs or steps"
            raise ValueError(f"stage {self.name!r} has {steps} steps, and {told}")

    def epoch_steps(self, samples: int) -> int:
        """Return the steps in one epoch over `samples` samples."""
        return ceil(samples / self.batch_size)

    def total_steps(self, samples: int) -> int:
        """Return the steps of the whole stage over `samples` samples."""
        return self.steps if self.steps is not None else (self.epochs or 0) * self.epoch_steps(samples)


class Visit(NamedTuple):
    """One pass over all samples, in order, one at a time, without gradients: statistics, memory banks.

    `held_out` shows the validation samples instead, if there are any. `refine` is that of `Descend`.

    >>> seen = []
    >>> Visit("count", lambda batch: seen.append(batch["sample"])).name
    'count'
    """

    name: str
    see: Callable[[Batch], None]
    held_out: bool = False
    refine: Callable[[Batch], Batch] | None = None

    def total_steps(self, samples: int) -> int:
        """Return the steps of the whole stage over `samples` samples."""
        return samples


Stage: TypeAlias = Descend | Visit
