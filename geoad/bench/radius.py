"""All neighbours within a radius of every point; the radius that gives about k of them at the median."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad.bench import exact
from geoad.bench.cases import Floats, cloud
from geoad.bench.contest import to_array
from geoad.bench.contestant import Contestant, Kernel, Verdict, own_backends
from geoad.bench.knn import some_rows
from geoad.bench.radius_peers import PEERS
from geoad.bench.timing import Call

BORDER = 1e-5  # relative: a peer that rounds otherwise may differ by what lies so near to the border


@dataclass(frozen=True)
class Problem:
    """A cloud, a radius, and the right answer for `rows`: `index`, `sq_dist` and `offsets`.

    >>> problem("cube", 100, 4).radius > 0
    True
    """

    about: dict[str, Any]
    points: Floats
    radius: float
    rows: NDArray[np.int64]
    index: NDArray[np.int64]
    sq_dist: Floats
    offsets: NDArray[np.int64]


def problem(case: str, n: int, k: int) -> Problem:
    """Return a cloud, a radius and the neighbours within it.

    >>> problem("cube", 100, 4).about["k"]
    4
    """
    points = cloud(case, n)
    rows = some_rows(n)
    farthest = exact.nearest(points, rows[:: max(len(rows) // 256, 1)], min(k, n))[1][:, -1]
    radius = float(np.sqrt(np.median(farthest))) or 1e-3
    return Problem({"n": n, "k": k, "radius": radius}, points, radius, rows, *exact.within(points, rows, radius))


def judge(problem: Problem, output: Any, bits: bool) -> Verdict:
    """Compare (index, sq_dist, offsets) bit for bit, or a peer's rows as sets up to the border of the ball.

    >>> cube = problem("cube", 100, 4)
    >>> judge(cube, (cube.index, cube.sq_dist, cube.offsets), True).equal
    True
    """
    index, offsets = (to_array(part) for part in (output[0], output[-1]))
    if offsets.shape != (len(problem.points) + 1,) or offsets[0] != 0 or offsets[-1] != len(index):
        return Verdict(False, 0.0, None, f"offsets have shape {offsets.shape}, or do not span the index")
    counts = np.diff(offsets)[problem.rows]
    starts = offsets[problem.rows]
    owner = np.repeat(np.arange(len(counts)), counts)
    place = np.arange(counts.sum()) + np.repeat(starts - np.cumsum(counts) + counts, counts)
    if bits:
        sq_dist = to_array(output[1])[place]
        same = np.array_equal(counts, np.diff(problem.offsets)) and np.array_equal(index[place], problem.index)
        equal = bool(same and np.array_equal(sq_dist, problem.sq_dist))
        return Verdict(equal, 1.0 if equal else 0.0, None, "" if equal else "rows are not the reference's")
    return _judge_sets(problem, owner, index[place].astype(np.int64))


def _judge_sets(problem: Problem, owner: NDArray[np.int64], index: NDArray[np.int64]) -> Verdict:
    """Compare rows as sets of pairs; what lies on the border may be in or out."""
    n = len(problem.points)
    truth = np.repeat(np.arange(len(problem.rows)), np.diff(problem.offsets)) * n + problem.index
    found = owner * n + index
    missing, extra = np.setdiff1d(truth, found), np.setdiff1d(found, truth)
    pairs = np.concatenate([missing, extra])
    sq_dist = exact.squares(problem.points, problem.rows[pairs // n], (pairs % n)[:, None])[:, 0]
    wrong = np.abs(sq_dist / problem.radius**2 - 1) > BORDER
    recall = 1 - int(np.count_nonzero(wrong[: len(missing)])) / max(len(truth), 1)
    twice = len(found) - len(np.unique(found))
    equal = not wrong.any() and not twice
    note = "" if equal else f"{np.count_nonzero(wrong)} neighbours missing or too far, {twice} twice"
    return Verdict(equal, recall, None, note)


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    points = torch.from_numpy(problem.points).to(device)
    return lambda: tuple(ops.radius_search(points, problem.radius, backend=backend))


def contestants() -> list[Contestant]:
    """Return geoad's backends and all peers.

    >>> "open3d" in [one.name for one in contestants()]
    True
    """
    return [*own_backends("radius_search", _start, peers=("scipy",), quadratic=True), *PEERS]


KERNEL = Kernel(
    name="radius",
    cases=("scan", "sphere", "cube", "gaussian", "lattice", "clusters", "duplicates"),
    sizes=(4096, 65_536),
    k=32,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
