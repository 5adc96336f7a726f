"""Points with colour into a grid of 64³ cells: each point's voxel, points a voxel, mean colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad._optional import need
from geoad.bench.cases import Floats, cloud
from geoad.bench.contest import to_array
from geoad.bench.contestant import ANY, Contestant, Kernel, Verdict, choice, own_backends
from geoad.bench.timing import Run

SIDE = 64
ROUNDING = 1e-4  # what a peer's mean of values in [0, 1] may be off that sums in single precision


@dataclass(frozen=True)
class Problem:
    """Points (n, 3), values (n, 3) in [0, 1], the grid, and each point's voxel, counts and means.

    >>> problem("cube", 100, 0).count.sum()
    np.int64(100)
    """

    about: dict[str, Any]
    points: Floats
    values: Floats
    origin: tuple[float, float, float]
    cell: float
    index: NDArray[np.int64]
    count: NDArray[np.int64]
    means: Floats


def problem(case: str, n: int, _k: int) -> Problem:
    """Return n points with values, a grid around them, and the plain answer.

    >>> problem("scan", 100, 0).index.shape
    (100,)
    """
    points = cloud(case, n)
    values = np.random.default_rng(0).random((n, 3), dtype=np.float32)
    low, high = points.min(0).astype(np.float64), points.max(0).astype(np.float64)
    cell = float((high - low).max()) / SIDE
    origin = (float(low[0]), float(low[1]), float(low[2]))
    about = {"n": n, "k": None, "voxels": SIDE**3}
    return Problem(about, points, values, origin, cell, *_plain(points, values, origin, cell))


def _plain(points: Floats, values: Floats, origin: tuple[float, float, float], cell: float) -> Any:
    """Return index, count and means as numpy gives them, in double precision, one point after the other."""
    place = np.clip(np.floor((points - np.array(origin)) / cell), 0, SIDE - 1).astype(np.int64)
    index = (place[:, 0] * SIDE + place[:, 1]) * SIDE + place[:, 2]
    count = np.bincount(index, minlength=SIDE**3)
    sums = np.stack([np.bincount(index, column, SIDE**3) for column in values.T], axis=1)
    return index, count, (sums / np.maximum(count, 1)[:, None]).astype(np.float32)


def judge(problem: Problem, output: Any, bits: bool) -> Verdict:
    """Compare (index, count, means) bit for bit, a peer's means up to rounding; its index may be None.

    >>> cube = problem("cube", 100, 0)
    >>> judge(cube, (cube.index, cube.count, cube.means), True).equal
    True
    """
    count, means = to_array(output[1]).ravel(), to_array(output[2]).reshape(-1, 3)
    if count.shape != problem.count.shape or means.shape != problem.means.shape:
        return Verdict(False, 0.0, None, f"counts and means have shapes {count.shape} and {means.shape}")
    same = count == problem.count
    if output[0] is not None:
        same[problem.index[to_array(output[0]) != problem.index]] = False
    error = np.abs(means - problem.means).max(1)
    same &= error == 0 if bits else error <= ROUNDING
    full = problem.count > 0
    recall = int(np.count_nonzero(same[full])) / int(np.count_nonzero(full))
    equal = bool(same.all())
    return Verdict(equal, recall, float(error.max()), "" if equal else f"{np.count_nonzero(~same)} voxels differ")


def _start(problem: Problem, device: str, backend: str | None) -> Run:
    points, values = (torch.from_numpy(array).to(device) for array in (problem.points, problem.values))
    return lambda: tuple(
        ops.voxelize(points, problem.origin, problem.cell, (SIDE,) * 3, values=values, **choice(backend))
    )


def _start_numpy(problem: Problem, _device: str) -> Run:
    return lambda: _plain(problem.points, problem.values, problem.origin, problem.cell)


def _start_torch(problem: Problem, device: str) -> Run:
    points, values = (torch.from_numpy(array).to(device) for array in (problem.points, problem.values))
    origin = torch.tensor(problem.origin, dtype=torch.float64, device=device)

    def run() -> Any:
        place = ((points - origin) / problem.cell).floor().long().clamp(0, SIDE - 1)
        index = (place[:, 0] * SIDE + place[:, 1]) * SIDE + place[:, 2]
        count = torch.zeros(SIDE**3, dtype=torch.int64, device=device).index_add_(0, index, torch.ones_like(index))
        sums = torch.zeros(SIDE**3, 3, device=device).index_add_(0, index, values)
        return index, count, sums / count.clamp(min=1)[:, None]

    return run


def _start_open3d(problem: Problem, _device: str) -> Run:
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


def contestants() -> list[Contestant]:
    """Return geoad's backends and all peers.

    >>> "numpy" in [one.name for one in contestants()]
    True
    """
    return [
        *own_backends("voxelize", _start),
        Contestant("numpy", _start_numpy),
        Contestant("torch-index-add", _start_torch, {"cpu": ANY, "cuda": ANY}),
        Contestant("open3d", _start_open3d, needs="open3d", read=_read_open3d),
    ]


KERNEL = Kernel(
    name="voxelize",
    cases=("scan", "sphere", "cube", "clusters", "duplicates"),
    sizes=(65_536, 640_000),
    k=None,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
