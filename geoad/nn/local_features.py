"""The 3D-ST network: a descriptor for every point from the offsets to its neighbours (thesis 10.3)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import leaky_relu, linear

from geoad import _check
from geoad.nn import fused_block
from geoad.nn.fused_block import SLOPE, FusedBlock
from geoad.ops.aggregate import aggregate
from geoad.ops.aggregate_torch import check_table

COORDINATES = ("relative", "absolute")


class SharedMLP(nn.Linear):
    """One dense layer and LeakyReLU(0.2), applied to each point alone.

    >>> import torch
    >>> SharedMLP(4, 8)(torch.zeros(10, 4)).shape
    torch.Size([10, 8])
    """

    def forward(self, input: Tensor) -> Tensor:
        return leaky_relu(super().forward(input), SLOPE)


class LocalFeatureAggregation(nn.Module):
    """Embed the offsets to the neighbours and average them beside the neighbours' features: (n, d) → (m, 2d).

    Fig. 10.4b. `scale` multiplies all offsets; it is folded into the weights, so that coordinates are never rounded
    twice and a far point cannot change a near one.

    >>> import torch
    >>> lfa = LocalFeatureAggregation(8)
    >>> lfa(torch.rand(5, 3), torch.tensor([[1], [2], [3], [4], [0]]), torch.zeros(5, 8), torch.tensor(1.0)).shape
    torch.Size([5, 16])
    """

    def __init__(self, width: int, coordinates: str = "relative") -> None:
        super().__init__()
        self.coordinates = coordinates
        self.embed = nn.Linear(4 if coordinates == "relative" else 10, width)

    def forward(self, points: Tensor, index: Tensor, features: Tensor, scale: Tensor) -> Tensor:
        weight = self.embed.weight * scale.to(self.embed.weight)
        if self.coordinates == "absolute":
            return self._absolute(points, index.long(), weight, features)
        return aggregate(points, index, weight, self.embed.bias, features, slope=SLOPE)

    def _absolute(self, points: Tensor, index: Tensor, weight: Tensor, features: Tensor) -> Tensor:
        """The ablation with G = (x, x_j, x − x_j, ‖x − x_j‖) of RandLA-Net (thesis 10.4.3), in plain torch."""
        check_table(index, len(points))
        neighbours = points[index]
        own = points[: len(index), None].expand_as(neighbours)
        offset = own - neighbours
        geometry = torch.cat([own, neighbours, offset, offset.norm(dim=-1, keepdim=True)], dim=-1)
        embedded = leaky_relu(linear(geometry, weight, self.embed.bias), SLOPE)
        return torch.cat([embedded.mean(1), features[index].mean(1)], dim=-1)


class ResidualBlock(nn.Module):
    """d → d/4 → d/2 → d through two aggregations, added to a projection of the input (fig. 10.4a).

    The figure's widths are not printed in the text; this chain is the only one that returns to d without an extra
    projection.

    >>> sum(p.numel() for p in ResidualBlock(64).parameters())
    9600
    """

    def __init__(self, width: int, coordinates: str = "relative") -> None:
        super().__init__()
        self.enter = SharedMLP(width, width // 4)
        self.first = LocalFeatureAggregation(width // 4, coordinates)
        self.second = LocalFeatureAggregation(width // 2, coordinates)
        self.leave = SharedMLP(width, width)
        self.skip = SharedMLP(width, width)

    def forward(self, points: Tensor, index: Tensor, features: Tensor, scale: Tensor, rows: tuple[int, int]) -> Tensor:
        if self.first.coordinates == "relative" and fused_block.serves(points):
            return self._fused(points, index, features, scale, rows)
        hidden = self.enter(features).expand(len(points), -1)
        hidden = self.first(points, _head(index, rows[0]), hidden, scale)
        hidden = self.second(points[: rows[0]], _head(index, rows[1]), hidden, scale)
        return self.leave(hidden) + self.skip(features[: rows[1]])  # type: ignore[no-any-return]

    def _fused(self, points: Tensor, index: Tensor, features: Tensor, scale: Tensor, rows: tuple[int, int]) -> Tensor:
        factor = scale.to(features)
        embeddings = [p for lfa in (self.first, self.second) for p in (lfa.embed.weight * factor, lfa.embed.bias)]
        dense = [p for layer in (self.enter, self.leave, self.skip) for p in (layer.weight, layer.bias)]
        layers = [*dense[:2], *embeddings, *dense[2:]]
        return FusedBlock.apply(points, index, features, rows, *layers)  # type: ignore[no-any-return, no-untyped-call]


def _head(index: Tensor, rows: int) -> Tensor:
    """Return the first rows of a table; the table itself if they are all: what is derived from it is kept with it."""
    return index if rows == len(index) else index[:rows]


class LocalFeatures(nn.Module):
    """Teacher and student of 3D-ST: points (n, 3) and their neighbour table (n, k) to descriptors (n, d).

    `width` is d (64 or 128, divisible by 4), `blocks` residual blocks of two aggregations each: the receptive field
    is 2·blocks hops. Invariant to translation and, with `scale` = 1 / mean neighbour distance, to the unit.
    `coordinates="absolute"` is an ablation (thesis 10.4.3) that loses the first invariance. `outputs` is the length of
    the descriptors if it is not `width`; with 0 it is open, and `grow` decides it.

    >>> import torch
    >>> network = LocalFeatures(64)
    >>> sum(p.numel() for p in network.parameters()), network.hops
    (46720, 8)
    >>> network(torch.rand(5, 3), torch.tensor([[1], [2], [3], [4], [0]])).shape
    torch.Size([5, 64])
    """

    def __init__(
        self, width: int = 64, blocks: int = 4, coordinates: str = "relative", *, outputs: int | None = None
    ) -> None:
        super().__init__()
        _check.one_of("coordinates", coordinates, COORDINATES)
        _check.positive(blocks=blocks)
        if width % 4 or width <= 0:
            raise ValueError(f"width must be a positive multiple of 4, got {width}")
        self.width, self.coordinates = width, coordinates
        self.blocks = nn.ModuleList(ResidualBlock(width, coordinates) for _ in range(blocks))
        self.hidden = SharedMLP(width, width)
        self.output = nn.Linear(width, width)
        if outputs is not None:
            self.grow(outputs)

    @property
    def hops(self) -> int:
        """The number L of aggregations: features depend on points up to so many hops away."""
        return 2 * len(self.blocks)

    @property
    def outputs(self) -> int:
        """The length of a descriptor, 0 while it is open."""
        return len(self.output.bias)

    def grow(self, outputs: int) -> None:
        """Give the descriptors another length: the last layer starts afresh."""
        like = self.output.weight
        self.output = nn.Linear(self.width, max(outputs, 1), device=like.device, dtype=like.dtype)
        if not outputs:  # torch warns of a layer that is made like this
            self.output.weight, self.output.bias = (nn.Parameter(p[:0].clone()) for p in self.output.parameters())

    def forward(
        self, points: Tensor, index: Tensor, scale: Tensor | float = 1.0, sizes: Sequence[int] | None = None
    ) -> Tensor:
        """Return the descriptors (n, d), or with `sizes` those of the first sizes[0] points only.

        `sizes` (hops + 1,) says how many of the points, ordered by hops, lie within 0, 1, … hops of the queries
        (`ops.receptive_field`); each aggregation then works on the prefix that still matters.

        Raises ValueError for other shapes, TypeError for a table that is not int32 or int64.
        """
        _check.shape("points", points, ("n", 3))
        _check.shape("index", index, ("n", "k"))
        if index.dtype not in (torch.int32, torch.int64):
            raise TypeError(f"index must be int32 or int64, got {index.dtype}")
        rows = [len(points)] * (self.hops + 1) if sizes is None else [int(s) for s in sizes]
        factor = torch.as_tensor(scale, dtype=points.dtype, device=points.device)
        features = points.new_zeros(1, self.width)  # f = 0 at first; one row stands for all of them
        for number, block in enumerate(self.blocks):
            last = self.hops - 2 * number
            features = block(points[: rows[last]], index, features, factor, (rows[last - 1], rows[last - 2]))
        return self.output(self.hidden(features))  # type: ignore[no-any-return]


class FieldDecoder(nn.Module):
    """Decode a descriptor into the m points of its receptive field; used in pretraining only (thesis 10.3.2).

    >>> sum(p.numel() for p in FieldDecoder(64).parameters())
    421120
    """

    def __init__(self, width: int = 64, points: int = 1024, hidden: int = 128) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(width, hidden),
            nn.LeakyReLU(0.05),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(0.05),
            nn.Linear(hidden, 3 * points),
        )

    def forward(self, descriptors: Tensor) -> Tensor:
        """Return (q, m, 3) points in normalised coordinates for descriptors (q, d)."""
        return self.layers(descriptors).view(len(descriptors), -1, 3)  # type: ignore[no-any-return]
