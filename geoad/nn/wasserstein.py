"""Losses of a GAN by Wasserstein distance with gradient penalty (WGAN-GP), for images and grids of any dimension."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Critic = Callable[[Tensor], Tensor]


def critic_loss(critic: Critic, real: Tensor, fake: Tensor, weight: float = 10.0) -> dict[str, Tensor]:
    """Return what the critic descends on real and fake samples (B, C, ...): minus their distance, plus the penalty.

    "distance" is E[D(real)] - E[D(fake)], "penalty" that of `gradient_penalty`, before its weight. The critic sees real
    and fake samples in one batch, so it must have no batch norm, as WGAN-GP has none.

    >>> real, fake = torch.ones(2, 1, 4), torch.zeros(2, 1, 4)
    >>> losses = critic_loss(lambda x: x.flatten(1).sum(1), real, fake)
    >>> {name: float(loss) for name, loss in losses.items()}
    {'total': 6.0, 'distance': 4.0, 'penalty': 1.0}
    """
    scores = critic(torch.cat([real, fake]))
    distance = scores[: len(real)].mean() - scores[len(real) :].mean()
    penalty = gradient_penalty(critic, real, fake)
    return {"total": weight * penalty - distance, "distance": distance, "penalty": penalty}


def gradient_penalty(critic: Critic, real: Tensor, fake: Tensor) -> Tensor:
    """Return the mean of (|gradient of the critic| - 1)² at points drawn evenly between real and fake samples.

    It is computed in full precision whatever the rest is: it is the gradient of a gradient.

    >>> slopes = torch.tensor([3.0, 4.0])
    >>> float(gradient_penalty(lambda x: x @ slopes, torch.rand(5, 2), torch.rand(5, 2)))
    16.0
    """
    kind = torch.promote_types(real.dtype, torch.float32)
    share = torch.rand(len(real), *[1] * (real.dim() - 1), device=real.device, dtype=kind)
    with torch.autocast(real.device.type, enabled=False):
        between = (share * real.to(kind) + (1 - share) * fake.to(kind)).detach().requires_grad_()
        (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
        lengths: Tensor = gradient.flatten(1).norm(dim=1)
        return (lengths - 1).square().mean()


def generator_loss(critic: Critic, fake: Tensor) -> dict[str, Tensor]:
    """Return what the generator descends: -E[D(fake)].

    >>> float(generator_loss(lambda x: x.flatten(1).sum(1), torch.ones(2, 1, 4))["total"])
    -4.0
    """
    return {"total": -critic(fake).mean()}
