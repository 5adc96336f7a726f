"""A call of every kernel, small enough to be instant once it is compiled, that proves its backend live."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad._optional import need
from geoad.geometry.camera import Camera
from geoad.ops import _cuda

POINTS = np.random.default_rng(0).random((64, 3), dtype=np.float32) + np.float32(1)
VALUES = POINTS[:, 0].copy()
INDEX = np.arange(64, dtype=np.int64)[:, None] // 2 * np.ones(4, np.int64)


def _on(backend: str | None, array: NDArray[Any]) -> Any:
    """Return an array where a backend takes it; "torch" is tried on a GPU where there is one."""
    if backend == "cuda" or (backend == "torch" and torch.cuda.is_available()):
        return torch.from_numpy(array).cuda()
    return array


def _aggregate(backend: str | None) -> None:
    points, index = (torch.as_tensor(_on(backend, array)) for array in (POINTS, INDEX))
    shapes = (8, 4), (8,), (64, 8)
    weight, bias, features = (torch.ones(*shape, requires_grad=True, device=points.device) for shape in shapes)
    torch.autograd.backward(ops.aggregate(points, index, weight, bias, features, backend=backend).sum())


# A kernel without a choice of backends is called with None.
TRIALS: dict[str, Callable[[str | None], Any]] = {
    "aggregate": _aggregate,
    "chamfer": lambda _: ops.chamfer(torch.from_numpy(POINTS), torch.from_numpy(POINTS)),
    "farthest_point_sample": lambda backend: ops.farthest_point_sample(_on(backend, POINTS), 8, backend=backend),
    "harmonic_fill": lambda backend: ops.harmonic_fill(
        _on(backend, POINTS[:8, :2]), _on(backend, POINTS[:8, 1:] > 1.5), backend=backend
    ),
    "knn": lambda backend: ops.knn(_on(backend, POINTS), 4, backend=backend),
    "occupied_voxels": lambda _: ops.occupied_voxels(POINTS, (1.0, 1.0, 1.0), 0.25, (4, 4, 4), VALUES),
    "radius_search": lambda backend: ops.radius_search(_on(backend, POINTS), 0.25, backend=backend),
    "receptive_field": lambda _: ops.receptive_field(INDEX, np.array([0, 5]), 2),
    "splat_points": lambda _: ops.splat_points(POINTS, VALUES, Camera.pinhole(8.0, (8, 8)), (8, 8)),
    "splat_voxels": lambda _: ops.splat_voxels(
        VALUES.reshape(4, 4, 4), (-0.5, -0.5, 1), 0.25, Camera.pinhole(8.0, (8, 8)), (8, 8)
    ),
    "voxel_downsample": lambda _: ops.voxel_downsample(POINTS, 0.25, values=VALUES),
    "voxelize": lambda _: ops.voxelize(POINTS, (1.0, 1.0, 1.0), 0.25, (4, 4, 4), VALUES),
    "window_knn": lambda backend: ops.window_knn(_on(backend, POINTS.reshape(8, 8, 3)), 4, window=3, backend=backend),
}
LIBRARY = {"cuda": "torch"}


def kernel_states() -> list[tuple[str, str, str]]:
    """Return (kernel, backend, "live" or why not) for every kernel and each of its backends."""
    choices = {name: getattr(import_module(f"geoad.ops.{name}"), "BACKENDS", ()) for name in TRIALS}
    return [
        (name, backend, _try(trial, backend, backend if choices[name] else None))
        for name, trial in TRIALS.items()
        for backend in choices[name] or ("numba",)
    ]


def _try(trial: Callable[[str | None], Any], backend: str, chosen: str | None) -> str:
    try:
        need(LIBRARY.get(backend, backend), f'run backend "{backend}"')
        reason = _cuda.why_not() if backend == "cuda" else None
        if reason is not None:
            return reason
        trial(chosen)
    except Exception as error:  # whatever it is, it is the answer
        return " ".join(str(error).split()) or type(error).__name__
    return "live"
