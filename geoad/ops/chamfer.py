"""Chamfer distance between two clouds."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import _check
from geoad.ops import chamfer_numba


def chamfer(a: Any, b: Any) -> Any:
    """Return mean_a min_b ‖a − b‖² + mean_b min_a ‖a − b‖² for `a` (m, 3) and `b` (r, 3), both not empty.

    Torch tensors give a scalar tensor, differentiable in both (the nearest partners are held fixed); arrays give a
    float. Meant for the thousand points of a receptive field (thesis eq. 10.3), which are compared pair by pair;
    large clouds in single precision on the CPU go through a k-d tree, with the same partners.

    >>> import numpy as np
    >>> chamfer(np.zeros((1, 3)), np.array([[1.0, 0, 0], [0, 2, 0]]))
    3.5
    """
    for name, cloud in (("a", a), ("b", b)):
        _check.shape(name, cloud, ("N", 3))
        if not len(cloud):
            raise ValueError(f"{name} must hold at least one point, got none")
    if isinstance(a, np.ndarray):
        to_b, to_a = chamfer_numba.nearest(a, b)
        return float(((a - b[to_b]) ** 2).sum(1).mean() + ((b - a[to_a]) ** 2).sum(1).mean())
    return _chamfer_torch(a, b)


def _chamfer_torch(a: Any, b: Any) -> Any:
    import torch

    if a.device.type == "cpu":
        found = chamfer_numba.nearest(a.detach().numpy(), b.detach().numpy())
        to_b, to_a = (torch.from_numpy(index).long() for index in found)
    else:
        sq_dist = torch.cdist(a.detach(), b.detach(), compute_mode="donot_use_mm_for_euclid_dist")
        to_b, to_a = sq_dist.argmin(1), sq_dist.argmin(0)
    return (a - b[to_b]).square().sum(1).mean() + (b - a[to_a]).square().sum(1).mean()
