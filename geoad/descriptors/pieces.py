"""A network on a large cloud in pieces: points that lie together, and with them all that their features depend on."""

from __future__ import annotations

from itertools import accumulate

import torch
from torch import Tensor

from geoad.nn.local_features import LocalFeatures


def apply_in_pieces(network: LocalFeatures, points: Tensor, index: Tensor, scale: float, chunk: int) -> Tensor:
    """Return the features (n, d) of `network(points, index, scale)`, those of at most `chunk` points at a time.

    `points` (n, 3) and their neighbours `index` (n, k) are where the network is, and stay there. Features depend on the
    receptive field alone (thesis eq. 10.2), so a piece is given that much of the cloud: the values are the same, on the
    CPU bit for bit unless `chunk` is below 64 (products of matrices with very few rows may be summed in another order).

    >>> network, points = LocalFeatures(8, blocks=1), torch.rand(256, 3)
    >>> index = (torch.arange(256)[:, None] + torch.tensor([1, 2])) % 256
    >>> torch.equal(apply_in_pieces(network, points, index, 1.0, chunk=64), network(points, index))
    True
    """
    if len(points) <= chunk:
        return network(points, index, scale)  # type: ignore[no-any-return]
    features = points.new_empty(len(points), network.outputs)
    position = torch.empty(len(points), dtype=index.dtype, device=index.device)
    for piece in _split(points, torch.arange(len(points), device=points.device), chunk):
        nodes, sizes = _cone(index, piece, network.hops)
        position[nodes] = torch.arange(len(nodes), dtype=index.dtype, device=index.device)
        features[piece] = network(points[nodes], position[index[nodes[: sizes[-2]]]], scale, sizes)
    return features


def _split(points: Tensor, rows: Tensor, chunk: int) -> list[Tensor]:
    """Return `rows` in pieces of at most `chunk`: halves of halves across the longest side, each in ascending order."""
    if len(rows) <= chunk:
        return [rows]
    held = points[rows]
    order = held[:, int((held.amax(0) - held.amin(0)).argmax())].argsort()
    halves = order.tensor_split(2)
    return [piece for half in halves for piece in _split(points, rows[half].sort().values, chunk)]


def _cone(index: Tensor, piece: Tensor, hops: int) -> tuple[Tensor, list[int]]:
    """Return the points within `hops` hops of the piece, nearest first, and how many are within 0, 1, … of them.

    `ops.receptive_field` is the same search one point at a time, on the CPU; this one takes a hop at a time, anywhere.
    """
    seen = torch.zeros(len(index), dtype=torch.bool, device=index.device)
    seen[piece] = True
    shells = [piece]
    for _ in range(hops):
        reached = torch.zeros_like(seen)
        reached[index[shells[-1]].flatten()] = True
        shells.append((reached & ~seen).nonzero()[:, 0])
        seen |= reached
    return torch.cat(shells), list(accumulate(map(len, shells)))
