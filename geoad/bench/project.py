"""Drawing the points of a cloud into an image of as many pixels; the largest value of a pixel stays."""

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
from geoad.geometry.camera import Camera


@dataclass(frozen=True)
class Problem:
    """Points (n, 3) and values (n,) before a camera, and the right image (H, W), NaN where nothing falls.

    >>> problem("straight", 100, 0).image.shape
    (10, 10)
    """

    about: dict[str, Any]
    camera: Camera
    points: Floats
    values: Floats
    image: Floats


def problem(case: str, n: int, _k: int) -> Problem:
    """Return n points of a scan, seen as the sensor saw them or "tilted", and their image.

    >>> problem("tilted", 100, 0).points.shape
    (100, 3)
    """
    side = max(round(n**0.5), 2)
    camera = Camera.pinhole(3.2 * side, (side, side))
    points = cloud("scan", n).astype(np.float64)
    points = (points - points.mean(0)) @ turn(0.5 if case == "tilted" else 0.0).T + (0, 0, 0.6)
    values = np.random.default_rng(0).random(n, dtype=np.float32)
    placed = points.astype(np.float32)
    about = {"n": n, "k": None, "side": side}
    return Problem(about, camera, placed, values, _plain(camera, placed, values))


def turn(angle: float) -> NDArray[np.float64]:
    """Return the rows of a rotation by `angle` about x and then about y.

    >>> turn(0.0).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    c, s = np.cos(angle), np.sin(angle)
    about_x = np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
    return np.asarray(about_x @ np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]]))


def _plain(camera: Camera, points: Floats, values: Floats) -> Floats:
    """Return the image that numpy's unbuffered maximum gives."""
    height, width = camera.shape
    column, row = np.floor(camera.project(points).T + 0.5).astype(np.int64)
    seen = (column >= 0) & (column < width) & (row >= 0) & (row < height)
    image = np.full((height, width), -np.inf, np.float32)
    np.maximum.at(image, (row[seen], column[seen]), values[seen])
    return np.where(np.isneginf(image), np.float32(np.nan), image)


def judge(problem: Problem, output: Any, _bits: bool) -> Verdict:
    """Compare the image pixel by pixel, bit for bit.

    >>> scan = problem("straight", 100, 0)
    >>> judge(scan, scan.image, True).equal, judge(scan, -scan.image, True).equal
    (True, False)
    """
    image = to_array(output)
    if image.shape != problem.image.shape:
        return Verdict(False, 0.0, None, f"the image has shape {image.shape}, not {problem.image.shape}")
    share = float(((image == problem.image) | (np.isnan(image) & np.isnan(problem.image))).mean())
    return Verdict(share == 1, share, None, "" if share == 1 else f"{1 - share:.1%} of the pixels differ")


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    points, values = (torch.from_numpy(array).to(device) for array in (problem.points, problem.values))
    return lambda: ops.splat_points(points, values, problem.camera, problem.image.shape, **choice(backend))


def _start_numpy(problem: Problem, _device: str) -> Call:
    return lambda: _plain(problem.camera, problem.points, problem.values)


def contestants() -> list[Contestant]:
    """Return geoad's backends and numpy's scatter.

    >>> [one.name for one in contestants()][-1]
    'numpy'
    """
    return [*own_backends("splat_points", _start), Contestant("numpy", _start_numpy)]


KERNEL = Kernel(
    name="project",
    cases=("straight", "tilted"),
    sizes=(65_536, 640_000),
    k=None,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
