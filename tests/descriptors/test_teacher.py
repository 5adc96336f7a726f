"""The pretrained teacher as a descriptor: kinds, pieces, invariances, and what a tired user gives it."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geoad.checks import synthetic_scan
from geoad.descriptors import Teacher
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.compact import compact_pieces
from geoad.nn.local_features import LocalFeatures


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    return Teacher.from_pretrained("3d-st-64")


def surface(n: int = 3000, seed: int = 0) -> NDArray[np.float32]:
    rng = np.random.default_rng(seed)
    xy = rng.uniform(0, 1, (n, 2))
    return np.column_stack([xy, 0.1 * np.sin(6 * xy[:, 0]) + rng.normal(0, 0.002, n)]).astype(np.float32)


def test_kinds_go_out_as_they_came_in(teacher: Teacher) -> None:
    points = surface(300)
    described = teacher(points)
    assert isinstance(described, np.ndarray) and described.shape == (300, 64) and described.dtype == np.float32
    tensor = teacher(torch.from_numpy(points))
    assert isinstance(tensor, torch.Tensor) and np.array_equal(tensor.numpy(), described)
    assert np.array_equal(teacher(points.tolist()), described)
    assert np.array_equal(teacher(points[:, ::-1][:, ::-1]), described)  # not contiguous


def test_pieces_give_the_same_descriptors(teacher: Teacher) -> None:
    points = surface()
    whole = teacher(points)
    for chunk in (1, 700, 2999):
        part = points[:300] if chunk == 1 else points
        expected = teacher(part) if chunk == 1 else whole
        np.testing.assert_allclose(teacher(part, chunk=chunk), expected, rtol=1e-5, atol=1e-5)


def test_pieces_are_a_partition() -> None:
    for n, size in ((1, 5), (1000, 64), (64, 64), (65, 64)):
        pieces = list(compact_pieces(surface(n), size))
        assert max(map(len, pieces)) <= size and sorted(np.concatenate(pieces).tolist()) == list(range(n))
    same = list(compact_pieces(np.zeros((100, 3), np.float32), 30))
    assert sorted(np.concatenate(same).tolist()) == list(range(100))


def test_the_order_of_points_changes_no_bit(teacher: Teacher) -> None:
    points = surface()
    order = np.random.default_rng(1).permutation(len(points))
    assert np.array_equal(teacher(points[order]), teacher(points)[order])


def test_place_and_unit_do_not_count(teacher: Teacher) -> None:
    points = np.round(surface(800) * 1024) / 1024  # so that a power of two can be added exactly
    described = teacher(points)
    assert np.array_equal(teacher(points + np.float32(2)), described)
    np.testing.assert_allclose(teacher(points.astype(np.float64) * 1000), described, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(teacher(points.astype(np.float64) + 1e6), described, rtol=1e-3, atol=1e-3)


def test_a_spacing_is_shared(teacher: Teacher) -> None:
    points = surface(500)
    assert not np.allclose(teacher(points, spacing=1.0), teacher(points), atol=1e-3)
    np.testing.assert_allclose(teacher(points, 0.1), teacher(points.astype(np.float64) * 10, 1.0), rtol=1e-3, atol=1e-3)


def test_an_organised_scan(teacher: Teacher) -> None:
    scan = synthetic_scan(0).xyz
    assert scan is not None
    described = teacher.apply_organized(scan)
    assert described.shape == (*scan.shape, 64) and np.isnan(described[~scan.valid]).all()
    assert np.array_equal(described[scan.valid], teacher(scan.xyz[scan.valid]))
    again = teacher.apply_organized(torch.from_numpy(np.where(scan.valid[..., None], scan.xyz, 0)))
    assert isinstance(again, torch.Tensor) and np.array_equal(again.numpy(), described, equal_nan=True)


def test_small_and_doubled_clouds(teacher: Teacher) -> None:
    assert teacher(surface(2)).shape == (2, 64)
    doubled = np.repeat(surface(100), 2, axis=0)
    assert np.isfinite(teacher(doubled)).all()


@pytest.mark.parametrize(
    ("points", "error", "message"),
    [
        (np.zeros((4, 100)), ValueError, r"points must have shape \(N, 3\), got \(4, 100\)"),
        (np.zeros((0, 3)), ValueError, "points must be at least 2, got 0"),
        (np.zeros((1, 3)), ValueError, "points must be at least 2, got 1"),
        (np.zeros((50, 3)), ValueError, "not all points alike"),
        (np.full((5, 3), np.nan), ValueError, "points must be finite, got 5 that are not"),
        (np.zeros((5, 3), bool), TypeError, "points must hold real numbers, got torch.bool"),
    ],
)
def test_bad_points(teacher: Teacher, points: NDArray[np.float64], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        teacher(points)


def test_bad_scans_and_options(teacher: Teacher) -> None:
    with pytest.raises(ValueError, match=r"xyz must have shape \(H, W, 3\)"):
        teacher.apply_organized(np.zeros((5, 3)))
    with pytest.raises(ValueError, match="points must be at least 2, got 0"):
        teacher.apply_organized(XYZImage(np.zeros((4, 4, 3))))
    with pytest.raises(ValueError, match="spacing must be positive"):
        teacher(surface(100), spacing=-1.0)
    with pytest.raises(ValueError, match="chunk must be positive, got 0"):
        teacher(surface(100), chunk=0)
    with pytest.raises(ValueError, match="unknown teacher"):
        Teacher.from_pretrained("3d-st-46")


def test_importing_descriptors_is_light() -> None:
    code = "import sys\nfrom geoad import descriptors\nassert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.gpu
@pytest.mark.parametrize("width", [64, 128])
def test_cpu_and_gpu_agree(width: int) -> None:
    torch.manual_seed(0)
    teacher = Teacher(LocalFeatures(width)).eval()
    points = torch.from_numpy(surface(64_000))
    expected = teacher(points)
    found = teacher.cuda()(points.cuda())
    assert found.is_cuda
    assert float((found.cpu() - expected).norm() / expected.norm()) < 1e-4
