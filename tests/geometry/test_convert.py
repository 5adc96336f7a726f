"""Laws of the conversions: what goes there by address comes back by address."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from geoad.geometry import (
    Camera,
    PointCloud,
    VoxelGrid,
    XYZImage,
    bounding_grid,
    cloud_to_cells,
    cloud_to_voxels,
    cloud_to_xyz,
    depth_to_xyz,
    scores_to_pixels,
    voxel_scores_to_points,
    xyz_to_cloud,
    xyz_to_depth,
)
from geoad.geometry.pinhole import fit_pinhole
from geoad.sample import AnomalyMap

ELEMENTS = st.one_of(st.floats(-2, 2, width=32), st.just(0.0), st.sampled_from([np.nan, np.inf, -np.inf]))
SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6))
SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def images(draw: st.DrawFn) -> XYZImage:
    shape = draw(SHAPES)
    xyz = draw(hnp.arrays(np.float32, (*shape, 3), elements=ELEMENTS))
    xyz[draw(hnp.arrays(bool, shape))] = 0
    return XYZImage(xyz, draw(hnp.arrays(np.uint8, (*shape, 3))))


def clouds(n: int, seed: int) -> PointCloud:
    random = np.random.default_rng(seed)
    points = (random.normal(size=(n, 3)) * random.uniform(0.01, 3, 3) + random.uniform(-1, 1, 3)).astype(np.float32)
    return PointCloud(points, rgb=random.integers(0, 256, (n, 3), dtype=np.uint8), pixel=np.arange(n))


# xyz <-> cloud


@given(images())
def test_image_to_cloud_and_back_is_exact_on_valid_pixels(image: XYZImage) -> None:
    cloud = xyz_to_cloud(image)
    back = cloud_to_xyz(cloud, image.shape)
    assert len(cloud) == image.valid.sum()
    np.testing.assert_array_equal(back.valid, image.valid)
    np.testing.assert_array_equal(back.xyz[image.valid], image.xyz[image.valid])
    np.testing.assert_array_equal(back.rgb[image.valid], image.rgb[image.valid])
    assert not back.xyz[~image.valid].any() and not back.rgb[~image.valid].any()


@given(images(), SEEDS)
def test_the_order_of_the_points_does_not_matter(image: XYZImage, seed: int) -> None:
    cloud = xyz_to_cloud(image)
    shuffled = cloud.take(np.random.default_rng(seed).permutation(len(cloud)))
    np.testing.assert_array_equal(cloud_to_xyz(shuffled, image.shape).xyz, cloud_to_xyz(cloud, image.shape).xyz)


@given(images(), SEEDS)
def test_scores_of_a_cloud_come_back_to_their_own_pixels(image: XYZImage, seed: int) -> None:
    cloud = xyz_to_cloud(image)
    scores = np.random.default_rng(seed).random(len(cloud), dtype=np.float32)
    pixels = scores_to_pixels(scores, cloud.pixel, image.shape, empty=-7)
    np.testing.assert_array_equal(pixels[image.valid], scores)
    assert (pixels[~image.valid] == -7).all()


def test_a_cloud_without_pixels_cannot_go_back() -> None:
    bare = PointCloud(np.ones((2, 3), np.float32))
    with pytest.raises(ValueError, match="cloud must know its pixels"):
        cloud_to_xyz(bare, (1, 2))
    with pytest.raises(ValueError, match=r"pixel must be in \[0, 2\) for shape \(1, 2\), got 0 to 2"):
        cloud_to_xyz(PointCloud(bare.points, pixel=np.array([0, 2])), (1, 2))
    with pytest.raises(ValueError, match="two points of the cloud have the same pixel"):
        cloud_to_xyz(PointCloud(bare.points, pixel=np.array([1, 1])), (1, 2))


# xyz <-> depth


@given(shape=SHAPES, kappa=st.floats(-3000, 3000), seed=SEEDS)
def test_depth_to_xyz_to_depth_is_exact_and_the_points_lie_on_their_rays(
    shape: tuple[int, int], kappa: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    camera = Camera(0.01, kappa, 3.75e-6, 3.75e-6, *random.uniform(0, 800, 2), shape[1], shape[0])
    depth = (random.uniform(0.1, 5, shape) * (random.random(shape) < 0.7)).astype(np.float32)
    image = depth_to_xyz(depth, camera)
    np.testing.assert_array_equal(xyz_to_depth(image), depth)
    np.testing.assert_array_equal(image.valid, depth > 0)
    cloud = xyz_to_cloud(image)
    rows, columns = np.divmod(cloud.pixel, shape[1])
    np.testing.assert_allclose(camera.project(cloud.points), np.stack([columns, rows], -1), atol=2e-3)
    np.testing.assert_allclose(depth_to_xyz(xyz_to_depth(image), camera).xyz, image.xyz, rtol=1e-6)


def test_depth_keeps_invalid_pixels_invalid() -> None:
    depth = np.array([[0, np.nan, np.inf, 1]], np.float32)
    image = depth_to_xyz(depth, Camera.pinhole(10.0, (1, 4)))
    assert image.valid.tolist() == [[False, False, False, True]]
    assert xyz_to_depth(XYZImage(np.array([[[np.nan, 0, 3.0], [1, 0, 0]]]))).tolist() == [[0, 0]]


def test_what_is_masked_is_no_measurement() -> None:
    depth = np.ma.masked_equal(np.array([[1.0, 65.535, 2.0]]), 65.535)
    assert depth_to_xyz(depth, Camera.pinhole(1.0, (1, 3))).valid.tolist() == [[True, False, True]]
    scores = np.ma.masked_equal([1.0, 999.0], 999)
    assert np.isnan(scores_to_pixels(scores, np.array([0, 1]), (1, 2))).tolist() == [[False, True]]
    with pytest.raises(ValueError, match="an anomaly map must be finite, got 1 NaN"):
        AnomalyMap(scores[None])


def test_depth_of_another_size_than_the_camera() -> None:
    with pytest.raises(ValueError, match=r"depth must have shape \(4, 5\), got \(5, 4\)"):
        depth_to_xyz(np.ones((5, 4)), Camera.pinhole(10.0, (4, 5)))


# scores -> pixels


@given(st.data(), SHAPES)
def test_the_maximum_wins_where_scores_meet(data: st.DataObject, shape: tuple[int, int]) -> None:
    size = shape[0] * shape[1]
    pixel = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=20)), np.int64)
    scores = data.draw(hnp.arrays(np.float32, len(pixel), elements=st.floats(-5, 5, width=32)))
    pixels = scores_to_pixels(scores, pixel, shape, empty=0.5).ravel()
    for address in range(size):
        mine = scores[pixel == address]
        assert pixels[address] == (mine.max() if len(mine) else np.float32(0.5))


def test_scores_below_empty_stay() -> None:
    assert scores_to_pixels(np.array([-3.0]), np.array([0]), (1, 2)).tolist() == [[-3, 0]]


def test_scores_must_fit_their_pixels() -> None:
    with pytest.raises(ValueError, match=r"pixel must have shape \(2,\), got \(3,\)"):
        scores_to_pixels(np.ones(2), np.arange(3), (1, 3))
    with pytest.raises(ValueError, match=r"pixel must be in \[0, 2\)"):
        scores_to_pixels(np.ones(3), np.arange(3), (1, 2))


# cloud -> voxels -> points


def test_grid_of_a_known_box() -> None:
    corners = np.array([[x, y, z] for x in (-1, 1) for y in (2, 3) for z in (0, 0.5)], np.float32)
    grid = bounding_grid([PointCloud(corners[:3]), PointCloud(corners[3:])])
    assert grid.shape == (64, 64, 64) and grid.cell == 2 / 64
    np.testing.assert_allclose((grid.origin + grid.upper) / 2, [0, 2.5, 0.25])
    filled = cloud_to_voxels(PointCloud(corners), grid)
    assert (filled.index >= 0).all()
    assert (filled.values == 1).sum() == len(np.unique(filled.index)) == 8
    assert set(np.unique(filled.values)) == {-1, 1}


@given(n=st.integers(2, 60), resolution=st.integers(1, 70), seed=SEEDS)
def test_no_point_of_its_own_box_falls_out_of_the_grid(n: int, resolution: int, seed: int) -> None:
    cloud = clouds(n, seed)
    grid = cloud_to_voxels(cloud, bounding_grid([cloud], resolution))
    assert (grid.index >= 0).all() and (grid.index < resolution**3).all()
    np.testing.assert_array_equal(grid.index, grid.nearest)
    cell = np.stack(np.unravel_index(grid.index, grid.shape), -1)
    slack = 1e-5 * grid.cell
    assert (cloud.points >= grid.origin + cell * grid.cell - slack).all()
    assert (cloud.points <= grid.origin + (cell + 1) * grid.cell + slack).all()


@given(hnp.arrays(np.float32, (4, 3), elements=st.floats(-2, 2, width=32, allow_subnormal=False)), st.integers(1, 70))
def test_not_even_where_numbers_are_nasty(points: np.ndarray, resolution: int) -> None:
    assume((np.ptp(points.astype(np.float64), axis=0) > 0).any())
    cloud = PointCloud(points)
    assert (cloud_to_voxels(cloud, bounding_grid([cloud], resolution)).index >= 0).all()


@given(n=st.integers(2, 60), seed=SEEDS)
def test_occupied_cells_are_the_cells_of_the_points(n: int, seed: int) -> None:
    cloud = clouds(n, seed)
    grid = cloud_to_voxels(cloud, bounding_grid([cloud], 8))
    np.testing.assert_array_equal(np.flatnonzero(grid.values.ravel() == 1), np.unique(grid.index))


@given(n=st.integers(2, 60), seed=SEEDS)
@settings(max_examples=30)
def test_colours_are_the_mean_of_a_cell(n: int, seed: int) -> None:
    cloud = clouds(n, seed)
    grid = cloud_to_voxels(cloud, bounding_grid([cloud], 3), rgb=True)
    values = grid.values.reshape(3, -1)
    for cell in range(27):
        mine = cloud.rgb[grid.index == cell]
        expected = mine.mean(0) / 255 if len(mine) else [-1, -1, -1]
        np.testing.assert_allclose(values[:, cell], expected, atol=1e-6)


def test_mean_of_two_colours_and_the_empty_vector() -> None:
    rgb = np.array([[255, 0, 0], [0, 255, 0]], np.uint8)
    grid = VoxelGrid(np.zeros(3), 1.0, (2, 1, 1))
    values = cloud_to_voxels(PointCloud(np.full((2, 3), 0.5, np.float32), rgb=rgb), grid, rgb=True).values
    assert values[:, 0, 0, 0].tolist() == [0.5, 0.5, 0] and values[:, 1, 0, 0].tolist() == [-1, -1, -1]


def test_axes_are_x_y_z() -> None:
    grid = VoxelGrid(np.zeros(3), 1.0, (2, 3, 4))
    filled = cloud_to_voxels(PointCloud(np.array([[1.5, 2.5, 0.5]], np.float32)), grid)
    assert filled.values.shape == (1, 2, 3, 4) and filled.values[0, 1, 2, 0] == 1
    assert filled.index.tolist() == [1 * 12 + 2 * 4 + 0]


@given(n=st.integers(2, 60), seed=SEEDS)
def test_points_get_the_score_of_their_cell(n: int, seed: int) -> None:
    cloud = clouds(n, seed)
    grid = cloud_to_voxels(cloud, bounding_grid([cloud], 5))
    scores = np.random.default_rng(seed).random((5, 5, 5), dtype=np.float32)
    np.testing.assert_array_equal(voxel_scores_to_points(scores, grid), scores.ravel()[grid.index])


def test_points_outside_are_dropped_but_scored_by_the_nearest_cell() -> None:
    grid = VoxelGrid(np.zeros(3), 1.0, (2, 2, 2))
    points = np.array([[0.5, 0.5, 0.5], [9, 0.5, 0.5], [-9, 1.5, 9], [2, 2, 2]], np.float32)
    filled = cloud_to_voxels(PointCloud(points), grid)
    assert filled.index.tolist() == [0, -1, -1, 7] and filled.nearest.tolist() == [0, 4, 3, 7]
    assert (filled.values == 1).sum() == 2
    scores = np.arange(8.0).reshape(2, 2, 2)
    assert voxel_scores_to_points(scores, filled).tolist() == [0, 4, 3, 7]


@given(n=st.integers(2, 60), seed=SEEDS)
def test_permuting_the_cloud_permutes_the_voxels_of_its_points(n: int, seed: int) -> None:
    cloud = clouds(n, seed)
    order = np.random.default_rng(seed + 1).permutation(n)
    empty = bounding_grid([cloud], 6)
    grid, other = (cloud_to_voxels(c, empty, rgb=False) for c in (cloud, cloud.take(order)))
    np.testing.assert_array_equal(other.index, grid.index[order])
    np.testing.assert_array_equal(other.values, grid.values)


def test_what_cannot_be_gridded_is_refused() -> None:
    flat = PointCloud(np.ones((4, 3), np.float32))
    with pytest.raises(ValueError, match="must have an extent"):
        bounding_grid([flat])
    with pytest.raises(ValueError, match="must have an extent"):
        bounding_grid([])
    with pytest.raises(ValueError, match="resolution must be positive"):
        bounding_grid([clouds(4, 0)], 0)
    with pytest.raises(TypeError, match="resolution must be an int, got float"):
        bounding_grid([clouds(4, 0)], 10.9)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"shape must be whole numbers of cells, got \(2.9, 2, 2\)"):
        VoxelGrid(np.zeros(3), 1.0, (2.9, 2, 2))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="cloud must have rgb"):
        cloud_to_voxels(flat, VoxelGrid(np.zeros(3), 1.0, (2, 2, 2)), rgb=True)
    with pytest.raises(ValueError, match="points of the cloud must be finite"):
        cloud_to_voxels(PointCloud(np.full((1, 3), np.nan, np.float32)), VoxelGrid(np.zeros(3), 1.0, (2, 2, 2)))
    with pytest.raises(ValueError, match="grid must hold a cloud"):
        voxel_scores_to_points(np.zeros((2, 2, 2)), VoxelGrid(np.zeros(3), 1.0, (2, 2, 2)))


def test_invalid_points_do_not_widen_the_box() -> None:
    points = np.array([[0, 0, 0], [1, 0, 0], [np.nan, 5, 5], [np.inf, 0, 9]], np.float32)
    assert bounding_grid([PointCloud(points)]).cell == 1 / 64


def test_occupied_cells_are_those_of_the_dense_grid() -> None:
    rng = np.random.default_rng(0)
    cloud = PointCloud(rng.random((300, 3), dtype=np.float32) * 3, rgb=rng.integers(0, 256, (300, 3), np.uint8))
    grid = VoxelGrid(np.full(3, 0.5), 0.4, (5, 6, 4))
    for rgb in (False, True):
        for clip in (False, True):
            dense = cloud_to_voxels(cloud, grid, rgb=rgb, clip=clip)
            filled, cells, values = cloud_to_cells(cloud, grid, rgb=rgb, clip=clip)
            assert np.array_equal(filled.index, dense.index) and np.array_equal(filled.nearest, dense.nearest)
            assert dense.values is not None and filled.values is None
            flat = dense.values.reshape(len(dense.values), -1)
            assert np.array_equal(cells, np.flatnonzero((flat != -1).any(0)))
            assert np.array_equal(cells, np.unique(dense.nearest if clip else dense.index[dense.index >= 0]))
            assert np.array_equal(values, flat[:, cells].T)


def test_points_outside_are_moved_to_the_border_if_asked_for() -> None:
    cloud, grid = (
        PointCloud(np.array([[-1, 0.5, 9], [0.5, 0.5, 0.5]], np.float32)),
        VoxelGrid(np.zeros(3), 1.0, (2, 1, 3)),
    )
    left_out, moved = (cloud_to_voxels(cloud, grid, clip=clip) for clip in (False, True))
    assert left_out.index.tolist() == [-1, 0] and left_out.nearest.tolist() == [2, 0]
    assert moved.index.tolist() == [-1, 0] and moved.nearest.tolist() == [2, 0]
    assert (left_out.values > 0).sum() == 1 and (moved.values > 0).sum() == 2


def test_depth_in_millimetres_is_refused_and_none_lies_behind_the_camera() -> None:
    camera = Camera.pinhole(1.0, (1, 3))
    with pytest.raises(TypeError, match="depth must be floating, in metres, got uint16: divide millimetres by 1000"):
        depth_to_xyz(np.full((1, 3), 600, np.uint16), camera)
    assert depth_to_xyz(np.array([[-1.0, 0.0, 0.5]]), camera).valid.tolist() == [[False, False, True]]


def test_what_is_no_array_is_said_to_be_none() -> None:
    with pytest.raises(TypeError, match=r"scores must be an array of shape \(N,\), got list"):
        scores_to_pixels([1.0], np.array([0]), (1, 1))


def test_depth_and_scores_may_have_gradients() -> None:
    ones, camera = torch.ones(1, 2, requires_grad=True), Camera.pinhole(1.0, (1, 2))
    assert depth_to_xyz(ones, camera).valid.all()  # type: ignore[arg-type]
    assert scores_to_pixels(ones[0], torch.tensor([1, 0]), (1, 2)).tolist() == [[1, 1]]  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="pixel must hold integers, got float64"):
        scores_to_pixels(np.ones(2), np.array([0.0, 1.0]), (1, 2))  # type: ignore[arg-type]


GRID = VoxelGrid(np.zeros(3), 1.0, (2, 2, 2))


@pytest.mark.parametrize(
    ("convert", "name"),
    [
        (xyz_to_cloud, "image must be an XYZImage"),
        (xyz_to_depth, "image must be an XYZImage"),
        (fit_pinhole, "image must be an XYZImage"),
        (lambda array: cloud_to_xyz(array, (1, 4)), "cloud must be a PointCloud"),
        (lambda array: cloud_to_voxels(array, GRID), "cloud must be a PointCloud"),
        (lambda array: cloud_to_voxels(PointCloud(array[0]), array), "grid must be a VoxelGrid"),
        (lambda array: voxel_scores_to_points(array, array), "grid must be a VoxelGrid"),
        (bounding_grid, "each of clouds must be a PointCloud"),
    ],
)
def test_an_array_in_the_place_of_an_object(convert: Callable[[np.ndarray], object], name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name}, such as .*\), got ndarray$"):
        convert(np.ones((1, 4, 3), np.float32))
