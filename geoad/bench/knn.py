"""k nearest neighbours of every point of a cloud, itself included, the build of every index within the clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad.bench import exact
from geoad.bench.cases import Floats, cloud, ragged
from geoad.bench.contest import to_array
from geoad.bench.contestant import Contestant, Kernel, Verdict, own_backends
from geoad.bench.knn_peers import PEERS
from geoad.bench.timing import Call
from geoad.ops.knn import MOST_CUDA

WHOLE = 16_384  # up to here every row is compared, beyond it QUERIES of them
QUERIES = 4096
TREES = ("pykdtree", "scipy")
ROUNDING = 1e-5  # relative, on squares: what a peer may differ by that computes them otherwise


@dataclass(frozen=True)
class Problem:
    """A cloud, its cloud ids or None, and the right answer for `rows` of it.

    >>> problem("cube", 50, 3).index.shape
    (50, 3)
    """

    about: dict[str, Any]
    points: Floats
    batch: NDArray[np.int64] | None
    rows: NDArray[np.int64]
    index: NDArray[np.int64]
    sq_dist: Floats


def problem(case: str, n: int, k: int) -> Problem:
    """Return a cloud of n points and the k neighbours of some or all.

    >>> problem("batch", 100, 3).batch.shape
    (100,)
    """
    points = cloud(case, n)
    batch = ragged(n) if case == "batch" else None
    rows = some_rows(n)
    return Problem({"n": n, "k": k}, points, batch, rows, *exact.nearest(points, rows, k, batch))


def some_rows(n: int) -> NDArray[np.int64]:
    """Return the ascending numbers of the rows to compare, of n.

    >>> some_rows(4).tolist(), len(some_rows(1_000_000))
    ([0, 1, 2, 3], 4096)
    """
    if n <= WHOLE:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, QUERIES, replace=False))


def judge(problem: Problem, output: Any, bits: bool) -> Verdict:
    """Compare (index, sq_dist) bit for bit, or a peer's index alone up to ties and rounding.

    >>> cube = problem("cube", 50, 3)
    >>> judge(cube, (cube.index, cube.sq_dist), True).equal, judge(cube, cube.index[:, ::-1], False).recall
    (True, 1.0)
    """
    parts = [to_array(part) for part in (output if isinstance(output, tuple) else (output,))]
    index, rows = parts[0], problem.rows
    if index.size != len(problem.points) * problem.index.shape[1]:
        return Verdict(False, 0.0, None, f"index has shape {index.shape}")
    verdict = _judge_index(problem, index)
    if not bits:
        return verdict
    wrong = (index[rows] != problem.index).any(1) | (parts[1][rows] != problem.sq_dist).any(1)
    note = f"{np.count_nonzero(wrong)} of {len(wrong)} rows are not the reference's" if wrong.any() else ""
    return verdict._replace(equal=not wrong.any(), note=note)


def _judge_index(problem: Problem, index: NDArray[Any]) -> Verdict:
    """Count the neighbours that are as near as the k-th, whichever of several tied ones they are."""
    found = index.reshape(len(problem.points), -1)[problem.rows].astype(np.int64)
    if not ((found >= -1) & (found < len(problem.points))).all():
        return Verdict(False, 0.0, None, "index holds values that are no index")
    found = np.sort(found, axis=1)
    found[:, 1:][found[:, 1:] == found[:, :-1]] = -1  # counts once
    if problem.batch is not None:
        found[problem.batch[found] != problem.batch[problem.rows][:, None]] = -1
    sq_dist = np.sort(exact.squares(problem.points, problem.rows, found), axis=1)
    wanted = np.isfinite(problem.sq_dist)
    far = problem.sq_dist.max(1, initial=0, where=wanted)[:, None] * (1 + ROUNDING)
    right = np.isfinite(sq_dist) & (sq_dist <= far)
    recall = int(np.count_nonzero(right)) / max(int(np.count_nonzero(wanted)), 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.abs(sq_dist - problem.sq_dist) / problem.sq_dist
    worst = float(np.nan_to_num(error[wanted], nan=0.0).max(initial=0)) if recall == 1 else None
    equal = recall == 1 and worst is not None and worst <= ROUNDING
    return Verdict(equal, recall, worst, "" if equal else f"recall {recall:.4f}")


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    points = torch.from_numpy(problem.points).to(device)
    batch = None if problem.batch is None else torch.from_numpy(problem.batch).to(device)
    k = problem.about["k"]
    return lambda: tuple(ops.knn(points, k, batch=batch, backend=backend))


def contestants() -> list[Contestant]:
    """Return geoad's backends and all peers.

    >>> "pykdtree" in [one.name for one in contestants()]
    True
    """
    return [*own_backends("knn", _start, peers=TREES, loose=TREES, quadratic=True, most_k={"cuda": MOST_CUDA}), *PEERS]


KERNEL = Kernel(
    name="knn",
    cases=("scan", "sphere", "cube", "gaussian", "lattice", "clusters", "duplicates", "batch"),
    sizes=(4096, 65_536),
    k=32,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
