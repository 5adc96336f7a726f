"""What a few points need of a cloud: their receptive field, in the order in which the network can forget it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from geoad.ops.receptive_field import receptive_field, relabel


class Cone(NamedTuple):
    """Arguments of `LocalFeatures` for the descriptors of the first `sizes[0]` of the `nodes` (r,) of a cloud.

    `points` (r, 3) are those of the nodes, `table` their neighbours in positions within `nodes`, `sizes` (hops + 1,)
    how many nodes lie within 0, 1, … hops of the described ones.

    >>> Cone(torch.tensor([4]), torch.zeros(1, 3), torch.zeros(0, 1), [1]).described
    tensor([4])
    """

    nodes: Tensor
    points: Tensor
    table: Tensor
    sizes: list[int]

    @property
    def described(self) -> Tensor:
        """The numbers, in the cloud, of the points that get a descriptor."""
        return self.nodes[: self.sizes[0]]


def cone(points: Tensor, index: Tensor, centres: Tensor, hops: int, *, reach: int = 0) -> Cone:
    """Return the cone under the points within `reach` hops of the `centres` (q,): of a patch of the cloud around each.

    Descriptors from the cone equal those from the whole cloud; `hops` is the network's (`LocalFeatures.hops`).

    >>> line = torch.tensor([[1, 1], [0, 2], [1, 3], [2, 2]])
    >>> found = cone(torch.rand(4, 3), line, torch.tensor([0]), hops=1, reach=1)
    >>> found.nodes.tolist(), found.described.tolist(), found.sizes
    ([0, 1, 2], [0, 1], [2, 3])
    """
    table = index.cpu().numpy()
    field = receptive_field(table, centres.cpu().numpy(), hops + reach)
    sizes = field.sizes[reach:].tolist()
    near = torch.from_numpy(relabel(table, field.nodes, sizes[-2] if hops else 0))
    nodes = torch.from_numpy(field.nodes).to(points.device)
    return Cone(nodes, points[nodes], near.to(points.device), sizes)
