"""The kernels as plain Python: what the compiler assumes about types must not be what makes them right."""

from __future__ import annotations

import os
import subprocess
import sys

CODE = """
import numpy as np
import torch
from numba import config
from types import SimpleNamespace
from torch.nn.functional import leaky_relu
from geoad.ops import aggregate, chamfer, farthest_point_sample, harmonic_fill, knn, leaky_pair_numba, radius_search
from geoad.ops import occupied_voxels, reference, splat_points, splat_voxels, voxel_downsample, voxelize, window_knn
from tests.ops.clouds import cloud

assert config.DISABLE_JIT
for kind in ("uniform", "lattice", "same", "outlier"):
    points = cloud(kind, 90)
    for include_self in (True, False):
        expected = reference.knn(points, 6, include_self=include_self)
        np.testing.assert_array_equal(knn(points, 6, include_self=include_self).index, expected[0])
    for most in (None, 3):
        expected = reference.radius_search(points, 0.3, max_neighbours=most)
        np.testing.assert_array_equal(radius_search(points, 0.3, max_neighbours=most).index, expected[0])
    index = voxel_downsample(points, 0.2).index
    np.testing.assert_array_equal(index, reference.voxel_downsample(points, 0.2, points[:, :0])[2])
    np.testing.assert_array_equal(farthest_point_sample(points, 30), reference.farthest_point_sample(points, 30))
    index = voxelize(points, (0, 0, 0), 0.2, (5, 5, 5), values=points).index
    np.testing.assert_array_equal(index, reference.voxelize(points, (0, 0, 0), 0.2, (5, 5, 5), points)[0])
    occupied = occupied_voxels(points, (0, 0, 0), 0.2, (5, 5, 5)).voxel
    np.testing.assert_array_equal(occupied, np.unique(index[index >= 0]))
    camera = SimpleNamespace(project=lambda points: points[:, :2] * 9)
    at = points[:, 2] < 1e3, camera, (9, 9)
    image = splat_points(points[at[0]], points[at[0], 0], *at[1:])
    np.testing.assert_array_equal(image, reference.splat_points(points[at[0]], points[at[0], 0], *at[1:]))
near, far = cloud("lattice", 300), cloud("outlier", 40)
np.testing.assert_array_equal(knn(near, 1, queries=far).index, reference.knn(near, 1, queries=far)[0])
grid = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)
image = splat_voxels(grid, (0, 0, 1), 0.21, camera, (9, 70))
np.testing.assert_array_equal(image, reference.splat_voxels(grid, (0, 0, 1), 0.21, camera, (9, 70)))
leaves = [t.requires_grad_() for t in (torch.ones(3, 4), torch.zeros(3), torch.rand(90, 2))]
sides = []
for backend in ("numba", "torch"):
    out = aggregate(torch.from_numpy(points), torch.arange(90)[:, None] // 3, *leaves, backend=backend)
    sides.append([out, *torch.autograd.grad(out.sum(), leaves)])
torch.testing.assert_close(*sides)
a, b, biases = torch.randn(90, 12), torch.randn(1, 12), (torch.randn(12), torch.randn(12))
sides = [leaky_relu(side + bias, 0.2) for side, bias in zip((a, b), biases)]
out, signs = leaky_pair_numba.forward(a.clone(), b, biases, 0.2)
torch.testing.assert_close(out, sides[0] + sides[1])
by_a, by_b = leaky_pair_numba.backward(torch.ones(90, 12), signs, 0.2)
torch.testing.assert_close(by_a, torch.where(sides[0] > 0, 1, 0.2))
torch.testing.assert_close(by_b, torch.where(sides[1] > 0, 1, 0.2).expand(90, 12))
assert chamfer(near, far) == chamfer(far, near)
xyz = cloud("lattice", 90).reshape(9, 10, 3)
np.testing.assert_array_equal(window_knn(xyz, 4, window=3).index, reference.window_knn(xyz, 4, window=3)[0])
known = np.random.default_rng(0).random((7, 9)) < 0.2
values = np.arange(63, dtype=np.float32).reshape(7, 9)
np.testing.assert_allclose(harmonic_fill(values, known), reference.harmonic_fill(values, known), atol=6e-3)
"""


def test_kernels_without_the_compiler():
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-W", "ignore", "-c", CODE], check=True, env=environment)
