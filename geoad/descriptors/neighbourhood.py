"""The neighbours of every point, in an order that does not depend on the order of the points."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from geoad.ops.knn import knn

ROWS = 1 << 16  # rows whose ties are sorted at once: what bounds the memory on a lattice, where every row has some


def neighbourhood(points: Tensor, k: int) -> tuple[Tensor, float]:
    """Return the k nearest other points of each of (n, 3) float32, and their mean distance, s of eq. (10.4).

    The table is (n, k) int32, where the points are; of n ≤ k points it names the n − 1 others.

    A row is sorted by distance, and equally distant neighbours by their coordinates: what is summed along it has the
    same bits however the cloud is permuted, unless a tie at the k-th neighbour lets the numbering choose who is one.

    Raises ValueError for points so far apart that float32 cannot hold the square of a distance.

    >>> index, distance = neighbourhood(torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 3]]), k=2)
    >>> index.tolist(), distance
    ([[1, 2], [0, 2], [1, 0]], 2.0)
    """
    index, sq_dist = knn(points, min(k, len(points) - 1), include_self=False)
    # Sorted before they are averaged: the mean, too, must not depend on the order of the points.
    distance = float(sq_dist.sqrt().mean(1).double().sort().values.mean())
    if not math.isfinite(distance):
        raise ValueError("points must be less than 1e19 apart, got a distance whose square is too large for float32")
    index = index.int()
    tied = (sq_dist[:, 1:] == sq_dist[:, :-1]).any(1).nonzero()[:, 0]
    for rows in tied.split(ROWS):
        index[rows] = _break_ties(points, index[rows], sq_dist[rows])
    return index, distance


def _break_ties(points: Tensor, index: Tensor, sq_dist: Tensor) -> Tensor:
    """Return rows of neighbours sorted by (sq_dist, x, y, z)."""
    x, y, z = points[index].unbind(-1)
    order = torch.arange(index.shape[1], device=index.device).expand_as(index)
    for key in (z, y, x, sq_dist):  # stable sorts: the last key counts most
        order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
    return index.gather(1, order)
