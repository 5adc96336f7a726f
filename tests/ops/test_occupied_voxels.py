"""The sparse form of `voxelize` must be what the dense one is, voxel for voxel and bit for bit."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import occupied_voxels, reference, voxelize
from tests.ops.clouds import cloud, clouds

side = st.integers(1, 9)


@settings(max_examples=80, deadline=None)
@given(
    clouds(max_size=200),
    st.tuples(side, side, side),
    st.sampled_from([0.1, 0.25, 1 / 3, 7.0]),
    st.sampled_from([np.float32, np.float64]),
)
def test_equals_the_reference(points, shape, cell, kind):
    values = np.random.default_rng(1).random((len(points), 2)).astype(kind)
    index, count, means = reference.voxelize(points, (0, 0, 0), cell, shape, values)
    found = occupied_voxels(points, (0, 0, 0), cell, shape, values)
    voxel = np.flatnonzero(count)
    np.testing.assert_array_equal(found.index, index)
    np.testing.assert_array_equal(found.voxel, voxel)
    np.testing.assert_array_equal(found.count, count.ravel()[voxel])
    np.testing.assert_array_equal(found.values, means.reshape(-1, 2)[voxel])


@pytest.mark.parametrize("shape", [(64, 64, 64), (5, 7, 13), (1, 1, 64), (1, 1, 65)])
def test_equals_the_dense_form_on_many_points(shape):
    points = np.random.default_rng(0).random((20_000, 3), dtype=np.float32) * np.array(shape, np.float32) * 1.1
    dense = voxelize(points, (0, 0, 0), 1.0, shape, points[:, 0])
    found = occupied_voxels(points, (0, 0, 0), 1.0, shape, points[:, 0])
    np.testing.assert_array_equal(found.voxel, np.flatnonzero(dense.count))
    np.testing.assert_array_equal(found.count, dense.count.ravel()[found.voxel])
    np.testing.assert_array_equal(found.values, dense.values.ravel()[found.voxel])


def test_the_kind_of_array_is_kept_and_values_are_optional():
    points = torch.from_numpy(cloud("uniform", 50))
    found = occupied_voxels(points, torch.zeros(3), 0.25, (4, 4, 4), torch.arange(50))
    assert found.index.dtype == found.voxel.dtype == found.count.dtype == torch.int64
    assert found.values.dtype == torch.float32 and found.values.shape == found.voxel.shape
    assert occupied_voxels(points, (0, 0, 0), 0.25, (4, 4, 4)).values is None


def test_no_points_and_none_inside():
    for points in (np.empty((0, 3)), np.full((2, 3), 9.0), np.full((2, 3), np.nan)):
        found = occupied_voxels(points, (0, 0, 0), 1.0, (2, 2, 2), np.zeros((len(points), 3)))
        assert (found.index == -1).all() and not len(found.voxel) and found.values.shape == (0, 3)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": np.zeros((4, 2))}, ValueError, r"points must have shape \(N, 3\)"),
        ({"cell": 0}, ValueError, "cell must be positive, got 0"),
        ({"shape": (4, 4, 0)}, ValueError, "shape must be positive, got 0"),
        ({"values": np.zeros(3)}, ValueError, r"values must have shape \(4,\), got \(3,\)"),
    ],
)
def test_bad_input(change, error, message):
    good = {"points": np.zeros((4, 3)), "origin": (0, 0, 0), "cell": 1.0, "shape": (2, 2, 2)}
    with pytest.raises(error, match=message):
        occupied_voxels(**{**good, **change})
