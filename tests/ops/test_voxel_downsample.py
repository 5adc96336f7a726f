from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.ops import reference, voxel_downsample
from tests.ops.clouds import KINDS, cloud, clouds, same

CELLS = st.sampled_from([0.05, 0.25, 1 / 3, 7.0])


def fitting(cell, points):
    """Return a cell in which no coordinate is too many cells away."""
    return max(cell, float(np.abs(points[np.isfinite(points)]).max(initial=0)) * 1e-18)


@settings(max_examples=80)
@given(clouds(max_size=200), CELLS, st.data())
def test_equals_the_reference(points, cell, data):
    if data.draw(st.booleans(), "not finite") and len(points):
        points = points.copy()
        points[data.draw(st.integers(0, len(points) - 1)), 2] = data.draw(st.sampled_from([np.nan, np.inf]))
    values = np.random.default_rng(1).random((len(points), 2))
    cell = fitting(cell, points)
    same(voxel_downsample(points, cell, values=values), reference.voxel_downsample(points, cell, values))


@pytest.mark.parametrize("kind", KINDS)
def test_tables_that_grow_lose_nothing(kind):
    points = cloud(kind, 6000, 3)
    cell = fitting(0.03, points)
    expected = reference.voxel_downsample(points, cell, np.zeros((6000, 0)))
    found = voxel_downsample(points, cell)
    same((found.points, found.index, found.count), (expected[0], *expected[2:]))


@settings(max_examples=50)
@given(clouds(min_size=1, max_size=150), CELLS, st.data())
def test_which_points_share_a_cell_does_not_depend_on_the_others(points, cell, data):
    cell = fitting(cell, points)
    order = np.array(data.draw(st.permutations(range(len(points)))))[: data.draw(st.integers(1, len(points)))]
    whole, part = voxel_downsample(points, cell).index[order], voxel_downsample(points[order], cell).index
    np.testing.assert_array_equal(whole[:, None] == whole, part[:, None] == part)


@settings(max_examples=50)
@given(clouds(max_size=200).filter(lambda points: np.abs(points).max(initial=0) < 1e12), CELLS)
def test_means_lie_in_their_cells_and_count_every_point(points, cell):
    found = voxel_downsample(points, cell)
    assert found.count.sum() == len(points) and found.values is None
    assert (np.diff(np.unique(found.index, return_index=True)[1]) > 0).all()  # rows by first appearance
    if len(points):
        low = np.floor(points.astype(np.float64) / cell) * cell
        slack = np.abs(points).max() * 1e-6 + 1e-30
        means = found.points[found.index]
        assert (means >= low - slack).all() and (means <= low + cell + slack).all()


def test_cells_hang_on_the_origin_of_the_frame():
    points = np.array([[-0.1, 0, 0], [0.1, 0, 0], [0.9, 0, 0], [1.0, 0, 0]])
    assert voxel_downsample(points, 1.0).index.tolist() == [0, 1, 1, 2]


def test_a_million_duplicates_and_far_coordinates():
    found = voxel_downsample(np.full((1_000_000, 3), 0.3, np.float32), 0.5)
    assert found.count.tolist() == [1_000_000] and found.points[0].tolist() == [np.float32(0.3)] * 3
    points = (1e6 + np.arange(300).reshape(-1, 3) * 1e-3).astype(np.float32)
    assert len(voxel_downsample(points, 1e-3).points) == len(np.unique(points, axis=0))


def test_colours_average():
    points, colours = np.array([[0.1, 0, 0], [0.2, 0, 0]]), np.array([[0, 100, 255], [100, 100, 0]], np.uint8)
    assert voxel_downsample(points, 1.0, values=colours).values.tolist() == [[50, 100, 127.5]]


def test_nothing_finite_gives_no_rows():
    found = voxel_downsample(np.full((2, 3), np.nan), 1.0, values=np.ones(2))
    assert found.points.shape == (0, 3) and found.values.shape == (0,) and found.index.tolist() == [-1, -1]


def test_the_kind_of_array_is_kept():
    points, values = cloud("uniform", 80), np.arange(80.0)
    expected = voxel_downsample(points, 0.25, values=values)
    tensor = torch.from_numpy(points.T.copy()).T.double().requires_grad_()
    found = voxel_downsample(tensor, 0.25, values=torch.from_numpy(values).requires_grad_())
    assert [part.dtype for part in found] == [torch.float32, torch.float32, torch.int64, torch.int64]
    assert found.values.shape == found.count.shape and not found.points.requires_grad
    same(found, expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": np.zeros((4, 2))}, ValueError, r"points must have shape \(N, 3\)"),
        ({"cell": 0}, ValueError, "cell must be positive, got 0"),
        ({"cell": -1.0}, ValueError, "cell must be positive, got -1"),
        ({"cell": np.nan}, ValueError, "cell must be positive, got nan"),
        ({"cell": np.inf}, ValueError, "cell must be finite"),
        ({"cell": "1"}, TypeError, "cell must be a number, got str"),
        (
            {"points": np.full((4, 3), -1e6), "cell": 1e-13},
            ValueError,
            r"cell must be larger than 2.16.*e-13",
        ),
        ({"values": np.zeros(3)}, ValueError, r"values must have shape \(4,\), got \(3,\)"),
        ({"values": np.zeros((4, 1, 1))}, ValueError, "values must have shape"),
        ({"values": ["a"] * 4}, TypeError, "values must be a numpy array"),
        ({"points": torch.zeros((4, 3), device="meta")}, ValueError, r"points is on meta, .*pass points.cpu\(\)"),
    ],
)
def test_bad_input(change, error, message):
    with pytest.raises(error, match=message):
        voxel_downsample(**{"points": np.zeros((4, 3)), "cell": 1.0, **change})
