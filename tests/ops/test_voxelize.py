from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import occupied_voxels, reference, voxelize
from tests.ops.clouds import cloud, clouds

side = st.integers(1, 6)


@settings(max_examples=160, deadline=None)
@given(
    clouds(max_size=200),
    st.tuples(side, side, side),
    st.sampled_from([0.1, 0.25, 1 / 3, 7.0, 1e-3]),
    st.tuples(*[st.floats(-1, 1)] * 3),
    st.sampled_from([np.float32, np.float64]),
    st.integers(0, 4),
)
def test_equals_the_reference(points, shape, cell, origin, kind, channels):
    values = np.random.default_rng(1).random((len(points), channels)).astype(kind)
    index, count, means = reference.voxelize(points, origin, cell, shape, values)
    found = voxelize(points, origin, cell, shape, values)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_array_equal(found.count, count)
    np.testing.assert_array_equal(found.values, means)


@settings(max_examples=60, deadline=None)
@given(clouds(min_size=1, max_size=100).filter(lambda p: 0 < np.ptp(p, 0).max() < 1e7), st.integers(1, 80))
def test_a_grid_spanned_by_points_holds_them(points, resolution):
    low, high = points.astype(np.float64).min(0), points.astype(np.float64).max(0)
    length = (high - low).max()
    found = voxelize(points, (low + high) / 2 - length / 2, length / resolution, (resolution,) * 3)
    assert (found.index >= 0).all()
    assert found.count.sum() == len(points) and found.values is None


def test_faces_belong_to_the_upper_cell_and_the_last_face_to_the_last():
    points = np.array([[x, 0, 0] for x in (-1e-6, 0, 0.5, 1, 2, 2.001)])
    assert voxelize(points, (0, 0, 0), 1.0, (2, 1, 1)).index.tolist() == [-1, 0, 0, 1, 1, -1]


def test_the_flat_index_runs_over_z_first():
    assert voxelize(np.array([[1.5, 2.5, 3.5]]), (0, 0, 0), 1.0, (4, 5, 6)).index.tolist() == [(1 * 5 + 2) * 6 + 3]


def test_colours_average():
    points = np.array([[0.2, 0.2, 0.2], [0.3, 0.3, 0.3], [1.5, 0.5, 0.5]])
    colours = np.array([[0, 100, 255], [100, 100, 0], [7, 8, 9]], np.uint8)
    found = voxelize(points, (0, 0, 0), 1.0, (2, 2, 2), colours)
    assert found.values[0, 0, 0].tolist() == [50, 100, 127.5] and found.values[1, 0, 0].tolist() == [7, 8, 9]
    assert not found.values[0, 1].any() and found.count.sum() == 3


def test_sums_are_double_precision_whatever_the_values_are():
    values = np.array([1e8, 1, -1e8, 0])
    for kind in (np.float32, np.float64, np.int32, np.int64):
        found = voxelize(np.zeros((4, 3)), (0, 0, 0), 1.0, (1, 1, 1), values.astype(kind))
        assert found.values.item() == 0.25


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.uint16, np.float16, np.int32, np.int64])
def test_numbers_of_any_kind_are_averaged_exactly(kind):
    values = np.array([[100, 3], [27, 5]], kind)
    expected = reference.voxelize(np.zeros((2, 3), np.float32), (0, 0, 0), 1.0, (1, 1, 1), values.astype(np.float64))
    np.testing.assert_array_equal(voxelize(np.zeros((2, 3)), (0, 0, 0), 1.0, (1, 1, 1), values).values, expected[2])


@pytest.mark.parametrize("origin", [1 - 1e-9, 1 + 1e-9])
def test_cells_finer_than_the_points_can_tell(origin):
    points = np.ones((1, 3), np.float32)
    for cell in (1e-30, 1e-300, 5e-324):
        found = voxelize(points, (origin,) * 3, cell, (2, 2, 2))
        expected = reference.voxelize(points, (origin,) * 3, cell, (2, 2, 2), np.empty((1, 0)))
        assert found.index.tolist() == expected[0].tolist() == [7 if origin < 1 else 0]


def test_points_that_are_not_finite_are_outside():
    points = np.array([[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf], [0.5, 0.5, 0.5]])
    found = voxelize(points, (0, 0, 0), 1e30, (1, 1, 1), values=np.array([np.nan, 1, 1, 4]))
    assert found.index.tolist() == [-1, -1, -1, 0] and found.values.item() == 4


def test_the_kind_of_array_is_kept():
    points, values = cloud("uniform", 50), np.arange(50.0)
    expected = voxelize(points, (0, 0, 0), 0.25, (4, 4, 4), values)
    tensor = torch.from_numpy(points.T.copy()).T.requires_grad_()
    found = voxelize(tensor, torch.zeros(3), 0.25, (4, 4, 4), torch.from_numpy(values))
    assert found.index.dtype == found.count.dtype == torch.int64 and found.values.dtype == torch.float32
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(mine.numpy(), theirs)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": np.zeros((4, 2))}, ValueError, r"points must have shape \(N, 3\)"),
        ({"origin": (0, 0)}, ValueError, r"origin must have shape \(3,\), got \(2,\)"),
        ({"origin": (0, 0, np.nan)}, ValueError, "origin must be finite"),
        ({"cell": 0}, ValueError, "cell must be positive, got 0"),
        ({"cell": np.inf}, ValueError, "cell must be finite"),
        ({"shape": (4, 4)}, ValueError, r"shape must be \(X, Y, Z\), got \(4, 4\)"),
        ({"shape": (4, 4, 0)}, ValueError, "shape must be positive, got 0"),
        ({"shape": (4, 4, 1.0)}, TypeError, "shape must be an int, got float"),
        ({"values": np.zeros(3)}, ValueError, r"values must have shape \(4,\), got \(3,\)"),
        ({"values": np.zeros((4, 1, 1))}, ValueError, "values must have shape"),
        ({"values": ["a"] * 4}, TypeError, "values must be a numpy array"),
    ],
)
def test_bad_input(change, error, message):
    good = {"points": np.zeros((4, 3)), "origin": (0, 0, 0), "cell": 1.0, "shape": (2, 2, 2)}
    with pytest.raises(error, match=message):
        voxelize(**{**good, **change})


@pytest.mark.parametrize("shape", [(2**22,) * 3, (2**21, 2**21, 2**22), (2_642_246,) * 3])
def test_a_grid_of_more_voxels_than_have_numbers_is_refused(shape):
    for function in (voxelize, occupied_voxels):
        with pytest.raises(ValueError, match=r"shape must be of at most 2\^53 voxels, got"):
            function(np.zeros((1, 3)), (0, 0, 0), 1e-3, shape, values=np.ones(1))


def test_what_is_masked_is_nowhere():
    points = np.ma.masked_equal([[1.0, 2.0, 3.0], [9.0, 0.0, 0.0]], 9)
    assert voxelize(points, (0, 0, 0), 4.0, (3, 1, 1)).index.tolist() == [0, -1]
    with pytest.raises(TypeError, match="points must be floating where some are masked, got int64"):
        voxelize(np.ma.masked_equal([[1, 2, 3]], 3), (0, 0, 0), 4.0, (1, 1, 1))
