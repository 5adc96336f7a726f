"""Optimisers by name: the papers' Adam is torch's, its weight decay part of the gradient."""

from __future__ import annotations

import pytest
import torch

from geoad.training.optimizer import make_optimizer


def after(make: type | None, decay: float) -> torch.Tensor:
    """What ten steps make of a matrix."""
    weight = torch.nn.Parameter(torch.linspace(-2, 3, 60).reshape(12, 5))
    rules = {"lr": 1e-2, "weight_decay": decay}
    optimizer = make_optimizer([weight], **rules) if make is None else make([weight], fused=True, **rules)
    for step in range(10):
        weight.grad = (weight.detach() - step).sin()
        optimizer.step()
    return weight.detach()


@pytest.mark.parametrize("decay", [0.0, 1e-2])
def test_adam_is_torch_s_and_its_decay_is_coupled(decay: float) -> None:
    assert torch.equal(after(None, decay), after(torch.optim.Adam, decay))
    assert torch.equal(after(None, decay), after(torch.optim.AdamW, decay)) == (decay == 0)
