"""Muon: steps of matrices whose directions all weigh alike, and Adam for the rest."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

QUINTIC = (3.4445, -4.7750, 2.0315)  # lifts small singular values fast, and ends between 0.7 and 1.2
ITERATIONS = 5


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal, for the matrices of a module (Jordan 2024); Adam for its biases and everything else.

    A matrix of (m, n) moves by `ratio`·`lr`·√max(1, m/n) times the nearest orthogonal matrix to its momentum (Nesterov,
    `momentum`), so that a direction in which the gradient is small is learnt as fast as any other; everything else by
    Adam with rate `lr` and `betas`. `weight_decay` shrinks both by its product with their rate. torch.optim.Muon takes
    nothing but matrices, and a module has one optimizer here.

    >>> layer = torch.nn.Linear(2, 2)
    >>> optimizer = Muon(layer.parameters(), lr=0.01)
    >>> before = layer.weight.detach().clone()
    >>> layer(torch.tensor([[3.0, 0.001]])).square().sum().backward()
    >>> optimizer.step()
    >>> moved = torch.linalg.svdvals(before - layer.weight.detach())
    >>> bool((moved < 5 * 0.01 * 1.3).all())
    True
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float,
        *,
        ratio: float = 5.0,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        rules = {"lr": lr, "ratio": ratio, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        super().__init__(params, rules)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient; return what `closure` returns."""
        result = None
        if closure is not None:
            with torch.enable_grad():
                result = closure()
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._move(parameter, group)
        return result

    def _move(self, parameter: Tensor, group: dict[str, Any]) -> None:
        state = self.state[parameter]
        if not state:
            state["step"] = torch.zeros(())
            state["mean"] = torch.zeros_like(parameter)
        state["step"] += 1
        assert parameter.grad is not None
        if parameter.ndim == 2:
            rate = group["lr"] * group["ratio"] * max(1.0, parameter.shape[0] / parameter.shape[1]) ** 0.5
            direction = _momentum(state, parameter.grad, group["momentum"])
        else:
            rate, direction = group["lr"], _adam(state, parameter.grad, *group["betas"])
        parameter.mul_(1 - rate * group["weight_decay"]).sub_(direction, alpha=rate)


def _momentum(state: dict[str, Tensor], gradient: Tensor, momentum: float) -> Tensor:
    """Return the nearest orthogonal matrix to Nesterov's momentum."""
    mean = state["mean"].mul_(momentum).add_(gradient)
    return orthogonal(gradient + momentum * mean)


def _adam(state: dict[str, Tensor], gradient: Tensor, first: float, second: float) -> Tensor:
    """Return Adam's direction."""
    if "square" not in state:
        state["square"] = torch.zeros_like(gradient)
    step = float(state["step"])
    mean = state["mean"].lerp_(gradient, 1 - first) / (1 - first**step)
    square = state["square"].lerp_(gradient.square(), 1 - second) / (1 - second**step)
    direction: Tensor = mean / (square.sqrt() + 1e-8)
    return direction


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix to (m, n) whose singular values are 1: they come to lie between 0.7 and 1.2.

    Newton-Schulz iteration, which is products alone; singular values below a thousandth of the norm are left behind.

    >>> orthogonal(torch.diag(torch.tensor([3.0, 0.2]))).round(decimals=1).diag().tolist()
    [0.699999988079071, 1.100000023841858]
    """
    a, b, c = QUINTIC
    wide = matrix.shape[0] <= matrix.shape[1]
    x: Tensor = matrix if wide else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(ITERATIONS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x if wide else x.T
