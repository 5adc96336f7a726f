from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from geoad.geometry.camera import Camera
from geoad.ops import reference, splat_voxels
from geoad.ops.hull_numba import sort_corners, trace
from geoad.ops.splat_voxels_numba import _is_covered

SHAPE = (13, 70)  # more columns than a word of the kernel has bits, and a part of a word
CAMERA = Camera.pinhole(focal=20.0, shape=SHAPE)
side = st.integers(0, 4)


def turn(x: float, y: float, z: float) -> np.ndarray:
    """Return axes turned about x, then y, then z."""
    axes = np.eye(3)
    for angle, (a, b) in zip((x, y, z), ((1, 2), (2, 0), (0, 1)), strict=True):
        about = np.eye(3)
        about[[a, b], [a, b]], about[a, b], about[b, a] = np.cos(angle), -np.sin(angle), np.sin(angle)
        axes = about @ axes
    return axes


def scores(shape, seed, kind):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=shape).astype(np.float32)
    if kind == "ties":
        values = np.round(values)  # -0.0 and 0.0 among them
    elif kind == "not finite":
        values[rng.random(shape) < 0.4] = np.nan
        values[rng.random(shape) < 0.2] = -np.inf
        values[rng.random(shape) < 0.1] = np.inf
    return values


def same(found, expected):
    np.testing.assert_array_equal(found, expected)
    assert found.dtype == expected.dtype == np.float32


@settings(max_examples=120)
@given(
    st.tuples(side, side, side),
    st.integers(0, 99),
    st.sampled_from(["plain", "ties", "not finite"]),
    st.tuples(st.floats(-3, 3), st.floats(-1, 1), st.floats(-1, 5)),
    st.sampled_from([0.01, 0.125, 0.3, 1.0, 50.0]),
    st.sampled_from([0.0, 0.3, -0.3, 10.0]),
    st.none() | st.tuples(*[st.floats(-4, 4) | st.just(np.pi / 2)] * 3),
)
def test_equals_the_reference_bit_for_bit(shape, seed, kind, origin, cell, kappa, angles):
    camera = Camera(1.0, kappa, 0.05, 0.05, 34.5, 6, SHAPE[1], SHAPE[0])
    axes = None if angles is None else turn(*angles)
    values = scores(shape, seed, kind)
    found = splat_voxels(values, origin, cell, camera, SHAPE, axes=axes)
    same(found, reference.splat_voxels(values, origin, cell, camera, SHAPE, axes=axes))


@pytest.mark.parametrize(
    ("kind", "kappa", "angles"),
    [
        ("plain", 0.0, (0, 0, 0)),
        ("ties", -0.2, (0.5, 0.5, 0)),
        ("not finite", 0.0, (0.3, 1, 2)),
        ("smooth", 0.2, (1, 0, 0)),
    ],
)
def test_many_voxels_equal_the_reference(kind, kappa, angles):
    """Enough of them for several rounds."""
    values = scores((17,) * 3, 1, kind)
    if kind == "smooth":
        values = np.linspace(0, 1, 17**3, dtype=np.float32).reshape(values.shape)
    camera, axes = Camera(1.0, kappa, 0.005, 0.005, 34.5, 40, 70, 80), turn(*angles)
    origin = np.array([0, 0, 6]) - 17 / 2 * 0.1 * axes.sum(0)
    found = splat_voxels(values, origin, 0.1, camera, (80, 70), axes=axes)
    same(found, reference.splat_voxels(values, origin, 0.1, camera, (80, 70), axes=axes))
    assert 0.1 < np.isfinite(found).mean() < 1


@settings(max_examples=200)
@given(st.lists(st.tuples(st.integers(-900, 900), st.integers(-900, 3000)), min_size=8, max_size=8), st.integers(0, 9))
def test_rows_of_any_eight_corners_are_those_of_their_hull(corners, seed):
    """Corners in any order and form: points, lines, and whatever a lens could make of a cube."""
    corners = np.array(corners) // (1, 128, 256)[seed % 3] * (1, 128, 256)[seed % 3]
    columns, rows = (corners.T.reshape(2, 2, 2, 2)).astype(np.int32)
    y, x = np.indices((12, 16)) * 256
    low, high = max(-(-corners[:, 1].min() // 256), 0), min(corners[:, 1].max() // 256, 11)
    ends = np.zeros((2, 12), np.int64)
    ordered, chain = np.empty(8, np.int64), np.empty((8, 2), np.int64)
    sort_corners(columns, rows, 0, ordered)
    for limit, way in zip(ends, (1, -1), strict=True):
        trace(ordered, way, chain, low, high, limit)
    inside = (x >= ends[0, :, None] * 256) & (x <= ends[1, :, None] * 256) & (y >= low * 256) & (y <= high * 256)
    np.testing.assert_array_equal(inside, reference.in_hull(corners, x, y))


@settings(max_examples=40)
@given(st.integers(0, 999))
def test_a_pixel_is_hit_exactly_if_its_ray_passes_through_the_voxel(seed):
    rng = np.random.default_rng(seed)
    axes, cell = turn(*rng.uniform(-3, 3, 3)), rng.uniform(0.05, 1)
    origin = rng.uniform((-1, -0.3, 2), (1, 0.3, 4))
    rows, columns = np.indices(SHAPE)
    rays = CAMERA.rays(np.stack([columns, rows], -1)) @ axes.T
    with np.errstate(divide="ignore"):
        walls = (axes @ origin)[:, None] + [0, cell]
        times = walls / rays[..., None]
    depth = times.max(-1).min(-1) - times.min(-1).max(-1)  # how long the ray is between all walls
    hit = np.isfinite(splat_voxels(np.ones((1, 1, 1)), origin, cell, CAMERA, SHAPE, axes=axes))
    clear = np.abs(depth) > 0.02  # nearer to an edge, 1/512 pixel decides
    np.testing.assert_array_equal(hit[clear], depth[clear] > 0)


def test_the_border_belongs_to_the_hull():
    camera = Camera.pinhole(100.0, (65, 65))
    seen = splat_voxels(np.full((1, 1, 1), 3.0), (-0.5, -0.5, 5), 1.0, camera, (65, 65))
    expected = np.full((65, 65), np.nan)
    expected[22:43, 22:43] = 3  # the near face reaches from 22 to 42 exactly
    np.testing.assert_array_equal(seen, expected)


def test_the_largest_counts_also_from_behind():
    values = np.array([1.0, 5, 3]).reshape(1, 1, 3)
    image = splat_voxels(values, (-0.5, -0.5, 5), 1.0, CAMERA, SHAPE)
    assert np.nanmax(image) == 5 and set(np.unique(image[np.isfinite(image)])) == {1, 5}
    assert (
        np.isfinite(image).sum()
        == np.isfinite(splat_voxels(values[..., :1], (-0.5, -0.5, 5), 1.0, CAMERA, SHAPE)).sum()
    )


def test_what_has_a_corner_behind_the_camera_is_not_drawn():
    values = np.arange(4.0).reshape(1, 1, 4)
    image = splat_voxels(values, (-0.5, -0.5, -2), 1.0, CAMERA, SHAPE)
    assert set(np.unique(image[np.isfinite(image)])) == {3}  # the third one has its corners at z = 0
    assert np.isnan(splat_voxels(values[..., :3], (-0.5, -0.5, -2), 1.0, CAMERA, SHAPE)).all()


def test_what_is_projected_too_far_away_is_not_drawn():
    for reach, drawn in ((2.0**17, True), (2.0**17 + 1, False), (1e30, False), (np.nan, False), (np.inf, False)):
        wide = SimpleNamespace(project=lambda points, scale=(reach, 1): points[:, :2] * scale)
        image = splat_voxels(np.ones((1, 1, 1)), (0, 0, 1), 1.0, wide, (2, 3))
        assert np.isfinite(image).all() == drawn and np.isnan(image).all() != drawn


@pytest.mark.parametrize("shape", [(0, 3, 3), (3, 0, 3), (3, 3, 0), (0, 0, 0)])
def test_no_voxel_draws_nothing(shape):
    assert np.isnan(splat_voxels(np.zeros(shape), (0, 0, 1), 1.0, CAMERA, SHAPE)).all()
    assert np.isnan(splat_voxels(np.full((2, 2, 2), np.nan), (0, 0, 1), 1.0, CAMERA, SHAPE)).all()


def test_a_voxel_between_pixels_draws_nothing():
    assert np.isnan(splat_voxels(np.ones((1, 1, 1)), (0.01, 0.01, 5), 0.01, CAMERA, SHAPE)).all()


def test_a_voxel_much_larger_than_the_image_covers_it():
    image = splat_voxels(np.full((1, 1, 1), 2.0), (-50, -50, 1), 100.0, CAMERA, (300, 200))
    assert (image == 2).all()


def test_the_kind_of_array_is_kept():
    values = scores((3, 4, 5), 0, "plain")
    place = ((-1, -1, 4), 0.5)
    expected = splat_voxels(values, *place, CAMERA, SHAPE, axes=turn(0.1, 0.2, 0.3))
    tensor = torch.from_numpy(values.transpose(2, 1, 0).copy()).permute(2, 1, 0).double().requires_grad_()
    found = splat_voxels(tensor, torch.tensor(place[0]), 0.5, CAMERA, SHAPE, axes=torch.from_numpy(turn(0.1, 0.2, 0.3)))
    assert isinstance(found, torch.Tensor) and found.dtype == torch.float32 and not found.requires_grad
    np.testing.assert_array_equal(found.numpy(), expected)
    whole = splat_voxels(np.arange(60).reshape(3, 4, 5), *place, CAMERA, SHAPE)
    np.testing.assert_array_equal(whole, splat_voxels(np.arange(60.0).reshape(3, 4, 5), *place, CAMERA, SHAPE))
    values.flags.writeable = False
    np.testing.assert_array_equal(splat_voxels(values, *place, CAMERA, SHAPE, axes=turn(0.1, 0.2, 0.3)), expected)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"values": np.zeros((2, 2))}, ValueError, r"values must have shape \(X, Y, Z\), got \(2, 2\)"),
        ({"values": [[[0.0]]]}, TypeError, "values must be a numpy array or a torch tensor, got list"),
        ({"values": np.zeros((2, 2, 2), bool)}, TypeError, "values must hold real numbers, got bool"),
        ({"values": torch.zeros(2, 2, 2, device="meta")}, ValueError, "values is on meta"),
        ({"origin": (0, 0)}, ValueError, r"origin must have shape \(3,\), got \(2,\)"),
        ({"origin": (0, 0, np.nan)}, ValueError, "origin must be finite"),
        ({"cell": 0}, ValueError, "cell must be positive, got 0"),
        ({"cell": np.inf}, ValueError, "cell must be finite, got inf"),
        ({"camera": None}, TypeError, r"camera must have a method project\(points\) -> \(N, 2\), got NoneType"),
        ({"shape": (4,)}, ValueError, r"shape must be \(H, W\), got \(4,\)"),
        ({"shape": (4, 0)}, ValueError, "shape must be positive, got 0"),
        ({"shape": (4, 2.0)}, TypeError, "shape must be an int, got float"),
        ({"axes": np.eye(2)}, ValueError, r"axes must have shape \(3, 3\), got \(2, 2\)"),
        ({"axes": np.eye(3) * 2}, ValueError, "axes must be perpendicular unit vectors"),
        ({"axes": np.full((3, 3), np.nan)}, ValueError, "axes must be perpendicular unit vectors"),
    ],
)
def test_bad_input(change, error, message):
    good = {"values": np.zeros((2, 2, 2)), "origin": (0, 0, 1), "cell": 1.0, "camera": CAMERA, "shape": (7, 9)}
    with pytest.raises(error, match=message):
        splat_voxels(**{**good, **change})


def test_a_camera_that_returns_another_shape():
    class Camera:
        def project(self, points):
            return points

    with pytest.raises(ValueError, match=r"camera.project\(points\) must have shape \(27, 2\), got \(27, 3\)"):
        splat_voxels(np.zeros((2, 2, 2)), (0, 0, 1), 1.0, Camera(), (7, 9))


class Mirror:
    """A camera that does not know what is behind it."""

    def project(self, points):
        return points[:, :2] / points[:, 2:] + 2


def test_what_is_behind_a_camera_is_not_seen():
    assert np.isnan(splat_voxels(np.ones((1, 1, 1)), (-1, -1, -3), 1.0, Mirror(), (5, 5))).all()


def test_voxels_of_several_slabs_equal_the_reference():
    values = np.random.default_rng(0).random((3, 90, 90)).astype(np.float32)
    where = ((-1.0, -1.0, 4.0), 2 / 90, Camera.pinhole(60.0, (24, 24)), (24, 24))
    same(splat_voxels(values, *where), reference.splat_voxels(values, *where))


def test_a_box_is_covered_if_no_pixel_of_it_is_free():
    rng = np.random.default_rng(0)
    for _ in range(3000):  # boxes that meet up to six blocks of rows by four words of columns, with few gaps
        rows = np.ones((48, 256), bool)
        rows[rng.integers(0, 48, 2), rng.integers(0, 256, 2)] = False
        done = np.packbits(rows, axis=1, bitorder="little").view(np.uint64)
        whole = np.bitwise_and.reduce(done.reshape(6, 8, 4), axis=1)
        (left, right), (top, bottom) = np.sort(rng.integers(0, 256, 2)), np.sort(rng.integers(0, 48, 2))
        box = np.array([[left, right, top, bottom]], np.int32)
        assert _is_covered(done, whole, box, 0, np.uint64(3)) == rows[top : bottom + 1, left : right + 1].all()
