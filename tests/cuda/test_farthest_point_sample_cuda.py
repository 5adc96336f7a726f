"""The picks of the CUDA kernel against those of the plain loop, every path of it forced."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoad.ops import _cuda, farthest_point_sample, reference
from geoad.ops.farthest_point_sample_cuda import _rounds, sample
from tests.ops.clouds import KINDS, cloud, clouds


def check(points: np.ndarray, n: int, start: int, device: torch.device, **options: int) -> None:
    expected = reference.farthest_point_sample(points, n, start=start)
    picks = sample(torch.tensor(points).to(device), min(n, len(points)), start, **options)
    assert picks.dtype == torch.int64 and picks.device.type == device.type
    np.testing.assert_array_equal(picks.cpu().numpy(), expected)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    clouds(max_size=700, min_size=1), st.integers(1, 40), st.integers(0, 2**31), st.integers(1, 6), st.integers(1, 3)
)
def test_picks_are_those_of_the_plain_loop(device, points, n, start, rounds, warps):
    warps = max(warps, -(-len(points) // (rounds * 32 * 96)))
    check(points, n, start % len(points), device, rounds=rounds, warps=warps)


@pytest.mark.parametrize("kind", KINDS)
def test_several_buckets_a_lane(device, kind):
    check(cloud(kind, 2900, 3), 40, 11, device, rounds=1, warps=1)


def test_large_buckets(device):
    check(cloud("uniform", 5000), 30, 4999, device, rounds=9, warps=4)


def test_every_point(device):
    points = cloud("duplicates", 300)
    check(points, 300, 7, device, warps=2)
    picks = farthest_point_sample_of(points, 300, device)
    assert sorted(picks) == list(range(300))


def farthest_point_sample_of(points: np.ndarray, n: int, device: torch.device) -> list[int]:
    return sample(torch.from_numpy(points).to(device), n, 0, warps=2).tolist()


def test_duplicates_are_picked_in_order(device):
    assert farthest_point_sample_of(np.zeros((3000, 3), np.float32), 200, device) == list(range(200))


def test_one_point(device):
    assert farthest_point_sample_of(np.ones((1, 3), np.float32), 1, device) == [0]


def test_a_whole_block(device):
    check(cloud("clusters", 3000), 6, 5, device)


def test_the_curve_goes_from_neighbour_to_neighbour(device):
    """Each cell once, in steps of one: what makes the boxes of buckets small."""
    grid = torch.cartesian_prod(*[torch.arange(8.0)] * 3).to(device)
    codes = torch.empty(512, dtype=torch.int64, device=device)
    _cuda.call("geoad_hilbert_codes", device, grid, grid.amin(0), grid.amax(0), 512, codes)
    path = grid[codes.argsort()].cpu()
    assert len(codes.unique()) == 512 and codes.min() >= 0
    assert ((path[1:] - path[:-1]).abs().sum(1) == 1).all()


@pytest.mark.parametrize("count", [1, 1000, 32_768, 32_769, 131_072, 131_073, 360_000, 393_217, 10**6, 10**8])
def test_buckets_fit_the_block(count):
    rounds = _rounds(count)
    assert -(-count // (rounds * 32)) <= 3 * 1024
    assert rounds <= 4 or count > 3 * 1024 * 128


@pytest.mark.gpu
def test_public_function_on_a_device(device):
    if device.type != "cuda":
        pytest.skip("of the real library only")
    points = cloud("uniform", 50_000)
    expected = farthest_point_sample(points, 5000, start=3)
    for tensor in (torch.from_numpy(points).to(device), torch.from_numpy(points).double().to(device).T.contiguous().T):
        picks = farthest_point_sample(tensor.requires_grad_(), 5000, start=3)
        assert picks.device == tensor.device
        np.testing.assert_array_equal(picks.cpu().numpy(), expected)
    assert farthest_point_sample(torch.zeros(10**6, 3, device=device), 1000).tolist() == list(range(1000))
    with pytest.raises(ValueError, match=r"points must be finite, got 1 that are not .the first is row 2"):
        farthest_point_sample(torch.tensor([[0.0, 0, 0], [1, 1, 1], [np.nan, 0, 0]], device=device), 2)
