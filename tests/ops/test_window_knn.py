from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.geometry.xyz_image import XYZImage
from geoad.ops import _threads, knn, reference, window_knn, window_knn_torch
from tests.ops.clouds import same

BACKENDS = ("numba", "torch")


def image(height, width, seed=0, *, holes=0.2, steps=5):
    """Return (H, W, 3) float32 on a coarse lattice, so that distances tie, with holes of both kinds."""
    rng = np.random.default_rng(seed)
    xyz = (rng.integers(0, steps, (height, width, 3)) / 8).astype(np.float32)
    xyz[rng.random((height, width)) < holes] = 0
    xyz[rng.random((height, width)) < holes / 2, 1] = np.nan
    return xyz


def scan(height, width, tilt, *, noise=0.0):
    """Return a smooth surface seen from afar, one point a pixel."""
    rng = np.random.default_rng(3)
    v, u = np.mgrid[:height, :width].astype(np.float64)
    depth = 600 + tilt * u + 2 * np.sin(u / 9) * np.cos(v / 7) + noise * rng.normal(size=u.shape)
    return (np.stack([u * depth / 600, v * depth / 600, depth], -1) * 1e-3).astype(np.float32)


@pytest.mark.parametrize("backend", BACKENDS)
@settings(max_examples=25)
@given(
    st.integers(0, 9),
    st.integers(0, 9) | st.sampled_from([63, 64, 65]),
    st.integers(1, 30),
    st.sampled_from([1, 3, 5, 7, 21]),
    st.booleans(),
    st.integers(0, 99),
)
def test_equals_the_reference_bit_for_bit(backend, height, width, k, window, include_self, seed):
    xyz = image(min(height, 3 if width > 9 else 9), width, seed)
    expected = reference.window_knn(xyz, k, window=window, include_self=include_self)
    same(window_knn(xyz, k, window=window, include_self=include_self, backend=backend), expected)


@pytest.mark.parametrize("tilt", [0, 0.3, -0.8])
@pytest.mark.parametrize("include_self", [True, False])
def test_a_window_large_enough_gives_what_the_tree_gives(tilt, include_self):
    xyz = scan(70, 90, tilt, noise=0.02)
    xyz[20:24, 30:33] = 0
    valid = XYZImage(xyz).valid
    found = window_knn(xyz, 8, window=11, include_self=include_self)
    index, sq_dist = knn(xyz[valid], 8, include_self=include_self)
    same((found.index[valid], found.sq_dist[valid]), (np.flatnonzero(valid)[index], sq_dist))
    assert (found.index[~valid] == -1).all() and np.isinf(found.sq_dist[~valid]).all()


@settings(max_examples=25)
@given(st.integers(0, 999), st.integers(1, 12))
def test_no_window_beats_the_tree_and_a_larger_one_is_no_worse(seed, k):
    xyz = image(12, 17, seed, steps=40)
    valid = XYZImage(xyz).valid
    nearest = knn(xyz[valid], k).sq_dist
    small, large = (window_knn(xyz, k, window=window).sq_dist[valid] for window in (5, 9))
    assert (nearest <= large).all() and (large <= small).all()


def test_the_whole_image_as_window_is_the_tree():
    xyz = image(9, 14)
    valid = XYZImage(xyz).valid
    found, nearest = window_knn(xyz, 20, window=101), knn(xyz[valid], 20)
    same((found.index[valid], found.sq_dist[valid]), (np.flatnonzero(valid)[nearest.index], nearest.sq_dist))


def test_threads_and_pieces_do_not_change_the_result(monkeypatch):
    xyz = image(70, 80)
    expected = window_knn(xyz, 6)
    monkeypatch.setattr(_threads, "count", lambda: 3)
    same(window_knn(xyz, 6), expected)
    monkeypatch.setattr(window_knn_torch, "KEYS", 9 * 80 * 49)
    same(window_knn(xyz, 6, backend="torch"), expected)


@pytest.mark.parametrize("backend", BACKENDS)
def test_coordinates_whose_squares_overflow_are_still_in_order(backend):
    xyz = np.full((1, 3, 3), 3e38, np.float32) * np.array([1, -1, 0.5], np.float32)[None, :, None]
    found = window_knn(xyz, 3, window=5, backend=backend)
    assert found.index.tolist() == [[[0, 1, 2], [1, 0, 2], [2, 0, 1]]]


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_kind_of_array_is_kept(backend):
    xyz = image(8, 9)
    expected = reference.window_knn(xyz, 4)
    for numbers in (xyz.astype(np.float64), np.asfortranarray(xyz)):
        found = window_knn(numbers, 4, backend=backend)
        assert [part.dtype for part in found] == [np.int64, np.float32]
        same(found, expected)
    found = window_knn(torch.from_numpy(xyz).double().requires_grad_(), 4, backend=backend)
    assert [part.dtype for part in found] == [torch.int64, torch.float32] and not found.sq_dist.requires_grad
    same(found, expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"xyz": np.zeros((4, 3))}, ValueError, r"xyz must have shape \(H, W, 3\), got \(4, 3\)"),
        ({"xyz": np.zeros((4, 4, 3), bool)}, TypeError, "xyz must hold real numbers, got bool"),
        (
            {"xyz": torch.zeros((4, 4, 3), dtype=torch.bool), "backend": "torch"},
            TypeError,
            "xyz must hold real numbers",
        ),
        ({"k": 0}, ValueError, "k must be positive, got 0"),
        ({"window": 4}, ValueError, "window must be odd, got 4"),
        ({"window": -3}, ValueError, "window must be positive, got -3"),
        ({"window": 3.0}, TypeError, "window must be an int, got float"),
        ({"backend": "scipy"}, ValueError, "unknown backend 'scipy'"),
        (
            {"xyz": torch.zeros((4, 4, 3), device="meta"), "backend": "numba"},
            ValueError,
            r"on meta, .*pass xyz.cpu\(\)",
        ),
    ],
)
def test_bad_input(change, error, message):
    with pytest.raises(error, match=message):
        window_knn(**{"xyz": np.zeros((4, 4, 3)), "k": 2, **change})
