"""What others offer for sorting coloured points into a grid."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from geoad._optional import need
from geoad.bench.cases import Floats
from geoad.bench.contestant import ANY, Contestant
from geoad.bench.timing import Call

SIDE = 64


def plain(points: Floats, values: Floats, origin: tuple[float, float, float], cell: float) -> Any:
    """Return index, count and means as numpy gives them, in double precision, one point after the other.

    >>> plain(np.zeros((1, 3), np.float32), np.ones((1, 3), np.float32), (0, 0, 0), 1.0)[0].tolist()
    [0]
    """
    place = np.clip(np.floor((points - np.array(origin)) / cell), 0, SIDE - 1).astype(np.int64)
    index = (place[:, 0] * SIDE + place[:, 1]) * SIDE + place[:, 2]
    count = np.bincount(index, minlength=SIDE**3)
    sums = np.stack([np.bincount(index, column, SIDE**3) for column in values.T], axis=1)
    return index, count, (sums / np.maximum(count, 1)[:, None]).astype(np.float32)


def _start_numpy(problem: Any, _device: str) -> Call:
    return lambda: plain(problem.points, problem.values, problem.origin, problem.cell)


def _start_torch(problem: Any, device: str) -> Call:
    points, values = (torch.from_numpy(array).to(device) for array in (problem.points, problem.values))
    origin = torch.tensor(problem.origin, dtype=torch.float64, device=device)

    def run() -> Any:
        place = ((points - origin) / problem.cell).floor().long().clamp(0, SIDE - 1)
        index = (place[:, 0] * SIDE + place[:, 1]) * SIDE + place[:, 2]
        count = torch.zeros(SIDE**3, dtype=torch.int64, device=device).index_add_(0, index, torch.ones_like(index))
        sums = torch.zeros(SIDE**3, 3, device=device).index_add_(0, index, values)
        return index, count, sums / count.clamp(min=1)[:, None]

    return run


def _start_open3d(problem: Any, _device: str) -> Call:
    """Its grid keeps mean colours, but neither counts nor each point's voxel: only what it does is timed."""
    open3d = need("open3d", "be compared with")
    cloud = open3d.geometry.PointCloud(open3d.utility.Vector3dVector(problem.points.astype(np.float64)))
    cloud.colors = open3d.utility.Vector3dVector(problem.values.astype(np.float64))
    low = np.array(problem.origin)
    make = open3d.geometry.VoxelGrid.create_from_point_cloud_within_bounds

    def run() -> Any:
        return make(cloud, problem.cell, low, low + SIDE * problem.cell), problem.count

    return run


def _read_open3d(output: Any) -> Any:
    """Counts are filled in from the right answer where a voxel is there, as open3d does not tell them."""
    grid, count = output
    means = np.zeros((SIDE**3, 3), np.float32)
    there = np.zeros(SIDE**3, bool)
    for voxel in grid.get_voxels():
        x, y, z = np.minimum(voxel.grid_index, SIDE - 1)
        flat = (x * SIDE + y) * SIDE + z
        there[flat], means[flat] = True, voxel.color
    return None, np.where(there, count, 0), means


PEERS = (
    Contestant("numpy", _start_numpy),
    Contestant("torch-index-add", _start_torch, {"cpu": ANY, "cuda": ANY}),
    Contestant("open3d", _start_open3d, needs="open3d", read=_read_open3d),
)
