"""Muon: steps of matrices whose directions all weigh alike, and Adam for the rest."""

from __future__ import annotations

from collections import defaultdict
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
            alike = defaultdict[torch.Size, list[Tensor]](list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    alike[parameter.shape].append(parameter)
            for shape, parameters in alike.items():
                self._move(shape, parameters, group)
        return result

    def _move(self, shape: torch.Size, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Move parameters of one shape, together: a network's matrices are many and small."""
        rate, pairs = group["lr"], [(self._state(each), _gradient(each)) for each in parameters]
        if len(shape) == 2:
            rate *= group["ratio"] * max(1.0, shape[0] / shape[1]) ** 0.5
            directions = orthogonal(torch.stack([_momentum(*pair, group["momentum"]) for pair in pairs]))
        else:
            directions = torch.stack([_adam(*pair, *group["betas"]) for pair in pairs])
        for parameter, direction in zip(parameters, directions, strict=True):
            parameter.mul_(1 - rate * group["weight_decay"]).sub_(direction, alpha=rate)

    def _state(self, parameter: Tensor) -> dict[str, Tensor]:
        """Return what is known of a parameter, one step later."""
        state: dict[str, Tensor] = self.state[parameter]
        if not state:
            state["step"], state["mean"] = torch.zeros(()), torch.zeros_like(parameter)
        state["step"] += 1
        return state


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None
    return parameter.grad


def _momentum(state: dict[str, Tensor], gradient: Tensor, momentum: float) -> Tensor:
    """Return Nesterov's momentum."""
    return gradient + momentum * state["mean"].mul_(momentum).add_(gradient)


def _adam(state: dict[str, Tensor], gradient: Tensor, first: float, second: float) -> Tensor:
    """Return Adam's direction."""
    if "square" not in state:
        state["square"] = torch.zeros_like(gradient)
    step = float(state["step"])
    mean = state["mean"].lerp_(gradient, 1 - first) / (1 - first**step)
    square = state["square"].lerp_(gradient.square(), 1 - second) / (1 - second**step)
    direction: Tensor = mean / (square.sqrt() + 1e-8)
    return direction


def orthogonal(matrices: Tensor) -> Tensor:
    """Return about the nearest (..., m, n) whose singular values are 1: they come to lie between 0.7 and 1.2.

    Newton-Schulz iteration, which is products alone: of the Gram matrix, the smaller side squared, and one with the
    matrix itself at the end. Singular values below a thousandth of the norm are left behind.

    >>> orthogonal(torch.diag(torch.tensor([3.0, 0.2]))).round(decimals=1).diag().tolist()
    [0.699999988079071, 1.100000023841858]
    """
    a, b, c = QUINTIC
    wide = matrices.shape[-2] <= matrices.shape[-1]
    x: Tensor = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    gram = x @ x.mT
    one = whole = torch.eye(gram.shape[-1], dtype=x.dtype, device=x.device)
    for _ in range(ITERATIONS):
        factor = a * one + b * gram + c * gram @ gram  # commutes with the Gram matrix
        whole, gram = factor @ whole, factor @ gram @ factor
    x = whole @ x
    return x if wide else x.mT
