"""The neighbours of every point, and the unit of length that they give a cloud."""

from __future__ import annotations

import math

from torch import Tensor

from geoad.nn.point_graph import neighbour_table


def neighbourhood(points: Tensor, k: int) -> tuple[Tensor, float]:
    """Return the `neighbour_table` of (n, 3) float32 points, where they are, and the mean distance, s of eq. (10.4).

    Raises ValueError for points so far apart that float32 cannot hold the square of a distance.

    >>> import torch
    >>> index, distance = neighbourhood(torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 3]]), k=2)
    >>> index.tolist(), distance
    ([[1, 2], [0, 2], [1, 0]], 2.0)
    """
    index, sq_dist = neighbour_table(points, k)
    # Sorted before they are averaged: the mean, too, must not depend on the order of the points.
    distance = float(sq_dist.sqrt().mean(1).double().sort().values.mean())
    if not math.isfinite(distance):
        raise ValueError("points must be less than 1e19 apart, got a distance whose square is too large for float32")
    return index, distance
