"""Harmonic fill of an image of n pixels, a tenth of them known; what counts is the error, not a residual."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad.bench.cases import Floats
from geoad.bench.contest import to_array
from geoad.bench.contestant import Contestant, Kernel, Verdict, choice, own_backends
from geoad.bench.fill_peers import PEERS
from geoad.bench.timing import Call
from geoad.ops import reference

KNOWN = 0.1024  # 65536 of 800 x 800
ERROR = 1e-4  # of the range of the known values


@dataclass(frozen=True)
class Problem:
    """An image, its known pixels, and the direct solution in double precision.

    >>> problem("random", 100, 0).truth.shape
    (10, 10)
    """

    about: dict[str, Any]
    values: Floats
    known: NDArray[np.bool_]
    truth: NDArray[np.float64]


def problem(case: str, n: int, _k: int) -> Problem:
    """Return a square image of about n pixels: known ones at "random", or only on an "object" in the middle.

    >>> bool(problem("object", 400, 0).known[0].any())
    False
    """
    side = max(round(n**0.5), 2)
    random = np.random.default_rng(0)
    y, x = (axis / side - 0.5 for axis in np.indices((side, side)))
    values = (np.sin(9 * x) * np.cos(7 * y) + 0.1 * random.standard_normal((side, side))).astype(np.float32)
    place = np.full((side, side), True) if case == "random" else (x**2 + y**2 < 0.0625) & (np.hypot(x - 0.1, y) > 0.06)
    known = np.zeros(side * side, bool)
    known[random.permutation(np.flatnonzero(place))[: max(round(KNOWN * side * side), 1)]] = True
    known = known.reshape(side, side)
    return Problem({"n": side * side, "k": int(known.sum())}, values, known, reference.harmonic_fill(values, known))


def judge(problem: Problem, output: Any, _bits: bool) -> Verdict:
    """Compare with the direct solution: at most ERROR of the range off anywhere, known pixels untouched.

    >>> image = problem("random", 100, 0)
    >>> judge(image, image.truth + 0.5, False).equal
    False
    """
    image = to_array(output)
    if image.shape != problem.truth.shape:
        return Verdict(False, 0.0, None, f"the image has shape {image.shape}, not {problem.truth.shape}")
    anchors = problem.values[problem.known]
    scale = float(np.ptp(anchors)) or float(np.abs(anchors).max()) or 1.0  # a single value has no range
    away = np.abs(image - problem.truth) / scale
    right = away <= ERROR  # false for NaN
    kept = bool((image[problem.known] == anchors).all())
    note = "" if right.all() else f"error {away.max():.1e} of the range"
    note = note if kept else "known pixels were changed"
    return Verdict(bool(right.all()) and kept, float(right.mean()), float(away.max()), note)


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    values, known = (torch.from_numpy(array).to(device) for array in (problem.values, problem.known))
    return lambda: ops.harmonic_fill(values, known, **choice(backend))


def contestants() -> list[Contestant]:
    """Return geoad's backends and all peers.

    >>> [one.name for one in contestants()][-2:]
    ['scipy-direct', 'scipy-cg']
    """
    return [*own_backends("harmonic_fill", _start, bits=False), *PEERS]


KERNEL = Kernel(
    name="fill",
    cases=("random", "object"),
    sizes=(65_536, 640_000),
    k=None,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
