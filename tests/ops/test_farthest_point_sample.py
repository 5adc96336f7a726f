from __future__ import annotations

import multiprocessing
import os
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import farthest_point_sample, reference
from tests.ops.clouds import KINDS, cloud, clouds


@settings(max_examples=60, deadline=None)
@given(clouds(max_size=700, min_size=1), st.data())
def test_picks_are_those_of_the_plain_loop(points, data):
    n, start = data.draw(st.integers(1, len(points) + 3)), data.draw(st.integers(0, len(points) - 1))
    expected = reference.farthest_point_sample(points, n, start=start)
    np.testing.assert_array_equal(farthest_point_sample(points, n, start=start), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_large_clouds_use_every_level_of_the_tree(kind):
    points = cloud(kind, 20_000, 3)
    expected = reference.farthest_point_sample(points, 400, start=11)
    np.testing.assert_array_equal(farthest_point_sample(points, 400, start=11), expected)


def test_more_blocks_than_lanes():
    points = cloud("clusters", 450_000, 4)
    np.testing.assert_array_equal(farthest_point_sample(points, 40), reference.farthest_point_sample(points, 40))


def test_n_beyond_the_cloud_returns_every_point_once():
    picks = farthest_point_sample(cloud("duplicates", 1000), 5000)
    assert sorted(picks.tolist()) == list(range(1000))


def test_duplicates_are_picked_last_and_in_order():
    points = np.repeat(np.array([[0, 0, 0], [4, 0, 0]], np.float32), 3, axis=0)
    assert farthest_point_sample(points, 6, start=1).tolist() == [1, 3, 0, 2, 4, 5]


def test_many_duplicates_do_not_cost_a_square():
    points = np.zeros((100_000, 3), np.float32)
    assert farthest_point_sample(points, 20_000).tolist() == list(range(20_000))


def test_concurrent_calls_and_forks_agree():
    points = cloud("clusters", 20_000)
    expected = farthest_point_sample(points, 200)
    with ThreadPoolExecutor(4) as pool:
        for picks in pool.map(lambda _: farthest_point_sample(points, 200), range(8)):
            np.testing.assert_array_equal(picks, expected)
    if hasattr(os, "fork"):
        child = multiprocessing.get_context("fork").Process(target=exit_unless_equal, args=(points, expected))
        child.start()
        child.join(60)
        assert child.exitcode == 0


def exit_unless_equal(points, expected):
    sys.exit(not np.array_equal(farthest_point_sample(points, 200), expected))


def test_coordinates_that_collapse_in_float32():
    points = 1e6 + np.arange(300.0)[:, None] * np.array([[1e-3, 0, 0]])
    expected = reference.farthest_point_sample(points.astype(np.float32), 300, start=7)
    np.testing.assert_array_equal(farthest_point_sample(points, 300, start=7), expected)


def test_empty_cloud():
    picks = farthest_point_sample(np.empty((0, 3), np.float32), 4)
    assert picks.shape == (0,) and picks.dtype == np.int64


def test_the_kind_of_array_is_kept():
    points = cloud("uniform", 500)
    expected = farthest_point_sample(points, 50)
    assert expected.dtype == np.int64
    wide = np.asfortranarray(np.hstack([points, points]).astype(np.float64))[:, :3]
    np.testing.assert_array_equal(farthest_point_sample(wide, 50), expected)
    tensor = torch.from_numpy(points).requires_grad_()
    picks = farthest_point_sample(tensor, 50)
    assert isinstance(picks, torch.Tensor) and picks.dtype == torch.int64 and picks.tolist() == expected.tolist()


def test_integers_are_numbers():
    assert farthest_point_sample(np.array([[0, 0, 0], [5, 0, 0], [9, 0, 0]]), 2).tolist() == [0, 2]


def test_input_is_not_written():
    points = cloud("lattice", 300)
    before = points.copy()
    farthest_point_sample(points, 30)
    np.testing.assert_array_equal(points, before)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((np.zeros((4, 100)), 2), ValueError, r"points must have shape \(N, 3\), got \(4, 100\)"),
        ((np.full((4, 3), np.nan), 2), ValueError, "points must be finite, got 4 that are not .the first is row 0"),
        ((np.array([[0.0, 0, 0], [0, np.inf, 0]]), 2), ValueError, "points must be finite, got 1"),
        ((np.zeros((4, 3)), 0), ValueError, "n must be positive, got 0"),
        ((np.zeros((4, 3)), 2.0), TypeError, "n must be an int, got float"),
        (([[0, 0, 0]], 1), TypeError, "points must be a numpy array or a torch tensor, got list"),
        ((np.zeros((4, 3), bool), 1), TypeError, "points must hold real numbers, got bool"),
    ],
)
def test_bad_input(arguments, error, message):
    with pytest.raises(error, match=message):
        farthest_point_sample(*arguments)


@pytest.mark.parametrize(("start", "error"), [(-1, ValueError), (4, ValueError), (1.0, TypeError), (None, TypeError)])
def test_bad_start(start, error):
    with pytest.raises(error, match="start must be"):
        farthest_point_sample(np.zeros((4, 3)), 2, start=start)


@pytest.mark.parametrize("points", [np.zeros((4, 3)), torch.zeros(4, 3), torch.zeros(4, 3, device="meta")])
def test_the_cuda_backend_moves_nothing(points):
    with pytest.raises(ValueError, match=r'backend "cuda" needs CUDA tensors, got points (as ndarray|on cpu|on meta)'):
        farthest_point_sample(points, 2, backend="cuda")


def test_a_tensor_where_no_backend_is_stays_there():
    with pytest.raises(ValueError, match=r"points is on meta, where this function has no backend: pass points.cpu\(\)"):
        farthest_point_sample(torch.zeros(4, 3, device="meta"), 2)


def test_unknown_backend():
    with pytest.raises(ValueError, match=r"unknown backend 'nunba' .did you mean 'numba'"):
        farthest_point_sample(np.zeros((4, 3)), 2, backend="nunba")


def test_four_of_a_grid_are_its_corners():
    """Spec 001 7.10: start at a corner; which of two equally far ones comes first is open."""
    grid = np.stack(np.meshgrid(np.arange(9.0), np.arange(9.0), [0.0]), -1).reshape(-1, 3)
    picks = farthest_point_sample(grid, 4)
    assert picks[0] == 0 and grid[picks[1]].tolist() == [8, 8, 0]
    assert {tuple(point) for point in grid[picks]} == {(0, 0, 0), (8, 0, 0), (0, 8, 0), (8, 8, 0)}
