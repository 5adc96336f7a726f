"""Points and the table of their neighbours."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from geoad.nn.moments import Moments
from geoad.nn.point_graph import join_graphs, point_graph

POINTS = np.random.default_rng(0).random((40, 3))


def test_no_neighbour_is_none_of_another_cloud_when_graphs_are_joined() -> None:
    strange = POINTS[:6].copy()
    strange[5] = np.nan
    first, second = point_graph(POINTS, 5), point_graph(strange, 5)
    joined = join_graphs([first, second])["index"]
    assert torch.equal(joined[:40], first["index"]) and (second["index"][0] < 0).any()
    assert torch.equal(joined[40:], second["index"].where(second["index"] < 0, second["index"] + 40))


def test_arrays_of_any_layout_are_one_cloud() -> None:
    points = POINTS.astype(np.float32)
    layouts = [points[::-1][::-1], points.astype(">f4"), np.asfortranarray(points), torch.from_numpy(points)]
    expected = point_graph(points, 4)
    for layout in layouts:
        found = point_graph(layout, 4)
        assert torch.equal(found["points"], expected["points"]) and torch.equal(found["index"], expected["index"])


def test_a_cloud_that_float32_would_flatten_is_refused() -> None:
    with pytest.raises(ValueError, match="points must be near the origin for float32"):
        point_graph(POINTS + 1e8, 4)


def test_no_features_change_no_moments() -> None:
    moments = Moments(2)
    moments.see(torch.rand(5, 2))
    before = moments.mean.clone(), moments.std
    moments.see(torch.zeros(0, 2))
    assert torch.equal(moments.mean, before[0]) and torch.equal(moments.std, before[1])
