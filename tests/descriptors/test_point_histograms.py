"""Fast point feature histograms against their definition, against Open3D, and where they must not change."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from geoad._optional import need
from geoad.descriptors import fpfh, normals
from geoad.ops import knn

PLANE = [5, 16, 27]  # the bins of three angles of 0


def bumpy(n: int, seed: int = 0) -> NDArray[np.float32]:
    """Return n points of a bumpy surface before a camera at the origin."""
    xy = np.random.default_rng(seed).random((n, 2)) * 2 - 1
    height = 3 + 0.2 * np.sin(5 * xy[:, 0]) * np.cos(4 * xy[:, 1])
    return np.column_stack([xy, height]).astype(np.float32)


def by_definition(points: NDArray[Any], normal: NDArray[Any], k: int) -> NDArray[np.float64]:
    """Return the histograms, one pair after the other, in double precision."""
    points, normal = points.astype(np.float64), normal.astype(np.float64)
    index, sq_dist = knn(points, k)
    simple, result = np.zeros((2, len(points), 3, 11))
    there = np.isfinite(normal).all(1) & normal.any(1)
    for i, row in enumerate(index):
        pairs = [bins(points[j] - points[i], normal[i], normal[j]) for j in row if j != i and there[i] and there[j]]
        for pair in pairs:
            simple[i, [0, 1, 2], pair] += 100 / len(pairs)
    for i, (row, far) in enumerate(zip(index, sq_dist, strict=True)):
        mean = sum(simple[j] / d for j, d in zip(row, far, strict=True) if j != i)
        result[i] = simple[i] + 100 * mean / mean.sum(1, keepdims=True)
    return result.reshape(len(points), 33)


def bins(offset: NDArray[Any], here: NDArray[Any], there: NDArray[Any]) -> list[int]:
    """Return the bins of θ, α, φ of a pair of points with normals, as the paper defines them."""
    line = offset / np.linalg.norm(offset)
    if abs(here @ line) < abs(there @ line):
        here, there, line = there, here, -line
    v = np.cross(line, here)
    v /= np.linalg.norm(v)
    theta = math.atan2(np.cross(here, v) @ there, here @ there)
    shares = (theta + math.pi) / (2 * math.pi), (v @ there + 1) / 2, (here @ line + 1) / 2
    return [min(int(11 * share), 10) for share in shares]


@pytest.mark.parametrize("seed", range(3))
def test_they_are_those_of_the_definition(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.random((150, 3), dtype=np.float32)
    normal = rng.normal(size=(150, 3))
    normal = (normal / np.linalg.norm(normal, axis=1, keepdims=True)).astype(np.float32)
    expected = by_definition(points, normal, 20)
    np.testing.assert_allclose(fpfh(points, 20, normals=normal), expected, rtol=1e-4, atol=1e-3)
    assert (expected.reshape(-1, 3, 11) > 0).any(0).all()  # every bin is somebody's


def test_they_are_open3ds() -> None:
    open3d = need("open3d", "compare histograms")
    points = bumpy(3000)
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(points.astype(np.float64)))
    cloud.estimate_normals(open3d.geometry.KDTreeSearchParamKNN(30))
    cloud.orient_normals_towards_camera_location(np.zeros(3))
    assert ((np.asarray(cloud.normals) * normals(points)).sum(1) > 0.999).all()
    search = open3d.geometry.KDTreeSearchParamKNN(100)
    expected = np.asarray(open3d.pipelines.registration.compute_fpfh_feature(cloud, search).data).T
    error = np.linalg.norm(fpfh(points) - expected, axis=1) / np.linalg.norm(expected, axis=1)
    assert np.median(error) < 1e-6 and error.max() < 0.05  # a pair at the border of two bins may be in the other


def test_a_plane_has_three_full_bins() -> None:
    points = np.random.default_rng(0).random((100, 3)) * [1, 1, 0] + [0, 0, 2]
    expected = np.zeros(33)
    expected[PLANE] = 200
    np.testing.assert_allclose(fpfh(points, 20), np.tile(expected, (100, 1)), rtol=1e-6)


def test_a_permutation_permutes_them_bit_for_bit() -> None:
    points, order = bumpy(500), np.random.default_rng(1).permutation(500)
    np.testing.assert_array_equal(fpfh(points[order]), fpfh(points)[order])


def test_threads_change_no_bit() -> None:
    points, before = bumpy(3000), torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = fpfh(points)
        torch.set_num_threads(3)
        np.testing.assert_array_equal(fpfh(points), one)
    finally:
        torch.set_num_threads(before)


def test_the_unit_does_not_matter() -> None:
    points = bumpy(500)
    for unit in (2.0**-20, 1024):
        np.testing.assert_array_equal(fpfh(points * np.float32(unit)), fpfh(points))


def test_they_turn_with_points_and_viewpoint() -> None:
    points, turn = bumpy(1000), Rotation.from_rotvec([0.3, -1, 2])
    turned = fpfh(turn.apply(points), viewpoint=turn.apply([0.1, 0.2, 0.3]))
    error = np.abs(turned - fpfh(points, viewpoint=(0.1, 0.2, 0.3))).sum(1)
    assert np.median(error) < 1e-2 and error.max() < 20  # of 600


def test_the_viewpoint_decides_the_side() -> None:
    points = bumpy(500)
    behind = fpfh(points, viewpoint=(0, 0, 9))
    np.testing.assert_array_equal(behind, fpfh(points, normals=-normals(points)))
    assert np.abs(behind - fpfh(points)).sum(1).min() > 1


def test_far_from_the_origin_nothing_is_lost() -> None:
    points = bumpy(500).astype(np.float64)
    away = np.array([1e7, -2e7, 5e6])
    error = np.abs(fpfh(points + away, viewpoint=away) - fpfh(points)).sum(1)
    assert np.median(error) < 1e-2 and error.max() < 30


def test_what_is_not_finite_is_nobody_s_neighbour() -> None:
    points = bumpy(300)
    holes = points.copy()
    holes[::10] = [np.nan, 0, np.inf]
    kept = np.delete(np.arange(300), np.s_[::10])
    found = fpfh(holes, 20)
    np.testing.assert_array_equal(found[kept], fpfh(points[kept], 20))
    assert np.isnan(found[::10]).all()


@pytest.mark.parametrize("nothing", [np.nan, np.inf, -np.inf, 0])
def test_points_without_a_normal_make_no_pair(nothing: float) -> None:
    points = bumpy(200)
    normal = normals(points)
    normal[::7] = nothing
    found, expected = fpfh(points, 20, normals=normal), by_definition(points, normal, 20)
    error = np.abs(found - expected).max(1)
    assert np.isfinite(found).all() and np.median(error) < 1e-3 and error.max() < 15  # a pair more or less in a bin


def test_neighbours_may_lack_the_normals_that_are_estimated() -> None:
    points = bumpy(300)
    wire = np.linspace(-1, 1, 200)[:, None] * np.float32([0.3, 0.77, 0.11]) + points[5]
    cloud = np.concatenate([points, np.repeat(points[:1], 40, 0), wire]).astype(np.float32)
    found, known = fpfh(cloud), np.isfinite(normals(cloud)).all(1)
    assert np.isfinite(found).all() and (found >= 0).all() and 0 < known.sum() < len(cloud)
    np.testing.assert_allclose(found[known].sum(1), 600, rtol=1e-5)


def test_the_length_of_a_normal_does_not_matter() -> None:
    points = bumpy(300)
    normal = normals(points)
    for length in (2, 1e-20, 1e30):
        error = np.abs(fpfh(points, 20, normals=normal * np.float32(length)) - fpfh(points, 20)).max(1)
        assert np.median(error) < 1e-3 and error.max() < 15


@pytest.mark.parametrize("far", [3.4e38, -1e38, 1e20, -9999])
def test_one_point_far_away_changes_no_other(far: float) -> None:
    for kind in (np.float32, np.float64):
        points = bumpy(300).astype(kind) * kind(1.1)
        found = fpfh(np.concatenate([points, np.full((1, 3), far, kind)]), 20, normal_k=10)
        error = np.abs(found[:300] - fpfh(points, 20, normal_k=10)).max(1)
        assert np.isfinite(found).all() and np.median(error) < 1e-2 and error.max() < 15


def test_whole_numbers_are_points_too() -> None:
    points = (bumpy(300) * 1000).astype(np.int32)
    error = np.abs(fpfh(points + np.int32(10**8), viewpoint=(1e8, 1e8, 1e8)) - fpfh(points.astype(float))).max(1)
    assert np.median(error) < 1e-3 and error.max() < 15


@pytest.mark.parametrize("points", [np.ones((50, 3)), np.zeros((1, 3)), np.zeros((2, 3)), np.zeros((0, 3))])
def test_without_any_pair_they_are_zero(points: NDArray[Any]) -> None:
    assert fpfh(points).shape == (len(points), 33) and not fpfh(points).any()


def test_tensors_give_tensors() -> None:
    points = bumpy(100)
    found = fpfh(torch.from_numpy(points), 20, normals=torch.from_numpy(normals(points)))
    np.testing.assert_array_equal(found.numpy(), fpfh(points, 20))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"points": np.zeros((4, 2))}, ValueError, "points must have shape"),
        ({"points": [[0.0, 0, 0]]}, TypeError, "points must be a numpy array or a torch tensor"),
        ({"points": np.zeros((4, 3), bool)}, TypeError, "points must hold real numbers"),
        ({"k": 0}, ValueError, "k must be positive"),
        ({"k": 2.0}, TypeError, "k must be an int"),
        ({"normal_k": -1}, ValueError, "normal_k must be positive"),
        ({"normals": np.zeros((3, 3))}, ValueError, "normals must have shape"),
        ({"viewpoint": "abc"}, TypeError, "viewpoint must be three numbers"),
        ({"viewpoint": (0, 0)}, ValueError, "viewpoint must have shape"),
        ({"viewpoint": (0, 0, math.nan)}, ValueError, "viewpoint must be finite"),
    ],
)
def test_bad_input(change: dict[str, Any], error: type[Exception], message: str) -> None:
    arguments = {"points": np.zeros((4, 3)), **change}
    with pytest.raises(error, match=message):
        fpfh(**arguments)
