"""k nearest neighbours by brute force in pieces, on any device: the backend of last resort that is still exact."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from geoad import _check
from geoad.ops import _arrays
from geoad.ops.knn import cloud_bounds

PAIRS = 1 << 23  # pairs a piece: 64 MiB of keys
NEVER = torch.iinfo(torch.int64).max


def search(points: Any, k: int, queries: Any, batch: Any, include_self: bool) -> tuple[Any, Any]:
    """Return index and sq_dist (Q, k) of the same kind as `points`."""
    cloud, asked = to_clouds(points, queries)
    bounds = batch_bounds(batch, len(cloud))
    parts = [_search_cloud(cloud[first:last], asked, k, include_self, first) for first, last in pairwise(bounds)]
    index, sq_dist = torch.cat([i for i, _ in parts]), torch.cat([d for _, d in parts])
    return (index, sq_dist) if _arrays.is_tensor(points) else (index.numpy(), sq_dist.numpy())


def to_clouds(points: Any, queries: Any) -> tuple[Tensor, Tensor | None]:
    """Return points and queries as float32 where they are, which must be one place."""
    cloud = to_tensor("points", points)
    asked = None if queries is None else to_tensor("queries", queries)
    if asked is not None and asked.device != cloud.device:
        raise ValueError(f"queries must be where points are, on {cloud.device}, got queries on {asked.device}")
    return cloud, asked


def batch_bounds(batch: Any, count: int) -> list[int]:
    """Return where each cloud starts, and `count`; ids are read on the CPU."""
    if batch is None:
        return [0, count]
    return cloud_bounds(batch.cpu() if _arrays.is_tensor(batch) else batch, count)


def to_tensor(name: str, array: Any, shape: tuple[int | str, ...] = ("N", 3)) -> Tensor:
    """Return coordinates of this shape as float32 where they are."""
    if not _arrays.is_tensor(array):
        return torch.from_numpy(_arrays.to_floats(name, array, shape))
    if array.is_complex() or array.dtype == torch.bool:
        raise TypeError(f"{name} must hold real numbers, got {array.dtype}")
    _check.shape(name, array, shape)
    return array.detach().float()  # type: ignore[no-any-return]


def _search_cloud(
    points: Tensor, queries: Tensor | None, k: int, include_self: bool, first: int
) -> tuple[Tensor, Tensor]:
    """Search one cloud, whose points are numbered from `first`."""
    rows = points if queries is None else queries
    index = torch.full((len(rows), k), -1, dtype=torch.int64, device=points.device)
    sq_dist = torch.full((len(rows), k), torch.inf, dtype=torch.float32, device=points.device)
    step = max(1, PAIRS // max(len(points), 1))
    for start in range(0, len(rows) if len(points) else 0, step):
        keys = _keys(points, rows[start : start + step])
        if not include_self:
            keys[:, start : start + step].fill_diagonal_(NEVER)
        best = keys.topk(min(k, len(points)), dim=1, largest=False).values
        missing = best == NEVER
        place = slice(start, start + step), slice(best.shape[1])
        index[place] = torch.where(missing, -1, (best & 0xFFFFFFFF) + first)
        bits = (best >> 32).to(torch.int32).contiguous()
        sq_dist[place] = torch.where(missing, torch.inf, bits.view(torch.float32))
    return index, sq_dist


def _keys(points: Tensor, rows: Tensor) -> Tensor:
    """Return (Q, N) whole numbers in the order of (sq_dist, index); NEVER where either point is not finite."""
    dx, dy, dz = (rows[:, None, axis] - points[None, :, axis] for axis in range(3))
    sq_dist = ((dx * dx) + (dy * dy)) + (dz * dz)
    keys = sq_dist.view(torch.int32).long() << 32 | torch.arange(len(points), device=points.device)
    finite = rows.isfinite().all(1)[:, None] & points.isfinite().all(1)
    return keys.masked_fill_(~finite, NEVER)
