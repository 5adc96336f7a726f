"""The CUDA search for neighbours against brute force, bit for bit, every path of it forced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoad.ops import knn, reference
from geoad.ops.knn import MOST_CUDA as MOST
from geoad.ops.knn_cuda import Search, nearest
from tests.ops.clouds import KINDS, cloud, clouds

FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
SORTED, KEPT = 0, 10**6


def to(device: torch.device, array: np.ndarray | None) -> torch.Tensor | None:
    return None if array is None else torch.tensor(array).to(device)


def offsets_of(parts: list[np.ndarray], device: torch.device) -> torch.Tensor:
    return torch.tensor(np.cumsum([0, *map(len, parts)])).to(device)


def same(found, expected):
    np.testing.assert_array_equal(found[1].cpu().numpy(), expected[1])
    np.testing.assert_array_equal(found[0].cpu().numpy(), expected[0])


def spoil(points: np.ndarray, places: list[int]) -> np.ndarray:
    """Return a copy with some points not finite."""
    points = points.copy()
    for place in places if len(points) else []:
        points[place % len(points), place % 3] = (np.nan, np.inf, -np.inf)[place // 3 % 3]
    return points


@FEW
@given(clouds(max_size=200), st.integers(1, MOST), st.booleans(), st.lists(st.integers(0, 999), max_size=3))
def test_equals_brute_force(device, points, k, include_self, places):
    points = spoil(points, places)
    expected = reference.knn(points, k, include_self=include_self)
    for unsorted in (SORTED, KEPT):
        same(nearest(Search(to(device, points), None, None, include_self, unsorted), k), expected)


@FEW
@given(clouds(max_size=150), clouds(max_size=80), st.integers(1, 40), st.lists(st.integers(0, 999), max_size=3))
def test_queries_equal_brute_force(device, points, queries, k, places):
    points, queries = spoil(points, places[:2]), spoil(queries, places)
    expected = reference.knn(points, k, queries=queries)
    for unsorted in (SORTED, KEPT):
        same(nearest(Search(to(device, points), to(device, queries), unsorted=unsorted), k), expected)


@FEW
@given(st.lists(clouds(max_size=50), min_size=1, max_size=7), st.integers(1, 20), st.booleans())
def test_clouds_of_a_batch_equal_brute_force(device, parts, k, include_self):
    points = np.concatenate(parts)
    batch = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    expected = reference.knn(points, k, batch=batch, include_self=include_self)
    for unsorted in (SORTED, KEPT):
        asked = Search(to(device, points), None, offsets_of(parts, device), include_self, unsorted)
        same(nearest(asked, k), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_trees_of_several_levels(device, kind):
    points = cloud(kind, 1100, 5)
    for k in (8, 32):
        same(nearest(Search(to(device, points), unsorted=SORTED), k), knn(points, k, backend="torch"))


def test_more_keys_than_a_tile_of_the_sort(device):
    parts = [cloud("clusters", 2900, 1), cloud("line", 37), cloud("outlier", 1300, 2)]
    points, offsets = np.concatenate(parts), offsets_of(parts, device)
    batch = np.repeat([0, 1, 2], [2900, 37, 1300])
    same(nearest(Search(to(device, points), None, offsets), 3), knn(points, 3, batch=batch, backend="torch"))


@pytest.mark.parametrize("k", [1, 8, 9, 32, 33, MOST])
def test_every_length_of_list(device, k):
    points = cloud("uniform", 300, 2)
    same(nearest(Search(to(device, points)), k), reference.knn(points, k))
    same(nearest(Search(to(device, points), None, None, False), k), reference.knn(points, k, include_self=False))


def test_fewer_points_than_asked_for(device):
    points = cloud("uniform", 5)
    same(nearest(Search(to(device, points)), 40), reference.knn(points, 40))
    none = np.empty((0, 3), np.float32)
    assert nearest(Search(to(device, none)), 3)[0].shape == (0, 3)
    same(nearest(Search(to(device, none), to(device, points)), 3), reference.knn(none, 3, queries=points))
    assert nearest(Search(to(device, points), to(device, none)), 3)[1].shape == (0, 3)


def test_coinciding_points_come_in_the_order_of_their_indices(device):
    points = cloud("uniform", 3000)
    points[::2] = points[0]
    index, sq_dist = nearest(Search(to(device, points), None, None, False, SORTED), 9)
    assert index[0].tolist() == [2, 4, 6, 8, 10, 12, 14, 16, 18]
    assert index[2998].tolist() == [0, 2, 4, 6, 8, 10, 12, 14, 16]
    assert not sq_dist[::2].any()
    same((index, sq_dist), knn(points, 9, include_self=False, backend="torch"))


def test_the_device_is_not_asked_before_arguments_are_checked():
    with pytest.raises(ValueError, match='backend "cuda" needs CUDA tensors, got points on cpu'):
        knn(torch.zeros(4, 3), 2, backend="cuda")
    with pytest.raises(ValueError, match='backend "cuda" needs CUDA tensors, got points as ndarray'):
        knn(np.zeros((4, 3)), 2, backend="cuda")
    with pytest.raises(ValueError, match=r'"cuda" finds at most 64 neighbours, got k = 65: pass backend="torch"'):
        knn(torch.zeros(4, 3), 65, backend="cuda")
