from __future__ import annotations

import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import (
    _threads,
    knn,
    radius_search,
    radius_search_numba,
    radius_search_torch,
    radius_search_trees,
    reference,
)
from tests.ops.clouds import KINDS, cloud, clouds, same

BACKENDS = ("numba", "scipy", "torch")
RADII = st.sampled_from([0.0, 1e-24, 0.02, 0.1, 0.4, 2.0, 1e6, np.inf])
MOST = st.sampled_from([None, 1, 2, 7, 40])


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=40)
@given(clouds(max_size=150), RADII, MOST, st.booleans(), st.data())
def test_equals_the_reference_bit_for_bit(backend, points, radius, most, include_self, data):
    if data.draw(st.booleans(), "not finite") and len(points):
        points = points.copy()
        points[data.draw(st.integers(0, len(points) - 1)), 1] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    keywords = {"include_self": include_self, "max_neighbours": most}
    same(
        radius_search(points, radius, backend=backend, **keywords), reference.radius_search(points, radius, **keywords)
    )


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25)
@given(clouds(max_size=120), clouds(max_size=40), RADII, MOST)
def test_queries_equal_the_reference(backend, points, queries, radius, most):
    expected = reference.radius_search(points, radius, queries=queries, max_neighbours=most)
    same(radius_search(points, radius, queries=queries, max_neighbours=most, backend=backend), expected)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=20)
@given(st.lists(clouds(max_size=40), max_size=5), RADII, MOST, st.booleans())
def test_batches_equal_the_reference(backend, parts, radius, most, include_self):
    points = np.concatenate([np.empty((0, 3), np.float32), *parts])
    batch = np.repeat(np.arange(len(parts)) * 3 - 4, [len(part) for part in parts])
    keywords = {"batch": batch, "include_self": include_self, "max_neighbours": most}
    same(
        radius_search(points, radius, backend=backend, **keywords), reference.radius_search(points, radius, **keywords)
    )


@pytest.mark.parametrize("kind", [*KINDS, "heaps"])
def test_large_clouds_agree_with_brute_force(kind):
    points = cloud(kind, 900, 5) if kind in KINDS else cloud("lattice", 20)[np.arange(900) ** 2 % 83 % 20]
    for radius, most in ((0.03, None), (0.25, 9), (0.4, 3), (0.1, 100)):
        for include_self in (True, False):
            keywords = {"include_self": include_self, "max_neighbours": most}
            expected = radius_search(points, radius, backend="torch", **keywords)
            same(radius_search(points, radius, **keywords), [part.copy() for part in expected])


def test_rows_too_long_to_sort_together(monkeypatch):
    points = cloud("clusters", 90)
    groups = radius_search_numba.kd_tree_numba.build(points, radius_search_numba.LEAF)
    expected = reference.radius_search(points, 0.3)
    index, sq_dist = np.zeros_like(expected[0]), np.zeros_like(expected[1])
    arguments = (np.float32(0.3) ** 2, True, 90, np.zeros(90, bool), expected[2], index, sq_dist.view(np.int32))
    plain = radius_search_numba.fill_leaves.py_func
    monkeypatch.setitem(plain.__globals__, "TOGETHER", 64)
    plain(groups, groups, 0, len(groups[2]) // 2, *arguments)
    same((index, sq_dist), expected[:2])


@pytest.mark.parametrize("module", [radius_search_trees, radius_search_torch])
def test_pieces_do_not_change_the_result(module, monkeypatch):
    points = cloud("lattice", 400)
    monkeypatch.setattr(module, "PIECE" if module is radius_search_trees else "PAIRS", 1000)
    backend = "scipy" if module is radius_search_trees else "torch"
    for keywords in ({}, {"include_self": False, "max_neighbours": 4}, {"queries": points[::3] + np.float32(0.1)}):
        expected = reference.radius_search(points, 0.15, **keywords)
        same(radius_search(points, 0.15, backend=backend, **keywords), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_border_belongs_to_the_neighbourhood(backend):
    points = np.array([[0, 0, 0], [0.1, 0, 0], [np.nextafter(np.float32(0.1), np.float32(1)), 0, 0]], np.float32)
    assert radius_search(points, 0.1, backend=backend).offsets.tolist() == [0, 2, 5, 7]
    assert radius_search(points, 0, backend=backend).index.tolist() == [0, 1, 2]
    assert len(radius_search(points * np.float32(1e38), np.inf, backend=backend).index) == 9


@given(clouds(max_size=200), st.integers(1, 12))
@settings(max_examples=30)
def test_the_nearest_within_an_infinite_radius_are_those_of_knn(points, k):
    found, nearest = radius_search(points, np.inf, max_neighbours=k), knn(points, k)
    kept = nearest.index >= 0
    same(found[:2], (nearest.index[kept], nearest.sq_dist[kept]))


@given(clouds(max_size=150), RADII.filter(np.isfinite))
@settings(max_examples=30)
def test_neighbourhood_is_mutual(points, radius):
    index, sq_dist, offsets = radius_search(points, radius)
    asker = np.repeat(np.arange(len(points)), np.diff(offsets))
    forward, back = np.lexsort((index, asker)), np.lexsort((asker, index))
    same((asker[forward], sq_dist[forward]), (index[back], sq_dist[back]))


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_result_too_large_is_refused_with_its_size(backend, monkeypatch):
    for module in ("radius_search", "radius_search_torch"):
        monkeypatch.setattr(import_module(f"geoad.ops.{module}"), "EDGES", 50_000)
    points = np.zeros((300, 3), np.float32)
    with pytest.raises(
        ValueError, match=r"at most 50000 neighbours in all, got 90000: pass max_neighbours or a smaller"
    ):
        radius_search(points, 0.0, backend=backend)
    with pytest.raises(ValueError, match=r"at most 50000 neighbours in all, got \d+: pass max"):
        radius_search(np.concatenate([points, points])[:400], 0.0, batch=np.arange(400) // 200, backend=backend)
    assert len(radius_search(points, 0.0, max_neighbours=100, backend=backend).index) == 30_000
    assert len(radius_search(points[:9], 0.0, max_neighbours=sys.maxsize, backend=backend).index) == 81


def test_a_million_coinciding_points_are_counted_or_cut_not_listed():
    points = np.zeros((1_000_000, 3), np.float32)
    with pytest.raises(ValueError, match="got 1000000000000: pass max_neighbours"):
        radius_search(points, 0.5)
    found = radius_search(points, 0.5, max_neighbours=3, include_self=False)
    np.testing.assert_array_equal(found.offsets, np.arange(1_000_001) * 3)
    assert found.index[:9].tolist() == [1, 2, 3, 0, 2, 3, 0, 1, 3] and found.index[-3:].tolist() == [0, 1, 2]


def test_far_coordinates_collapse_and_go_by_index():
    points = (1e6 + np.arange(600).reshape(-1, 3) * 1e-3).astype(np.float32)
    for radius in (0.0, 0.1):
        same(radius_search(points, radius), reference.radius_search(points, radius))


@pytest.mark.parametrize("backend", BACKENDS)
def test_no_points_and_no_queries(backend):
    none, one = np.empty((0, 3), np.float32), np.zeros((1, 3), np.float32)
    assert [part.tolist() for part in radius_search(none, 1, backend=backend)] == [[], [], [0]]
    assert [part.tolist() for part in radius_search(none, 1, queries=one, backend=backend)] == [[], [], [0, 0]]
    assert [part.tolist() for part in radius_search(one, 1, queries=none, backend=backend)] == [[], [], [0]]
    assert [part.tolist() for part in radius_search(one, 0, backend=backend)] == [[0], [0.0], [0, 1]]
    assert [part.tolist() for part in radius_search(one, 1, include_self=False, backend=backend)] == [[], [], [0, 0]]
    assert radius_search(one * np.nan, np.inf, backend=backend).offsets.tolist() == [0, 0]


@pytest.mark.parametrize("most", [None, 5])
def test_threads_do_not_change_the_result(most, monkeypatch):
    points = cloud("uniform", 9000)
    expected = radius_search(points, 0.06, max_neighbours=most)
    monkeypatch.setattr(_threads, "count", lambda: 3)
    same(radius_search(points, 0.06, max_neighbours=most), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_kind_of_array_is_kept(backend):
    points = cloud("uniform", 200)
    expected = reference.radius_search(points, 0.2)
    for numbers in (points.astype(np.float64), np.asfortranarray(points), np.hstack([points, points])[:, :3]):
        found = radius_search(numbers, 0.2, backend=backend)
        assert [part.dtype for part in found] == [np.int64, np.float32, np.int64]
        same(found, expected)
    for tensor in (torch.from_numpy(points).requires_grad_(), torch.from_numpy(points.T.copy()).T.double()):
        found = radius_search(tensor, 0.2, backend=backend)
        assert [part.dtype for part in found] == [torch.int64, torch.float32, torch.int64]
        assert not found.sq_dist.requires_grad
        same(found, expected)
    assert radius_search(np.array([[0, 0, 0], [2, 0, 0]]), np.int32(2), backend=backend).sq_dist.tolist() == [
        0,
        4,
        0,
        4,
    ]


FOUR = np.zeros((4, 3))


@pytest.mark.parametrize(
    ("points", "radius", "keywords", "error", "message"),
    [
        (np.zeros((4, 100)), 1, {}, ValueError, r"points must have shape \(N, 3\), got \(4, 100\)"),
        (FOUR, -1e-9, {}, ValueError, "radius must be at least 0, got -1e-09"),
        (FOUR, np.nan, {}, ValueError, "radius must be at least 0, got nan"),
        (FOUR, "0.1", {}, TypeError, "radius must be a number, got str"),
        (FOUR, True, {}, TypeError, "radius must be a number, got bool"),
        (FOUR, 1, {"max_neighbours": 0}, ValueError, "max_neighbours must be positive, got 0"),
        (FOUR, 1, {"max_neighbours": 2.5}, TypeError, "max_neighbours must be an int, got float"),
        (FOUR, 1, {"backend": "scipi"}, ValueError, "did you mean 'scipy'"),
        (FOUR, 1, {"queries": np.zeros((2, 2))}, ValueError, r"queries must have shape \(N, 3\)"),
        (FOUR, 1, {"batch": np.array([0, 1, 0, 1])}, ValueError, "batch must be ascending, got 0 after"),
        (FOUR, 1, {"queries": FOUR, "batch": np.zeros(4, int)}, ValueError, "batch cannot be"),
        (FOUR, 1, {"queries": FOUR, "include_self": False}, ValueError, "include_self=False"),
        ("cloud.ply", 1, {}, TypeError, "points must be a numpy array or a torch tensor, got str"),
        (torch.zeros((4, 3), dtype=torch.bool), 1, {"backend": "torch"}, TypeError, "points must hold real numbers"),
    ],
)
def test_bad_input(points, radius, keywords, error, message):
    with pytest.raises(error, match=message):
        radius_search(points, radius, **keywords)


def test_a_tensor_elsewhere_is_not_moved_silently():
    with pytest.raises(ValueError, match="queries must be where points are, on meta, got queries on cpu"):
        radius_search(torch.zeros((4, 3), device="meta"), 1, queries=torch.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"points is on meta, .*pass points.cpu\(\)"):
        radius_search(torch.zeros((4, 3), device="meta"), 1, backend="numba")


def test_a_leaf_with_thousands_within_reach():
    points = cloud("uniform", 9000)
    for more in ({}, {"max_neighbours": 4000}):
        how = {"queries": points[::300], **more}
        same(radius_search(points, 0.5, **how), radius_search(points, 0.5, backend="torch", **how))
