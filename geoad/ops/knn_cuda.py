"""k nearest neighbours by the CUDA library: queries in packets of 32 walk a tree of boxes over Morton-sorted points."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor

from geoad import _check
from geoad.ops import _arrays, _cuda
from geoad.ops.knn import MOST_CUDA, cloud_bounds

LIMIT = 2**30 - 1
UNSORTED = 2048  # points up to which sorting takes longer than it saves


class Search(NamedTuple):
    """Contiguous float32 points on one device, in clouds that start at `offsets`, and who asks: they or `queries`."""

    points: Tensor
    queries: Tensor | None = None
    offsets: Tensor | None = None
    include_self: bool = True
    unsorted: int = UNSORTED  # points up to which they keep their order

    @property
    def rows(self) -> Tensor:
        """Those that ask."""
        return self.points if self.queries is None else self.queries

    @property
    def sizes(self) -> tuple[int, int, int]:
        """How many points, queries (−1: the points ask) and clouds there are."""
        asking = -1 if self.queries is None else len(self.queries)
        return len(self.points), asking, 1 if self.offsets is None else len(self.offsets) - 1

    def arguments(self) -> tuple[Any, ...]:
        """Return the first arguments of the library's searches."""
        count, asking, clouds = self.sizes
        return self.points, count, self.queries, asking, self.offsets, clouds, int(self.include_self), self.unsorted

    def workspace(self) -> Tensor:
        """Return memory to search in."""
        return _cuda.workspace(_cuda.measure("geoad_search_workspace", *self.sizes), self.points.device)


def search(points: Any, k: int, queries: Any, batch: Any, include_self: bool) -> tuple[Tensor, Tensor]:
    """Return index and sq_dist (Q, k); `batch` on the device is waited for, nothing else is."""
    if k > MOST_CUDA:
        raise ValueError(f'backend "cuda" finds at most {MOST_CUDA} neighbours, got k = {k}: pass backend="torch"')
    return nearest(prepare(points, queries, batch, include_self), k)


def prepare(points: Any, queries: Any, batch: Any, include_self: bool) -> Search:
    """Check what a caller brings; everything but `batch` must be on one CUDA device."""
    cloud = _to_floats("points", points)
    asked = None if queries is None else _to_floats("queries", queries)
    if asked is not None and asked.device != cloud.device:
        raise ValueError(f"queries must be where points are, on {cloud.device}, got queries on {asked.device}")
    if batch is None:
        return Search(cloud, asked, None, include_self)
    bounds = cloud_bounds(batch.cpu() if _arrays.is_tensor(batch) else batch, len(cloud))
    return Search(cloud, asked, torch.tensor(bounds).to(cloud.device), include_self)


def _to_floats(name: str, array: Any) -> Tensor:
    """Return points (N, 3) as contiguous float32 on their CUDA device."""
    tensor: Tensor = _arrays.to_cuda(name, array)
    _check.shape(name, tensor, ("N", 3))
    if len(tensor) > LIMIT:
        raise ValueError(f'backend "cuda" takes at most {LIMIT} {name}, got {len(tensor)}')
    return tensor.float().contiguous()


def nearest(asked: Search, k: int, *, sq_radius: float = math.inf) -> tuple[Tensor, Tensor]:
    """Return index and sq_dist (Q, k) of neighbours with sq_dist <= `sq_radius`, without waiting for the device."""
    device, count = asked.points.device, len(asked.rows)
    index = torch.empty((count, k), dtype=torch.int64, device=device)
    sq_dist = torch.empty((count, k), device=device)
    _cuda.call("geoad_knn", device, *asked.arguments(), float(sq_radius), k, index, sq_dist, asked.workspace())
    return index, sq_dist
