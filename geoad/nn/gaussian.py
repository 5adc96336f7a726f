"""Gaussian codes of variational autoencoders."""

from __future__ import annotations

from torch import Tensor


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, summed over the code, the mean over the batch (B, …).

    >>> import torch
    >>> float(divergence(torch.ones(2, 3), torch.zeros(2, 3)))
    1.5
    """
    each = (log_variance.exp() + mean.square() - 1 - log_variance) / 2
    return each.flatten(1).sum(1).mean()
