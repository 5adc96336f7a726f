"""Points with colour into a grid of 64³ cells: each point's voxel, points a voxel, mean colours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad.bench.cases import Floats, cloud
from geoad.bench.contest import to_array
from geoad.bench.contestant import Contestant, Kernel, Verdict, choice, own_backends
from geoad.bench.timing import Call
from geoad.bench.voxelize_peers import PEERS, SIDE, plain

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
    return Problem(about, points, values, origin, cell, *plain(points, values, origin, cell))


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


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    points, values = (torch.from_numpy(array).to(device) for array in (problem.points, problem.values))
    return lambda: tuple(
        ops.voxelize(points, problem.origin, problem.cell, (SIDE,) * 3, values=values, **choice(backend))
    )


def contestants() -> list[Contestant]:
    """Return geoad's backends and all peers.

    >>> "numpy" in [one.name for one in contestants()]
    True
    """
    return [*own_backends("voxelize", _start), *PEERS]


KERNEL = Kernel(
    name="voxelize",
    cases=("scan", "sphere", "cube", "clusters", "duplicates"),
    sizes=(65_536, 640_000),
    k=None,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
