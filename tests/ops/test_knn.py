from __future__ import annotations

import importlib
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import _threads, knn, knn_torch, reference
from tests.ops.clouds import KINDS, cloud, clouds

EXACT = ("numba", "torch")
TREES = ("pykdtree", "scipy")


def same(found, expected):
    np.testing.assert_array_equal(np.asarray(found[1]), expected[1])
    np.testing.assert_array_equal(np.asarray(found[0]), expected[0])


@pytest.mark.parametrize("backend", EXACT)
@settings(max_examples=60, deadline=None)
@given(clouds(), st.integers(1, 140), st.booleans(), st.data())
def test_equals_the_reference_bit_for_bit(backend, points, k, include_self, data):
    if data.draw(st.booleans(), "not finite") and len(points):
        points = points.copy()
        points[data.draw(st.integers(0, len(points) - 1)), 1] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    expected = reference.knn(points, k, include_self=include_self)
    same(knn(points, k, include_self=include_self, backend=backend), expected)


@pytest.mark.parametrize("backend", EXACT)
@settings(max_examples=40, deadline=None)
@given(clouds(), clouds(max_size=80), st.integers(1, 40))
def test_queries_equal_the_reference(backend, points, queries, k):
    same(knn(points, k, queries=queries, backend=backend), reference.knn(points, k, queries=queries))


@pytest.mark.parametrize("backend", EXACT)
@settings(max_examples=25, deadline=None)
@given(st.lists(clouds(max_size=60), max_size=6), st.integers(1, 30), st.booleans())
def test_batches_equal_the_reference(backend, parts, k, include_self):
    points = np.concatenate([np.empty((0, 3), np.float32), *parts])
    batch = np.repeat(np.arange(len(parts)) * 3 - 4, [len(part) for part in parts])
    expected = reference.knn(points, k, batch=batch, include_self=include_self)
    same(knn(points, k, batch=batch, include_self=include_self, backend=backend), expected)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("k", [1, 8, 33])
def test_large_clouds_agree_between_numba_and_brute_force(kind, k):
    points = cloud(kind, 1600, 5)
    for include_self in (True, False):
        found = knn(points, k, include_self=include_self)
        same(found, knn(points, k, include_self=include_self, backend="torch"))


def test_scaled_clusters_and_strays_agree_with_brute_force():
    rng = np.random.default_rng(2)
    spread = 10.0 ** -rng.integers(0, 6, (4000, 1))
    points = (rng.random((9, 3))[rng.integers(0, 9, 4000)] + rng.normal(size=(4000, 3)) * spread).astype(np.float32)
    same(knn(points, 16), knn(points, 16, backend="torch"))
    same(knn(points, 5, queries=points[::7] + 3), knn(points, 5, queries=points[::7] + 3, backend="torch"))


@pytest.mark.parametrize("backend", TREES)
@settings(max_examples=30, deadline=None)
@given(clouds(max_size=120), st.integers(1, 30), st.booleans())
def test_trees_are_exact_up_to_ties(backend, points, k, include_self):
    pytest.importorskip(backend)
    if len(points) and np.abs(points).max() > 1e15:  # squares overflow inside other people's trees
        points = points * np.float32(1e-30)
    expected = reference.knn(points, k, include_self=include_self)
    index, sq_dist = knn(points, k, include_self=include_self, backend=backend)
    np.testing.assert_allclose(sq_dist, expected[1], rtol=2e-6, atol=1e-37)
    np.testing.assert_array_equal(index < 0, expected[0] < 0)
    assert all(len(set(row[row >= 0])) == (row >= 0).sum() for row in index)
    if not include_self:
        assert not (index == np.arange(len(points))[:, None]).any()


def test_coinciding_points_are_not_quadratic():
    points = np.zeros((200_000, 3), np.float32)
    points[::2] = cloud("uniform", 100_000)
    index, sq_dist = knn(points, 9, include_self=False)
    np.testing.assert_array_equal(index[1], [3, 5, 7, 9, 11, 13, 15, 17, 19])
    np.testing.assert_array_equal(index[199_999], [1, 3, 5, 7, 9, 11, 13, 15, 17])
    assert not sq_dist[1::2].any()


def test_more_points_within_the_smallest_reach_than_can_be_shared():
    points = cloud("tiny", 2000) * np.float32(1e-3)
    for queries in (points[:1], points[:50]):
        same(knn(points, 3, queries=queries), reference.knn(points, 3, queries=queries))


def test_negative_zero_is_zero():
    points = np.zeros((400, 3), np.float32)
    points[::3] = -0.0
    same(knn(points, 7), reference.knn(points, 7))


def test_sq_dist_is_rounded_after_every_operation():
    points = cloud("offset", 500)
    index, sq_dist = knn(points, 12)
    dx, dy, dz = (points[index] - points[:, None]).transpose(2, 0, 1)
    np.testing.assert_array_equal(sq_dist, (dx * dx + dy * dy) + dz * dz)


def test_no_more_points_than_asked_for():
    found = knn(np.zeros((3, 3), np.float32), 5, include_self=False)
    assert found.index.tolist() == [[1, 2, -1, -1, -1], [0, 2, -1, -1, -1], [0, 1, -1, -1, -1]]
    assert np.isinf(found.sq_dist[:, 2:]).all()


@pytest.mark.parametrize("backend", EXACT + TREES)
def test_no_points_and_no_queries(backend):
    none, one = np.empty((0, 3), np.float32), np.zeros((1, 3), np.float32)
    assert knn(none, 3, backend=backend).index.shape == (0, 3)
    assert knn(none, 3, queries=one, backend=backend).index.tolist() == [[-1, -1, -1]]
    assert knn(one, 3, queries=none, backend=backend).sq_dist.shape == (0, 3)
    assert knn(one, 2, include_self=False, backend=backend).index.tolist() == [[-1, -1]]


@pytest.mark.parametrize("backend", EXACT)
def test_threads_do_not_change_the_result(backend, monkeypatch):
    points = cloud("uniform", 6000)
    expected = knn(points, 10, backend=backend)
    monkeypatch.setattr(_threads, "count", lambda: 5)
    same(knn(points, 10, backend=backend), expected)


def test_concurrent_calls_and_forks_agree():
    points = cloud("clusters", 6000)
    expected = knn(points, 10)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: knn(points, 10), range(8)):
            same(found, expected)
    if hasattr(os, "fork"):
        child = multiprocessing.get_context("fork").Process(target=exit_unless_equal, args=(points, expected))
        child.start()
        child.join(60)
        assert child.exitcode == 0


def exit_unless_equal(points, expected):
    sys.exit(not all(np.array_equal(a, b) for a, b in zip(knn(points, 10), expected, strict=True)))


@pytest.mark.parametrize("backend", EXACT + TREES)
def test_the_kind_of_array_is_kept(backend):
    points = cloud("uniform", 200)
    expected = reference.knn(points, 4)
    for numbers in (points.astype(np.float64), np.asfortranarray(points), np.hstack([points, points])[:, :3]):
        found = knn(numbers, 4, backend=backend)
        assert isinstance(found.index, np.ndarray) and found.index.dtype == np.int64
        assert found.sq_dist.dtype == np.float32
        same(found, expected)
    for tensor in (torch.from_numpy(points).requires_grad_(), torch.from_numpy(points.T.copy()).T.double()):
        found = knn(tensor, 4, backend=backend)
        assert found.index.dtype == torch.int64 and found.sq_dist.dtype == torch.float32
        assert not found.sq_dist.requires_grad
        same(found, expected)
    assert knn(np.array([[0, 0, 0], [2, 0, 0]]), 2, backend=backend).sq_dist.tolist() == [[0, 4], [0, 4]]


def test_half_precision_tensors_are_numbers():
    points = torch.tensor([[0, 0, 0], [2, 0, 0]], dtype=torch.bfloat16)
    assert knn(points, 1, include_self=False).sq_dist.tolist() == [[4], [4]]


def test_input_is_not_written():
    points = cloud("lattice", 300)
    before = points.copy()
    knn(points, 5)
    np.testing.assert_array_equal(points, before)


def test_numpy_callers_do_not_pay_for_torch():
    code = (
        "import sys, numpy as np; from geoad.ops import knn; knn(np.zeros((9, 3)), 2); sys.exit('torch' in sys.modules)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    )


def test_the_name_is_the_function_whoever_imports_the_module_first():
    importlib.import_module("geoad.ops.knn")
    assert callable(importlib.import_module("geoad.ops").knn)


@pytest.mark.parametrize(
    ("points", "k", "keywords", "error", "message"),
    [
        (np.zeros((4, 100)), 2, {}, ValueError, r"points must have shape \(N, 3\), got \(4, 100\)"),
        (np.zeros((4, 3)), 0, {}, ValueError, "k must be positive, got 0"),
        (np.zeros((4, 3)), 2.5, {}, TypeError, "k must be an int, got float"),
        (np.zeros((4, 3)), 2, {"backend": "nuba"}, ValueError, "did you mean 'numba'"),
        (np.zeros((4, 3)), 2, {"queries": np.zeros((2, 2))}, ValueError, r"queries must have shape \(N, 3\)"),
        (np.zeros((4, 3)), 2, {"batch": np.zeros(3, int)}, ValueError, r"batch must have shape \(4,\), got \(3,\)"),
        (np.zeros((4, 3)), 2, {"batch": np.array([0, 1, 0, 1])}, ValueError, "batch must be ascending, got 0 after"),
        (np.zeros((4, 3)), 2, {"batch": np.zeros(4)}, TypeError, "batch must hold integers, got float64"),
        (np.zeros((4, 3)), 2, {"queries": np.zeros((4, 3)), "batch": np.zeros(4, int)}, ValueError, "batch cannot be"),
        (np.zeros((4, 3)), 2, {"queries": np.zeros((4, 3)), "include_self": False}, ValueError, "include_self=False"),
        ("cloud.ply", 2, {}, TypeError, "points must be a numpy array or a torch tensor, got str"),
        (np.zeros((4, 3), complex), 2, {}, TypeError, "points must hold real numbers, got complex128"),
        (torch.zeros((4, 3), dtype=torch.bool), 2, {"backend": "torch"}, TypeError, "points must hold real numbers"),
    ],
)
def test_bad_input(points, k, keywords, error, message):
    with pytest.raises(error, match=message):
        knn(points, k, **keywords)


def test_a_tensor_elsewhere_is_not_moved_silently():
    with pytest.raises(ValueError, match="queries must be where points are, on meta, got queries on cpu"):
        knn(torch.zeros((4, 3), device="meta"), 2, queries=torch.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"points is on meta, .*pass points.cpu\(\)"):
        knn(torch.zeros((4, 3), device="meta"), 2, backend="numba")


def test_a_point_too_far_for_single_precision_does_not_stop_a_tree():
    points = np.random.default_rng(0).random((50, 3), dtype=np.float32)
    points[7] = 1e30
    found, expected = knn(points, 3, backend="pykdtree"), knn(points, 3)
    rest = np.arange(50) != 7
    assert np.array_equal(found.index[rest], expected.index[rest])


def test_distances_are_single_precision_whatever_the_default():
    before = torch.get_default_dtype()
    try:
        torch.set_default_dtype(torch.float64)
        assert knn(torch.rand(9, 3, dtype=torch.float32), 2, backend="torch").sq_dist.dtype == torch.float32
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("include_self", [True, False])
def test_torch_knows_each_point_in_every_piece(monkeypatch, include_self):
    points = cloud("lattice", 400)
    monkeypatch.setattr(knn_torch, "PAIRS", 4000)
    expected = reference.knn(points, 5, include_self=include_self)
    same(knn(points, 5, include_self=include_self, backend="torch"), expected)
