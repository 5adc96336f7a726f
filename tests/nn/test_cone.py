"""Descriptors of a patch need its cone alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.nn.cone import cone
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import join_graphs, point_graph


def cloud(n: int = 400, seed: int = 0) -> dict[str, torch.Tensor]:
    return point_graph(np.random.default_rng(seed).random((n, 3), dtype=np.float32) * [1, 1, 0.01], k=6)


@pytest.mark.parametrize("reach", [0, 1, 3])
def test_descriptors_are_those_of_the_whole_cloud(reach: int) -> None:
    graph, network = cloud(), LocalFeatures(8, blocks=1)
    part = cone(graph["points"], graph["index"], torch.tensor([7, 300]), network.hops, reach=reach)
    assert part.described[:2].tolist() == [7, 300] and len(part.nodes) < 400
    whole = network(graph["points"], graph["index"], 2.0)
    torch.testing.assert_close(network(part.points, part.table, 2.0, part.sizes), whole[part.described])


def test_a_patch_is_what_lies_within_its_reach() -> None:
    graph = cloud()
    one = cone(graph["points"], graph["index"], torch.tensor([5]), 2, reach=1)
    assert set(one.described.tolist()) == {5, *graph["index"][5].tolist()}


def test_a_patch_stays_in_its_cloud() -> None:
    both = join_graphs([cloud(100), cloud(100, seed=1)])
    part = cone(both["points"], both["index"], torch.tensor([150]), 2, reach=2)
    assert int(part.nodes.min()) >= 100
