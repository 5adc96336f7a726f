"""Neighbours in an order of their own."""

from __future__ import annotations

import pytest
import torch

from geoad.descriptors.neighbourhood import neighbourhood
from geoad.nn import point_graph
from geoad.nn.point_graph import neighbour_distance
from geoad.ops.knn import knn


def lattice() -> torch.Tensor:
    """The 26 points around the middle have three distances to it, and all others are farther."""
    axis = torch.arange(5.0)
    return shuffled(torch.cartesian_prod(axis, axis, axis), seed=0)


def shuffled(points: torch.Tensor, seed: int) -> torch.Tensor:
    return points[torch.randperm(len(points), generator=torch.Generator().manual_seed(seed))]


def around_the_middle(points: torch.Tensor) -> torch.Tensor:
    """The 26 neighbours of the middle, in their order."""
    middle = (points == 2).all(1)
    return points[neighbourhood(points, 26)[0][middle][0]]


def test_neighbours_are_those_of_knn() -> None:
    points = torch.rand(500, 3, generator=torch.Generator().manual_seed(0))
    index, distance = neighbourhood(points, 8)
    assert torch.equal(index.long(), knn(points, 8, include_self=False).index)
    assert distance == pytest.approx(float(neighbour_distance(points, index)), rel=1e-6)


@pytest.mark.parametrize("rows", [7, 1000])
def test_ties_are_sorted_by_coordinates(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(point_graph, "ROWS", rows)
    keys = [(float((p - 2).square().sum()), *p.tolist()) for p in around_the_middle(lattice())]
    assert keys == sorted(keys) and len({key[0] for key in keys}) == 3


def test_the_numbering_has_no_part_in_it() -> None:
    points = torch.rand(5000, 3, generator=torch.Generator().manual_seed(0))
    assert neighbourhood(points, 8)[1] == neighbourhood(shuffled(points, 1), 8)[1]
    assert torch.equal(around_the_middle(lattice()), around_the_middle(shuffled(lattice(), 1)))


def test_fewer_points_than_neighbours() -> None:
    index, distance = neighbourhood(torch.tensor([[0.0, 0, 0], [0, 0, 2]]), 32)
    assert index.tolist() == [[1], [0]] and distance == 2


def test_distances_beyond_float32() -> None:
    with pytest.raises(ValueError, match="less than 1e19 apart"):
        neighbourhood(torch.tensor([[0.0, 0, 0], [0, 0, 1e30]]), 1)
