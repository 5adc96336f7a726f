"""Drawing a grid of about n scored voxels into an image, each as the convex hull of its corners: 64³ onto 800 x 800."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad.bench.cases import Floats
from geoad.bench.contest import to_array
from geoad.bench.contestant import Contestant, Kernel, Verdict, choice, own_backends
from geoad.bench.project import turn
from geoad.bench.timing import Call
from geoad.geometry.camera import Camera

TILTS = {"straight": 0.0, "tilted 0.2": 0.2, "tilted 0.5": 0.5, "tilted 0.8": 0.8}  # radians, about two axes
PIXELS = 200  # that are compared
STEP = 256  # corners lie on multiples of 1/256 of a pixel


@dataclass(frozen=True)
class Problem:
    """Values (X, X, X) of a grid before a camera, and the right values of the image's pixels `places` (flat).

    >>> problem("straight", 27, 0).values.shape
    (3, 3, 3)
    """

    about: dict[str, Any]
    camera: Camera
    values: Floats
    origin: NDArray[np.float64]
    cell: float
    axes: NDArray[np.float64]
    places: NDArray[np.int64]
    truth: Floats


def problem(case: str, n: int, _k: int) -> Problem:
    """Return a cube of about n voxels with values, 12.5 pixels of the image for each along a side.

    >>> problem("tilted 0.5", 8, 0).about
    {'n': 8, 'k': None, 'side': 25}
    """
    count = max(round(n ** (1 / 3)), 1)
    side = round(12.5 * count)
    axes = turn(TILTS[case])
    camera = Camera.pinhole(1.5 * side, (side, side))
    values = np.random.default_rng(0).random((count,) * 3, dtype=np.float32)
    cell, origin = 0.25 / count, np.array([0, 0, 0.6]) - axes.sum(0) * 0.125
    places = np.random.default_rng(1).choice(side * side, min(PIXELS, side * side), replace=False)
    corners = _corners(count, origin, cell, axes, camera)
    truth = np.array([_largest_at(corners, values, *divmod(int(place), side)) for place in places], np.float32)
    return Problem({"n": count**3, "k": None, "side": side}, camera, values, origin, cell, axes, places, truth)


def _corners(
    count: int, origin: NDArray[np.float64], cell: float, axes: NDArray[np.float64], camera: Camera
) -> NDArray[np.int64]:
    """Return column and row of the eight corners of every voxel (X³, 8, 2), in steps of 1/STEP of a pixel."""
    x, y, z = (np.arange(count + 1)[:, None] * cell * axis for axis in axes)
    points = ((origin + x)[:, None] + y)[:, :, None] + z
    place = np.floor(camera.project(points.reshape(-1, 3)) * STEP + 0.5).astype(np.int64)
    place = place.reshape(count + 1, count + 1, count + 1, 2)
    ends = slice(None, -1), slice(1, None)
    return np.stack([place[a, b, c].reshape(-1, 2) for a in ends for b in ends for c in ends], axis=1)


def _largest_at(corners: NDArray[np.int64], values: Floats, row: int, column: int) -> float:
    """Return the largest of the values of the voxels whose hulls hold a pixel's centre, NaN without any."""
    at = np.array([column * STEP, row * STEP])
    near = np.flatnonzero(((corners.min(1) <= at) & (at <= corners.max(1))).all(1))
    held = values.ravel()[near][_holds(corners[near] - at)]
    return float(held.max()) if held.size else float("nan")


def _holds(corners: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each of (M, 8, 2) whether 0 is in the hull: whether some triangle of the corners holds it."""
    held = np.zeros(len(corners), bool)
    for three in combinations(range(8), 3):
        triangle = corners[:, three]
        after = np.roll(triangle, -1, axis=1)
        side = triangle[..., 0] * after[..., 1] - triangle[..., 1] * after[..., 0]
        boxed = ((triangle.min(1) <= 0) & (triangle.max(1) >= 0)).all(1)  # a flat triangle has no sides
        held |= boxed & ((side >= 0).all(1) | (side <= 0).all(1))
    return held


def judge(problem: Problem, output: Any, _bits: bool) -> Verdict:
    """Compare the sampled pixels, bit for bit.

    >>> cube = problem("straight", 8, 0)
    >>> judge(cube, np.zeros((25, 25), np.float32), True).equal
    False
    """
    image = to_array(output)
    if image.shape != problem.camera.shape:
        return Verdict(False, 0.0, None, f"the image has shape {image.shape}, not {problem.camera.shape}")
    found = image.ravel()[problem.places]
    share = float(((found == problem.truth) | (np.isnan(found) & np.isnan(problem.truth))).mean())
    return Verdict(share == 1, share, None, "" if share == 1 else f"{1 - share:.1%} of the compared pixels differ")


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    values = torch.from_numpy(problem.values).to(device)
    where = problem.origin, problem.cell, problem.camera, problem.camera.shape
    return lambda: ops.splat_voxels(values, *where, axes=problem.axes, **choice(backend))


def contestants() -> list[Contestant]:
    """Return geoad's backends; nobody else draws voxels.

    >>> all(one.own for one in contestants())
    True
    """
    return own_backends("splat_voxels", _start)


KERNEL = Kernel(
    name="backproject",
    cases=tuple(TILTS),
    sizes=(32_768, 262_144),
    k=None,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
