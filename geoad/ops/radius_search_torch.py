"""Neighbours within a radius by brute force in pieces, on any device."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from geoad.ops import _arrays
from geoad.ops.knn_torch import batch_bounds, to_clouds
from geoad.ops.radius_search import EDGES, admit

PAIRS = 1 << 22  # pairs a piece: 16 MiB of distances


def search(
    points: Any, queries: Any, batch: Any, limit: np.float32, include_self: bool, most: int | None
) -> tuple[Any, Any, Any]:
    """Return index, sq_dist (E,) and offsets (Q + 1,) of the same kind as `points`."""
    cloud, asked = to_clouds(points, queries)
    rows = cloud if asked is None else asked
    bounds = batch_bounds(batch, len(cloud))
    counts = torch.zeros(len(rows), dtype=torch.int64, device=cloud.device)
    if len(rows) * len(cloud) > EDGES:  # else no result can be too large
        for start, _, within in _pieces(cloud, asked, bounds, float(limit), include_self):
            counts[start : start + len(within)] = within.sum(1)
        admit(int((counts if most is None else counts.clamp(max=most)).sum()))
    parts = [(torch.empty(0, dtype=torch.int64, device=cloud.device), cloud.new_empty(0))]
    for start, sq_dist, within in _pieces(cloud, asked, bounds, float(limit), include_self):
        asker, index = within.nonzero(as_tuple=True)
        found = sq_dist[asker, index]
        order = (asker << 32 | found.view(torch.int32)).sort(stable=True).indices  # the index ascends already
        asker, index, found = asker[order], index[order], found[order]
        rank = torch.arange(len(asker), device=cloud.device) - torch.searchsorted(asker, asker)
        kept = rank < (len(cloud) if most is None else most)
        parts.append((index[kept] + _first(bounds, start, asked), found[kept]))
        counts[start : start + len(within)] = asker[kept].bincount(minlength=len(within))
    index, sq_dist = torch.cat([i for i, _ in parts]), torch.cat([d for _, d in parts])
    offsets = torch.cat([counts.new_zeros(1), counts.cumsum(0)])
    return (index, sq_dist, offsets) if _arrays.is_tensor(points) else (index.numpy(), sq_dist.numpy(), offsets.numpy())


def _first(bounds: list[int], start: int, asked: Tensor | None) -> int:
    """Return the number of the first point of the cloud that row `start` searches."""
    return 0 if asked is not None else max(first for first in bounds[:-1] if first <= start)


def _pieces(
    cloud: Tensor, asked: Tensor | None, bounds: list[int], limit: float, include_self: bool
) -> Iterator[tuple[int, Tensor, Tensor]]:
    """Yield the first row, squared distances (q, n) and whether they count, for a few rows of one cloud at a time."""
    for first, last in pairwise(bounds):
        points = cloud[first:last]
        rows = points if asked is None else asked
        finite = points.isfinite().all(1)
        step = max(1, PAIRS // max(len(points), 1))
        for start in range(0, len(rows) if len(points) else 0, step):
            some = rows[start : start + step]
            dx, dy, dz = (some[:, None, axis] - points[None, :, axis] for axis in range(3))
            sq_dist = ((dx * dx) + (dy * dy)) + (dz * dz)
            within = (sq_dist <= limit) & finite & some.isfinite().all(1)[:, None]
            if not include_self:
                within[:, start : start + step].fill_diagonal_(False)
            yield first + start, sq_dist, within
