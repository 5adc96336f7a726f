"""k nearest neighbours by the CUDA library: a tree of boxes over Morton-sorted points, queries in packets of 32."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from geoad.ops import _cuda

MOST = 64  # neighbours that fit in a thread's registers
UNSORTED = 2048  # points up to which sorting takes longer than it saves


def search(
    points: Tensor,
    k: int,
    queries: Tensor | None,
    offsets: Tensor | None,
    include_self: bool,
    *,
    sq_radius: float = math.inf,
    unsorted: int = UNSORTED,
) -> tuple[Tensor, Tensor]:
    """Return index and sq_dist (Q, k), k <= MOST, of points (N, 3) float32 on a CUDA device, non-finite ones among them.

    `offsets` (clouds + 1,) int64 says where clouds start. Only neighbours with sq_dist <= `sq_radius` count. Clouds up
    to `unsorted` points keep their order. Nothing waits for the device.
    """
    clouds = 1 if offsets is None else len(offsets) - 1
    asking = -1 if queries is None else len(queries)
    rows = len(points) if queries is None else asking
    index = torch.empty((rows, k), dtype=torch.int64, device=points.device)
    sq_dist = torch.empty((rows, k), device=points.device)
    space = _cuda.workspace(_cuda.measure("geoad_knn_workspace", len(points), asking, clouds), points.device)
    sizes: tuple[Any, ...] = (clouds, k, int(include_self), unsorted, sq_radius)
    _cuda.call(
        "geoad_knn", points.device, points, len(points), queries, asking, offsets, *sizes, index, sq_dist, space
    )
    return index, sq_dist
