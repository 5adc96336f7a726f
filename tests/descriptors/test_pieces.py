"""A network on a cloud in pieces: the same features, whatever the shape of the cloud and the size of the pieces."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from geoad.descriptors.neighbourhood import neighbourhood
from geoad.descriptors.pieces import _cone, _split, apply_in_pieces
from geoad.nn.local_features import LocalFeatures
from geoad.ops.receptive_field import receptive_field
from geoad.training.state import free_shapes, load_state


def cloud(kind: str, n: int) -> Tensor:
    points = torch.rand(n, 3, generator=torch.Generator().manual_seed(0))
    if kind == "surface":
        points[:, 2] *= 0.001
    if kind == "islands":  # no neighbour tables lead from one to the other
        points += torch.arange(n)[:, None] % 5 * 100
    if kind == "same":
        points[:] = points[0]
    return points


@pytest.mark.parametrize("kind", ["volume", "surface", "islands", "same"])
@pytest.mark.parametrize("chunk", [64, 1000, 2999, 3000])
def test_features_are_those_of_the_whole_cloud(kind: str, chunk: int) -> None:
    torch.manual_seed(0)
    points, network = cloud(kind, 3000), LocalFeatures(16, 2)
    index = neighbourhood(points, 8)[0]
    with torch.no_grad():
        assert torch.equal(apply_in_pieces(network, points, index, 9.0, chunk), network(points, index, 9.0))


@pytest.mark.parametrize("coordinates", ["relative", "absolute"])
def test_pieces_of_one_point(coordinates: str) -> None:
    torch.manual_seed(0)
    points, network = cloud("surface", 60), LocalFeatures(8, 1, coordinates)
    index = neighbourhood(points, 4)[0]
    torch.testing.assert_close(apply_in_pieces(network, points, index, 9.0, 1), network(points, index, 9.0))


def test_less_of_the_cloud_is_seen_at_a_time() -> None:
    points, network, seen = cloud("surface", 4000), LocalFeatures(8, 1), []
    network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    apply_in_pieces(network, points, neighbourhood(points, 8)[0], 9.0, 500)
    assert len(seen) == 8 and max(seen) < 1000


@pytest.mark.parametrize("kind", ["volume", "same"])
def test_pieces_are_a_partition(kind: str) -> None:
    for n, chunk in ((1, 5), (64, 64), (65, 64), (1000, 64), (7, 1)):
        pieces = _split(cloud(kind, n), torch.arange(n), chunk)
        assert max(map(len, pieces)) <= chunk
        assert torch.cat(pieces).sort().values.tolist() == list(range(n))


@pytest.mark.parametrize("hops", [0, 1, 4])
def test_the_cone_is_the_receptive_field(hops: int) -> None:
    index = neighbourhood(cloud("surface", 2000), 8)[0]
    piece = torch.tensor([3, 4, 1999])
    nodes, sizes = _cone(index, piece, hops)
    field = receptive_field(index, piece.numpy(), hops)
    assert sizes == field.sizes.tolist()
    for size in sizes:
        assert np.array_equal(nodes[:size].sort().values, np.sort(field.nodes[:size]))


def test_pieces_of_a_network_whose_length_was_open() -> None:
    network = LocalFeatures(8, blocks=1, outputs=0)
    load_state(network, LocalFeatures(8, blocks=1, outputs=5).state_dict(), free_shapes(network))
    points = torch.rand(256, 3)
    index = (torch.arange(256)[:, None] + torch.tensor([1, 2])) % 256
    assert apply_in_pieces(network, points, index, 1.0, chunk=64).shape == (256, 5)
