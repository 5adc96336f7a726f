"""The optimisers that a method may be trained with, by name, and how their rate falls."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

import torch
from torch import nn

from geoad import _check
from geoad.training.muon import Muon

OPTIMIZERS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": partial(torch.optim.Adam, fused=True),  # one pass over memory where there would be eight
    "muon": Muon,
}


def make_optimizer(
    parameters: Iterable[nn.Parameter], name: str = "adam", *, steps: int | None = None, **rules: Any
) -> torch.optim.Optimizer:
    """Return the optimiser of this name with its `rules` (lr, weight_decay, …).

    With `steps` its rate is constant for the first half of so many, then falls linearly to zero.
    Raises ValueError for a name that is none of `OPTIMIZERS`.

    >>> weight = torch.nn.Parameter(torch.zeros(2, 2))
    >>> optimizer, rates = make_optimizer([weight], "muon", lr=1.0, steps=8), []
    >>> for _ in range(8):
    ...     weight.grad = torch.eye(2)
    ...     optimizer.step()
    ...     rates.append(optimizer.param_groups[0]["lr"])
    >>> rates
    [1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25, 0.0]
    """
    _check.one_of("optimizer", name, OPTIMIZERS)
    optimizer = OPTIMIZERS[name](parameters, **rules)
    if steps is not None:
        optimizer.register_step_post_hook(partial(_lower_rate, rate=rules["lr"], steps=steps))
    return optimizer


def _lower_rate(optimizer: torch.optim.Optimizer, *_: Any, rate: float, steps: int) -> None:
    """Set the rate of the next step."""
    first = optimizer.param_groups[0]["params"][0]
    done = float(optimizer.state[first]["step"])
    for group in optimizer.param_groups:
        group["lr"] = rate * min(1.0, 2 * max(0.0, 1 - done / steps))
