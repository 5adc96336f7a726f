"""A cloud as the network sees it: points and the table of their nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad.geometry.float32 import as_float32
from geoad.ops import _arrays
from geoad.ops.knn import knn

ROWS = 1 << 16  # rows whose ties are sorted at once: what bounds the memory on a lattice, where every row has some


def point_graph(points: NDArray[np.float32] | Tensor, k: int) -> dict[str, Tensor]:
    """Return {"points": (n, 3) float32, "index": (n, k) int32}, the point itself not among its neighbours.

    Tensors stay on their device.

    Clouds of n ≤ k points get k = n − 1 neighbours (spec 2.1). Raises ValueError for fewer than two points, and for an
    array that float32 would flatten.

    >>> import numpy as np
    >>> point_graph(np.float32([[0, 0, 0], [1, 0, 0], [3, 0, 0]]), k=1)["index"].tolist()
    [[1], [0], [1]]
    """
    if len(points) < 2:
        raise ValueError(f"a point graph needs at least 2 points, got {len(points)}")
    if not isinstance(points, Tensor):
        array = as_float32("points", _arrays.to_numpy("points", points))
        points = torch.from_numpy(_arrays.to_points("points", array))
    cloud = points.to(torch.float32).contiguous()
    return {"points": cloud, "index": neighbour_table(cloud, k)[0]}


def neighbour_table(points: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Return the k nearest other points of each of (n, 3) float32, (n, k) int32, and their squared distances (n, k).

    Of n ≤ k points the table names the n − 1 others. A row is sorted by distance, and equally distant neighbours by
    their coordinates: what is summed along it has the same bits however the cloud is permuted, unless a tie at the k-th
    neighbour lets the numbering choose who is one.

    >>> neighbour_table(torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, 0, 3]]), k=2)[0].tolist()
    [[1, 2], [0, 2], [1, 0]]
    """
    index, sq_dist = knn(points, min(k, len(points) - 1), include_self=False)
    index = index.int()
    tied = (sq_dist[:, 1:] == sq_dist[:, :-1]).any(1).nonzero()[:, 0]
    for rows in tied.split(ROWS):
        index[rows] = _break_ties(points, index[rows], sq_dist[rows])
    return index, sq_dist


def _break_ties(points: Tensor, index: Tensor, sq_dist: Tensor) -> Tensor:
    """Return rows of neighbours sorted by (sq_dist, x, y, z)."""
    x, y, z = points[index].unbind(-1)
    order = torch.arange(index.shape[1], device=index.device).expand_as(index)
    for key in (z, y, x, sq_dist):  # stable sorts: the last key counts most
        order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
    return index.gather(1, order)


def join_graphs(graphs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return several graphs as one, their tables shifted but for −1; tensors under other keys are concatenated.

    The tensors of a single graph are its own, not copies.

    >>> one = {"points": torch.zeros(2, 3), "index": torch.tensor([[1], [0]])}
    >>> join_graphs([one, one])["index"].tolist()
    [[1], [0], [3], [2]]
    """
    if len(graphs) == 1:  # as in each step of a training on single clouds, and tables are megabytes
        return dict(graphs[0])
    starts = np.cumsum([0] + [len(graph["points"]) for graph in graphs])
    tables = [graph["index"] for graph in graphs]
    tables = [table.where(table < 0, table + int(start)) for table, start in zip(tables, starts, strict=False)]
    shifted = [{**graph, "index": table} for graph, table in zip(graphs, tables, strict=True)]
    return {name: torch.cat([graph[name] for graph in shifted]) for name in graphs[0]}


def neighbour_distance(points: Tensor, index: Tensor) -> Tensor:
    """Return the mean distance of a point to its neighbours, a float64 scalar: one cloud's term of eq. (10.4).

    >>> neighbour_distance(torch.tensor([[0.0, 0, 0], [0, 3, 4]]), torch.tensor([[1], [0]])).item()
    5.0
    """
    total = torch.zeros((), dtype=torch.float64, device=points.device)
    for column in index.T:
        total += (points - points[column.long()]).norm(dim=1).sum(dtype=torch.float64)
    return total / index.numel()
