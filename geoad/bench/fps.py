"""Farthest points: a quarter of the cloud, 65536 at most, from the first point on."""

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
from geoad.bench.contestant import Contestant, Kernel, Verdict, choice, own_backends
from geoad.bench.fps_peers import PEERS
from geoad.bench.timing import Call

MOST = 65_536
STEPS = 25_000_000_000  # distances that the reference computes: all picks of 64 k of 360 k, less of larger clouds
PEER_STEPS = 2_000_000_000  # the same for a peer, whose picks have to be gone through on their own
ROUNDING = 1e-5  # relative, on squares


@dataclass(frozen=True)
class Problem:
    """A cloud, how many to pick, and the first of the right picks.

    >>> problem("cube", 40, 0).count
    10
    """

    about: dict[str, Any]
    points: Floats
    count: int
    picks: NDArray[np.int64]


def problem(case: str, n: int, _k: int) -> Problem:
    """Return a cloud of n points and the picks of a quarter, MOST at most.

    >>> problem("cube", 40, 0).picks.size
    10
    """
    points = cloud(case, n)
    count = min(MOST, max(n // 4, 1))
    picks = exact.farthest(points, min(count, max(STEPS // n, 1)))
    return Problem({"n": n, "k": count, "compared": len(picks)}, points, count, picks)


def judge(problem: Problem, output: Any, bits: bool) -> Verdict:
    """Compare the picks in their order; a peer may start elsewhere and break ties otherwise.

    Its recall is the share of picks that were the farthest from the earlier ones at their turn.

    >>> cube = problem("cube", 40, 0)
    >>> judge(cube, cube.picks, True).equal, judge(cube, cube.picks[::-1], False).equal
    (True, False)
    """
    picks = to_array(output).astype(np.int64)
    if picks.shape != (problem.count,):
        return Verdict(False, 0.0, None, f"picks have shape {picks.shape}, not ({problem.count},)")
    if bits:
        right = picks[: len(problem.picks)] == problem.picks
        away = int(np.count_nonzero(~right))
        return Verdict(away == 0, float(right.mean()), None, f"{away} of {right.size} picks are others" * bool(away))
    if not ((picks >= 0) & (picks < len(problem.points))).all():
        return Verdict(False, 0.0, None, "picks hold values that are no index")
    first = picks[: max(PEER_STEPS // len(problem.points), 2)]
    share = exact.farthest_share(problem.points, first, ROUNDING)
    return Verdict(share == 1, share, None, "" if share == 1 else f"{share:.1%} of the picks were the farthest")


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    points = torch.from_numpy(problem.points).to(device)
    return lambda: ops.farthest_point_sample(points, problem.count, **choice(backend))


def contestants() -> list[Contestant]:
    """Return geoad's backends and all peers.

    >>> "fpsample-h7" in [one.name for one in contestants()]
    True
    """
    return [*own_backends("farthest_point_sample", _start), *PEERS]


KERNEL = Kernel(
    name="fps",
    cases=("scan", "sphere", "cube", "clusters", "lattice", "duplicates"),
    sizes=(4096, 65_536, 360_000),
    k=None,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
