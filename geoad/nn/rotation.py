"""Random rotations."""

from __future__ import annotations

import torch
from torch import Tensor


def random_rotation(like: Tensor) -> Tensor:
    """Return a rotation (3, 3), uniform over all of them, drawn from torch's generator, of the type of `like`.

    It is the orthogonal factor of a normal matrix, reflections turned into rotations.

    >>> turn = random_rotation(torch.zeros(0, 3, dtype=torch.float64))
    >>> torch.allclose(turn @ turn.T, torch.eye(3, dtype=torch.float64)), round(float(torch.linalg.det(turn)), 6)
    (True, 1.0)
    """
    q, r = torch.linalg.qr(torch.randn(3, 3, dtype=torch.float64))
    q = q * r.diagonal().sign()
    turn: Tensor = (q * torch.linalg.det(q)).to(like)
    return turn
