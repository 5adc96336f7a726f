"""Neighbours within a radius by the CUDA library: count, then fill, then sort the rows. The count is waited for."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from geoad.ops import _cuda, knn_cuda
from geoad.ops.knn import MOST_CUDA
from geoad.ops.knn_cuda import Search
from geoad.ops.radius_search import admit

LONG = 4096  # neighbours of a row beyond which all rows are sorted by torch
Found = tuple[Tensor, Tensor, Tensor]


def search(points: Any, queries: Any, batch: Any, limit: np.float32, include_self: bool, most: int | None) -> Found:
    """Return index, sq_dist (E,) and offsets (Q + 1,)."""
    return within(knn_cuda.prepare(points, queries, batch, include_self), float(limit), most)


def within(asked: Search, limit: float, most: int | None, *, long: int = LONG) -> Found:
    """Return index, sq_dist (E,) and offsets (Q + 1,) of neighbours with sq_dist <= `limit`."""
    if most is not None and most <= MOST_CUDA:
        index, sq_dist = knn_cuda.nearest(asked, most, sq_radius=limit)
        there = index >= 0
        return index[there], sq_dist[there], _starts(there.sum(1))
    device, space = asked.points.device, asked.workspace()
    counts = torch.empty(len(asked.rows), dtype=torch.int64, device=device)
    _cuda.call("geoad_radius_count", device, *asked.arguments(), limit, counts, space)
    starts, kept = _starts(counts), _starts(counts if most is None else counts.clamp(max=most))
    total, edges, longest = torch.stack([starts[-1], kept[-1], torch.cat([counts, starts[:1]]).max()]).tolist()
    admit(total)  # with max_neighbours too: rows are cut when they are sorted
    keys = torch.empty(total, dtype=torch.int64, device=device)
    count, asking, clouds = asked.sizes
    sizes = (count, asking, asked.offsets, clouds, int(asked.include_self))
    _cuda.call("geoad_radius_fill", device, *sizes, limit, starts, keys, space)
    if longest > long:
        return (*_sorted_by_torch(keys, starts, kept), kept)
    return (*_sorted(keys, starts, kept, edges), kept)


def _starts(counts: Tensor) -> Tensor:
    """Return where rows start that have so many neighbours, and the end of the last."""
    return torch.cat([counts.new_zeros(1), counts.cumsum(0)])


def _sorted(keys: Tensor, starts: Tensor, kept: Tensor, edges: int) -> tuple[Tensor, Tensor]:
    """Return index and sq_dist of the sorted rows, cut to what is kept."""
    index = torch.empty(edges, dtype=torch.int64, device=keys.device)
    sq_dist = torch.empty(edges, device=keys.device)
    _cuda.call("geoad_radius_sort", keys.device, keys, starts, kept, len(starts) - 1, index, sq_dist)
    return index, sq_dist


def _sorted_by_torch(keys: Tensor, starts: Tensor, kept: Tensor) -> tuple[Tensor, Tensor]:
    """Return the same by two sorts of all keys, which do not depend on how long a row is."""
    row = torch.repeat_interleave(starts.diff(), output_size=len(keys))
    order = keys.argsort()
    order = order[row[order].argsort(stable=True)]
    keys, row = keys[order], row[order]
    rank = torch.arange(len(keys), device=keys.device) - starts[row]
    keys = keys[rank < kept.diff()[row]]
    return keys & 0xFFFFFFFF, (keys >> 32).int().view(torch.float32)
