"""What holds for every kernel that takes points, voxels or images: threads, forks, devices, and arrays of any kind."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from geoad import ops
from geoad.geometry.camera import Camera

CAMERA = Camera.pinhole(40.0, (32, 40))
RNG = np.random.default_rng(0)
POINTS = RNG.random((900, 3), dtype=np.float32) * np.float32(0.5) + np.float32([-0.2, -0.2, 0.8])
VALUES = RNG.random(900, dtype=np.float32)
GRID = RNG.random((9, 8, 7), dtype=np.float32)
KNOWN = RNG.random((32, 40)) < 0.2
IMAGE = RNG.random((32, 40), dtype=np.float32)
# Calls by their arrays, which are numpy or torch.
CALLS = {
    "chamfer": (lambda a, b: ops.chamfer(a, b), (POINTS[:500], POINTS[500:])),
    "harmonic_fill": (lambda values, known: ops.harmonic_fill(values, known), (IMAGE, KNOWN)),
    "occupied_voxels": (
        lambda points, values: ops.occupied_voxels(points, (-0.2, -0.2, 0.8), 0.1, (5, 5, 5), values),
        (POINTS, np.stack([VALUES, -VALUES, VALUES**2], 1)),
    ),
    "splat_points": (lambda points, values: ops.splat_points(points, values, CAMERA, (32, 40)), (POINTS, VALUES)),
    "splat_voxels": (lambda grid: ops.splat_voxels(grid, (-0.2, -0.2, 0.8), 0.05, CAMERA, (32, 40)), (GRID,)),
    "voxelize": (
        lambda points, values: ops.voxelize(points, (-0.2, -0.2, 0.8), 0.1, (5, 5, 5), values),
        (POINTS, np.stack([VALUES, -VALUES, VALUES**2], 1)),
    ),
}
each = pytest.mark.parametrize("name", CALLS)


def numbers(result) -> list[np.ndarray]:
    """Return what a call returned as arrays."""
    parts = result if isinstance(result, tuple) else (result,)
    return [part.detach().numpy() if isinstance(part, torch.Tensor) else np.asarray(part) for part in parts]


def same(found, expected) -> None:
    for mine, theirs in zip(numbers(found), numbers(expected), strict=True):
        np.testing.assert_array_equal(mine, theirs)


@each
def test_calls_from_two_threads_do_not_disturb_each_other(name):
    call, arrays = CALLS[name]
    expected = call(*arrays)
    with ThreadPoolExecutor(4) as pool:
        for found in pool.map(lambda _: call(*arrays), range(24)):
            same(found, expected)


@each
def test_a_fork_after_use_works(name):
    call, arrays = CALLS[name]
    expected = numbers(call(*arrays))
    child = os.fork()
    if child == 0:
        code = 1
        try:
            found = numbers(call(*arrays))
            code = int(not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(found, expected, strict=True)))
        finally:
            os._exit(code)
    assert os.waitpid(child, 0)[1] == 0


@each
def test_arrays_that_are_not_contiguous_or_writable(name):
    call, arrays = CALLS[name]
    expected = call(*arrays)
    turned = [np.asfortranarray(array) for array in arrays]
    strided = [np.repeat(array, 2, axis=0)[::2] for array in arrays]
    frozen = [array.copy() for array in arrays]
    for array in frozen:
        array.flags.writeable = False
    for changed in (turned, strided, frozen):
        same(call(*changed), expected)


@each
def test_tensors_that_need_a_gradient_or_double_precision(name):
    call, arrays = CALLS[name]
    expected = [array.astype(np.float64) for array in numbers(call(*arrays))]
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    double = [t.double().requires_grad_() if t.is_floating_point() else t for t in tensors]
    for found in (call(*tensors), call(*double)):
        for mine, theirs in zip(numbers(found), expected, strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-6)


@each
def test_whole_numbers_are_numbers(name):
    call, arrays = CALLS[name]
    whole = [array if array.dtype == bool else (array * 9).round().astype(np.int64) for array in arrays]
    same(call(*whole), call(*[array if array.dtype == bool else array.astype(np.float64) for array in whole]))


@each
def test_what_is_on_another_device_is_not_moved(name):
    call, arrays = CALLS[name]
    tensors = [torch.from_numpy(array.copy()) for array in arrays]
    for place in range(len(tensors)):
        mixed = [t.to("meta") if i == place else t for i, t in enumerate(tensors)]
        with pytest.raises(ValueError, match="meta"):
            call(*mixed)


def test_no_points():
    none = np.empty((0, 3), np.float32)
    found = ops.voxelize(none, (0, 0, 0), 1.0, (2, 2, 2), np.empty((0, 3)))
    assert found.index.shape == (0,) and not found.count.any() and found.values.shape == (2, 2, 2, 3)
    assert np.isnan(ops.splat_points(none, np.empty(0), CAMERA, (4, 5))).all()
    assert np.isnan(ops.splat_points(np.full((3, 3), np.nan), np.full(3, np.nan), CAMERA, (4, 5))).all()
    assert np.isnan(ops.splat_voxels(np.empty((0, 4, 4)), (0, 0, 1), 1.0, CAMERA, (4, 5))).all()
