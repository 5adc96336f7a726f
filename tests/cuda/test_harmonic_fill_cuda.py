"""The CUDA kernels of harmonic fill against the direct solution, on the scale of most known values."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from geoad.ops import harmonic_fill, harmonic_fill_cuda, harmonic_fill_numba, reference
from tests.ops.test_harmonic_fill import assert_filled, image

KINDS = ("random", "corner", "border", "few")


def ends_and_unit(values: np.ndarray, known: np.ndarray) -> tuple[tuple[float, float], tuple[float, float]]:
    """The range of the known values, and that of most of them."""
    anchors = np.sort(values[known])
    tail = len(anchors) // 100
    low, below, above, high = anchors[[0, tail, -1 - tail, -1]].tolist()
    return (low, high), (below, above) if below < above else (low, high)


def fill(values: np.ndarray, known: np.ndarray, device: torch.device) -> np.ndarray:
    arguments = torch.from_numpy(values).to(device), torch.from_numpy(known).to(device), *ends_and_unit(values, known)
    return harmonic_fill_cuda.fill(*arguments).cpu().numpy()


def check(values: np.ndarray, known: np.ndarray, device: torch.device) -> None:
    assert_filled(fill(values, known, device), values, known)


def two_values(values: np.ndarray, known: np.ndarray) -> bool:
    """What the public function answers itself: all pixels known, or all alike."""
    return not known.all() and values[known].min() < values[known].max()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.integers(1, 24), st.integers(1, 24), st.floats(0, 1), st.integers(0, 2**31), st.sampled_from(KINDS),
    st.sampled_from([1.0, 1e-20, 1e20]),
)  # fmt: skip
def test_close_to_the_direct_solution(device, height, width, share, seed, kind, scale):
    values, known = image(height, width, share, seed, kind)
    values = values * np.float32(scale)
    if two_values(values, known):
        check(values, known, device)


@pytest.mark.parametrize("shape", [(1, 2), (2, 1), (2, 2), (1, 33), (47, 1), (3, 64), (31, 32)])
def test_odd_even_and_thin_images(device, shape):
    known = np.zeros(shape, bool)
    known.flat[[0, -1]] = True
    if not known.all():
        check(np.where(known, np.arange(known.size, dtype=np.float32).reshape(shape), np.nan), known, device)


def test_several_levels_of_the_whole_device(device):
    check(*image(131, 140, 0.1, 7, "random"), device)


@pytest.mark.parametrize("stray", [1e4, -1e12])
def test_a_stray_pixel_blurs_no_other(device, stray):
    values, known = image(40, 50, 0.4, 5)
    known[3, 4], values[3, 4] = True, stray
    check(values, known, device)


@pytest.mark.parametrize("shape", [(1, 9), (40, 37), (131, 120)])
def test_bits_do_not_depend_on_the_order_of_threads(in_every_order, shape):
    """A cycle that lacks a barrier still converges, to the same error: only its bits tell."""
    values, known = image(*shape, 0.1, 3)
    first, *others = in_every_order(lambda: fill(values, known, torch.device("cpu")))
    for other in others:
        np.testing.assert_array_equal(other, first)


@pytest.mark.parametrize("shape", [(40, 37), (23, 50), (91, 140)])
def test_every_iteration_is_that_of_the_cpu(device, monkeypatch, shape):
    """Nearly any symmetric cycle converges in the end: what tells a wrong one is where it is on the way."""
    values, known = image(*shape, 0.1, 7, "corner")
    (low, high), unit = ends_and_unit(values, known)
    for count in (1, 3, 1000):
        monkeypatch.setattr(harmonic_fill_cuda, "TOGETHER", min(count, 8))
        monkeypatch.setattr(harmonic_fill_cuda, "ITERATIONS", count)
        monkeypatch.setattr(harmonic_fill_numba, "ITERATIONS", count)
        expected = harmonic_fill_numba.fill(values, known, (low, high), unit)
        np.testing.assert_allclose(fill(values, known, device), expected, rtol=0, atol=2e-6 * (high - low))


def test_a_second_round_of_iterations(device, monkeypatch):
    values, known = image(40, 37, 0.02, 3)
    expected = fill(values, known, device)
    monkeypatch.setattr(harmonic_fill_cuda, "TOGETHER", 3)
    np.testing.assert_array_equal(fill(values, known, device), expected)


def test_known_pixels_without_a_way_to_the_rest(device):
    values, known = np.zeros((9, 9), np.float32), np.zeros((9, 9), bool)
    known[4] = True
    values[4, :] = np.linspace(0, 1, 9)
    known[0, 0], values[0, 0] = True, 5
    check(values, known, device)


def test_solved_before_the_first_step(device):
    """Unknown pixels between values in the middle of the range: the answer is where the iterations start."""
    known = np.ones((5, 7), bool)
    known[2, 3] = False
    values = np.full((5, 7), 0.5, np.float32)
    values[0, 0], values[4, 6] = 0, 1
    assert fill(values, known, device)[2, 3] == 0.5


def test_unknown_values_are_not_read(device):
    values, known = image(20, 20, 0.2, 1)
    expected = fill(values, known, device)
    np.testing.assert_array_equal(fill(np.where(known, values, np.float32(np.inf)), known, device), expected)


def test_the_full_range_of_float32(device):
    values, known = np.array([[-3e38, 0, 3e38]], np.float32), np.array([[True, False, True]])
    assert abs(fill(values, known, device)[0, 1]) <= 1e-4 * 6e38


@pytest.mark.gpu
def test_public_function_on_a_device(device):
    if device.type != "cuda":
        pytest.skip("of the real library only")
    for kind in KINDS:
        values, known = image(300, 411, 0.1, 7, kind)
        exact = reference.harmonic_fill(values, known)
        result = harmonic_fill(torch.from_numpy(values).to(device), torch.from_numpy(known).to(device))
        assert result.device.type == "cuda" and (result.cpu().numpy() == values)[known].all()
        assert np.abs(result.cpu().numpy() - exact).max() <= 1.1e-4 * np.ptp(values[known])
    for values, known, message in (
        (torch.zeros(2, 2), torch.zeros(2, 2, dtype=torch.bool), "known must hold at least one true pixel"),
        (
            torch.full((2, 2), torch.nan),
            torch.ones(2, 2, dtype=torch.bool),
            "values must be finite where known, in float32, got 4",
        ),
    ):
        with pytest.raises(ValueError, match=message):
            harmonic_fill(values.to(device), known.to(device))
    constant = harmonic_fill(torch.full((6, 5), 7.0, device=device), torch.eye(6, 5, device=device) > 0)
    assert (constant == 7).all()
