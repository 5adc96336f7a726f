"""A cloud as the network sees it: points and the table of their nearest neighbours."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad.ops.knn import knn


def point_graph(points: NDArray[np.float32], k: int) -> dict[str, Tensor]:
    """Return {"points": (n, 3) float32, "index": (n, k) int32}, the point itself not among its neighbours.

    Clouds of n ≤ k points get k = n − 1 neighbours (spec 2.1). Raises ValueError for fewer than two points.

    >>> import numpy as np
    >>> point_graph(np.float32([[0, 0, 0], [1, 0, 0], [3, 0, 0]]), k=1)["index"].tolist()
    [[1], [0], [1]]
    """
    if len(points) < 2:
        raise ValueError(f"a point graph needs at least 2 points, got {len(points)}")
    cloud = np.ascontiguousarray(points, dtype=np.float32)
    index = knn(cloud, min(k, len(cloud) - 1), include_self=False).index
    return {"points": torch.from_numpy(cloud), "index": torch.from_numpy(index.astype(np.int32))}


def join_graphs(graphs: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Return several graphs as one, their tables shifted; tensors under other keys are concatenated.

    >>> one = {"points": torch.zeros(2, 3), "index": torch.tensor([[1], [0]])}
    >>> join_graphs([one, one])["index"].tolist()
    [[1], [0], [3], [2]]
    """
    starts = np.cumsum([0] + [len(graph["points"]) for graph in graphs])
    shifted = [{**graph, "index": graph["index"] + int(start)} for graph, start in zip(graphs, starts, strict=False)]
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
