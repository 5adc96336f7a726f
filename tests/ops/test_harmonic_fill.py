from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import harmonic_fill, reference


def image(height, width, share, seed, kind="random"):
    """Return values and known pixels: scattered, in one corner of the image, on its border, or a few alone."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(height, width)).astype(np.float32)
    rows, columns = np.indices((height, width))
    known = rng.random((height, width)) < share
    if kind == "corner":
        known &= (rows < height / 3) & (columns < width / 3)
    elif kind == "border":
        known = (rows % (height - 1 or 1) == 0) | (columns % (width - 1 or 1) == 0)
    elif kind == "few":
        known &= rng.random((height, width)) < 3 / known.size
    known[rng.integers(height), rng.integers(width)] = True
    return np.where(known, values, np.nan).astype(np.float32), known


def assert_filled(result, values, known):
    """Compare with the direct solution, on the scale of most of the known values."""
    exact = reference.harmonic_fill(values, known)
    low, high = values[known].min(), values[known].max()
    assert result.dtype == np.float32 and result.shape == values.shape
    np.testing.assert_array_equal(result[known], values[known])
    assert low <= result.min() and result.max() <= high
    low, high = np.quantile(values[known], [0.01, 0.99], method="nearest") if values[known].size >= 100 else (low, high)
    assert (np.abs(result - exact) <= 1e-4 * (high - low) + 2e-6 * np.abs(exact)).all()


def assert_filled_by_default(values, known):
    assert_filled(harmonic_fill(values, known), values, known)


@settings(max_examples=80, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.floats(0, 1),
    st.integers(0, 2**31),
    st.sampled_from(["random", "corner", "border", "few"]),
    st.sampled_from([1.0, 1e-20, 1e20]),
)
def test_close_to_the_direct_solution(height, width, share, seed, kind, scale):
    values, known = image(height, width, share, seed, kind)
    assert_filled_by_default(values * np.float32(scale), known)


@pytest.mark.parametrize("kind", ["random", "corner", "border", "few"])
@pytest.mark.parametrize("shape", [(150, 190), (3, 700), (700, 1)])
def test_large_holes(shape, kind):
    assert_filled_by_default(*image(*shape, 0.1, 7, kind))


def rooms(height, width):
    """Return known pixels that part the image into pieces, link it by single pixels, or hold it at one edge only."""
    rows, columns = np.indices((height, width))
    comb = (columns % 4 == 0) & np.where(columns % 8 == 0, rows > 2, rows < height - 3)
    return {
        "checkerboard": (rows + columns) % 2 == 0,
        "its other half": (rows + columns) % 2 == 1,
        "one row": rows == height // 2,
        "one column": columns == width - 1,
        "walls": (rows % 23 == 0) | (columns % 29 == 0),
        "comb": comb,
        "diagonal": rows == columns,
        "two corners": (rows + columns == 0) | (rows + columns == height + width - 2),
        "object": (rows - height / 2) ** 2 + (columns - width / 2) ** 2 < min(height, width) ** 2 / 10,
        "all but one": (rows != 5) | (columns != 7),
    }


@pytest.mark.parametrize("name", rooms(1, 1))
def test_nasty_masks(name):
    known = rooms(110, 97)[name]
    values = np.random.default_rng(3).normal(size=known.shape).astype(np.float32)
    assert_filled_by_default(np.where(known, values, np.float32(np.nan)), known)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["64 k scattered", "64 k on the object", "walls", "one row", "two corners"])
def test_the_error_at_full_size(name):
    """Against the direct solution: with large holes a small residual is not a small error."""
    rng = np.random.default_rng(5)
    masks = rooms(800, 800)
    known = masks.get(name, masks["object"] if "object" in name else np.ones((800, 800), bool))
    if name.startswith("64 k"):
        chosen = rng.permutation(np.flatnonzero(known))[:65536]
        known = np.isin(np.arange(known.size), chosen).reshape(known.shape)
    rows, columns = np.indices(known.shape)
    values = np.sin(columns / 90) + np.cos(rows / 70) + rng.normal(size=known.shape) / 20
    assert_filled_by_default(np.where(known, values, np.nan).astype(np.float32), known)


@pytest.mark.parametrize("stray", [1e4, 1e8, -1e12])
def test_a_stray_pixel_blurs_no_other(stray):
    """Far away from it, errors are small beside the values that are there: `assert_filled` looks at most of them."""
    rng = np.random.default_rng(6)
    known = rng.random((120, 160)) < 0.5
    known[40:80, 90:140] = False
    values = rng.lognormal(0, 0.3, known.shape).astype(np.float32)
    known[5, 7], values[5, 7] = True, stray
    assert_filled_by_default(np.where(known, values, np.nan).astype(np.float32), known)
    hole = harmonic_fill(values, known)[55:65, 110:120]
    assert (abs(hole - 1) < 0.3).all()


def test_a_long_line_is_straight():
    """One row of pixels, known at both ends: the worst conditioned case there is."""
    values = np.zeros((1, 20_001), np.float32)
    known = np.zeros(values.shape, bool)
    values[0, -1], known[0, [0, -1]] = 1, True
    np.testing.assert_allclose(harmonic_fill(values, known)[0], np.linspace(0, 1, 20_001), atol=1e-4)


def test_two_known_pixels_far_apart():
    values, known = np.zeros((130, 130), np.float32), np.zeros((130, 130), bool)
    values[0, 0], known[0, 0], known[-1, -1] = 1, True, True
    assert_filled_by_default(values, known)


def test_one_known_pixel_gives_a_constant():
    known = np.zeros((6, 5), bool)
    known[2, 3] = True
    assert (harmonic_fill(np.full((6, 5), 7.0), known) == 7).all()


def test_columns_between_two_sides_rise_evenly():
    known = np.zeros((5, 5), bool)
    known[:, [0, 4]] = True
    values = np.where(known, np.arange(5.0), np.nan)
    np.testing.assert_allclose(harmonic_fill(values, known), np.tile(np.arange(5.0), (5, 1)), atol=4e-4)


def test_a_hole_is_the_mean_of_its_four_neighbours():
    values = np.array([[9, 4, 9], [0, np.nan, 0], [9, 0, 9]])
    known = np.isfinite(values)
    np.testing.assert_allclose(harmonic_fill(values, known)[1, 1], 1.0, atol=9e-4)


def test_nothing_unknown_is_nothing_to_do():
    values = np.arange(6, dtype=np.float32).reshape(2, 3)
    result = harmonic_fill(values, np.ones((2, 3), bool))
    np.testing.assert_array_equal(result, values)
    assert not np.shares_memory(result, values)


def test_unknown_values_are_not_read():
    values, known = image(20, 20, 0.2, 1)
    filled = harmonic_fill(values, known)
    for other in (np.inf, -1e30, 5):
        np.testing.assert_array_equal(harmonic_fill(np.where(known, values, np.float32(other)), known), filled)


def test_the_full_range_of_float32():
    values, known = np.array([[-3e38, 0, 3e38]], np.float32), np.array([[True, False, True]])
    assert abs(harmonic_fill(values, known)[0, 1]) <= 1e-4 * 6e38


def test_the_kind_of_array_is_kept():
    values, known = image(12, 17, 0.3, 2)
    expected = harmonic_fill(values, known)
    transposed = torch.from_numpy(values.T.copy()).T.double().requires_grad_()
    result = harmonic_fill(transposed, torch.from_numpy(known))
    assert isinstance(result, torch.Tensor) and result.dtype == torch.float32 and not result.requires_grad
    np.testing.assert_array_equal(result.numpy(), expected)
    np.testing.assert_array_equal(harmonic_fill(np.asfortranarray(values), np.asfortranarray(known)), expected)
    assert harmonic_fill(np.array([[1, 0, 3]]), np.array([[True, False, True]])).tolist() == [[1, 2, 3]]


@pytest.mark.parametrize(
    ("values", "known", "error", "message"),
    [
        (
            np.zeros((2, 2)),
            np.zeros((2, 2), bool),
            ValueError,
            "known must hold at least one true pixel, got none of 4",
        ),
        (
            np.zeros((0, 2)),
            np.zeros((0, 2), bool),
            ValueError,
            "known must hold at least one true pixel, got none of 0",
        ),
        (np.zeros((2, 2)), np.ones((2, 3), bool), ValueError, r"known must have shape \(2, 2\), got \(2, 3\)"),
        (np.zeros((2, 2, 1)), np.ones((2, 2), bool), ValueError, r"values must have shape \(H, W\)"),
        (np.zeros((2, 2)), np.ones((2, 2)), TypeError, "known must hold bool, got float64"),
        (
            np.full((2, 2), np.nan),
            np.ones((2, 2), bool),
            ValueError,
            "values must be finite where known, in float32, got 4 that",
        ),
        ([[0.0]], np.ones((1, 1), bool), TypeError, "values must be a numpy array or a torch tensor, got list"),
    ],
)
def test_bad_input(values, known, error, message):
    with pytest.raises(error, match=message):
        harmonic_fill(values, known)


@pytest.mark.parametrize("values", [np.zeros((4, 3)), torch.zeros(4, 3), torch.zeros(4, 3, device="meta")])
def test_the_cuda_backend_moves_nothing(values):
    with pytest.raises(ValueError, match=r'backend "cuda" needs CUDA tensors, got values (as ndarray|on cpu|on meta)'):
        harmonic_fill(values, values == 0, backend="cuda")


def test_a_tensor_where_no_backend_is_stays_there():
    with pytest.raises(ValueError, match=r"values is on meta, where this function has no backend: pass values.cpu\(\)"):
        harmonic_fill(torch.zeros(4, 3, device="meta"), torch.zeros(4, 3, dtype=torch.bool, device="meta"))
    with pytest.raises(ValueError, match=r"unknown backend 'nunba' .did you mean 'numba'"):
        harmonic_fill(np.zeros((4, 3)), np.ones((4, 3), bool), backend="nunba")
