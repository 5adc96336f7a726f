"""Chamfer distance between two clouds."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import _check
from geoad.ops import _arrays, chamfer_numba


def chamfer(a: Any, b: Any) -> Any:
    """Return mean_a min_b ‖a − b‖² + mean_b min_a ‖a − b‖² for `a` (m, 3) and `b` (r, 3), both not empty.

    Torch tensors give a scalar tensor, differentiable in both (the nearest partners are held fixed); arrays give a
    float. Meant for the thousand points of a receptive field (thesis eq. 10.3), which are compared pair by pair;
    large clouds in single precision on the CPU go through a k-d tree, with the same partners.

    >>> import numpy as np
    >>> chamfer(np.zeros((1, 3)), np.array([[1.0, 0, 0], [0, 2, 0]]))
    3.5
    """
    first, second = _check_pair(a, b)
    if isinstance(first, np.ndarray):
        to_b, to_a = chamfer_numba.nearest(first, second)
        return float(((first - second[to_b]) ** 2).sum(1).mean() + ((second - first[to_a]) ** 2).sum(1).mean())
    return _chamfer_torch(first, second)


def chamfer_each(a: Any, b: list[Any]) -> Any:
    """Return the distances (q,) of the clouds of `a` (q, m, 3) to those of `b`, q tensors (r, 3), none of them empty.

    Each is that of `chamfer`; all of them together take few operations of torch. Differentiable in both.

    >>> import torch
    >>> chamfer_each(torch.zeros(2, 1, 3), [torch.ones(1, 3), torch.zeros(3, 3)])
    tensor([6., 0.])
    """
    import torch

    a, b = _wide(a), [_wide(other) for other in b]
    found = [_partners(*_check_pair(cloud, other)) for cloud, other in zip(a, b, strict=True)]
    counts = torch.tensor([len(other) for other in b], device=a.device)
    starts = counts.cumsum(0) - counts
    to_b = torch.cat([first + start for (first, _), start in zip(found, starts.tolist(), strict=True)])
    to_a = torch.cat([second + i * a.shape[1] for i, (_, second) in enumerate(found)])
    flat, others = a.flatten(0, 1), torch.cat(b)
    of_a = (flat - others[to_b]).square().sum(1).view(len(a), -1).mean(1)
    of_b = torch.segment_reduce((others - flat[to_a]).square().sum(1), "mean", lengths=counts)
    return of_a + of_b


def _check_pair(a: Any, b: Any) -> tuple[Any, Any]:
    """Return two clouds of real numbers, both arrays or both tensors of one device.

    Whole numbers become doubles, and halves float32, as squares of theirs would not be in range.
    """
    for name, cloud in (("a", a), ("b", b)):
        if not (isinstance(cloud, np.ndarray) or _arrays.is_tensor(cloud)):
            raise TypeError(f"{name} must be a numpy array or a torch tensor, got {type(cloud).__name__}")
        _check.shape(name, cloud, ("N", 3))
        if not len(cloud):
            raise ValueError(f"{name} must hold at least one point, got none")
    if isinstance(a, np.ndarray) != isinstance(b, np.ndarray):
        raise TypeError(f"a and b must be of one kind, got {type(a).__name__} and {type(b).__name__}")
    if isinstance(a, np.ndarray):
        first, second = (_widened(_arrays.to_numpy(name, cloud)) for name, cloud in (("a", a), ("b", b)))
        return first, second
    if a.device != b.device:
        raise ValueError(f"a and b must be on one device, got {a.device} and {b.device}")
    return tuple(_wide(cloud) for cloud in (a, b))


def _widened(cloud: Any) -> Any:
    """Return an array as float32 or float64."""
    exact = np.float32 if cloud.dtype.kind == "f" and cloud.itemsize <= 4 else np.float64
    return cloud.astype(exact, copy=False)


def _wide(cloud: Any) -> Any:
    """Return a tensor as float32 or float64."""
    if cloud.is_complex() or str(cloud.dtype) == "torch.bool":
        raise TypeError(f"clouds must hold real numbers, got {str(cloud.dtype).removeprefix('torch.')}")
    if not cloud.is_floating_point():
        return cloud.double()
    return cloud if cloud.element_size() >= 4 else cloud.float()


def _chamfer_torch(a: Any, b: Any) -> Any:
    to_b, to_a = _partners(a, b)
    return (a - b[to_b]).square().sum(1).mean() + (b - a[to_a]).square().sum(1).mean()


def _partners(a: Any, b: Any) -> tuple[Any, Any]:
    """Return the nearest in `b` of each point of `a`, and the other way."""
    import torch

    if a.device.type == "cpu":
        found = chamfer_numba.nearest(_arrays.to_numpy("a", a), _arrays.to_numpy("b", b))
        to_b, to_a = (torch.from_numpy(index).long() for index in found)
        return to_b, to_a
    sq_dist = torch.cdist(a.detach(), b.detach(), compute_mode="donot_use_mm_for_euclid_dist")
    return sq_dist.argmin(1), sq_dist.argmin(0)
