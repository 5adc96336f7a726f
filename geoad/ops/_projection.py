"""What the kernels that draw into an image ask of a camera and of the image's shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays


def image_sides(shape: tuple[int, int]) -> tuple[int, int]:
    """Return `shape` (H, W) as two positive ints."""
    if len(shape) != 2:
        raise ValueError(f"shape must be (H, W), got {shape}")
    return _arrays.whole("shape", shape[0]), _arrays.whole("shape", shape[1])


def check_camera(camera: Any) -> None:
    """Raise TypeError unless `camera` can project."""
    if not callable(getattr(camera, "project", None)):
        raise TypeError(f"camera must have a method project(points) -> (N, 2), got {type(camera).__name__}")


def project(camera: Any, points: NDArray[Any]) -> NDArray[np.float64]:
    """Return what `camera` makes of points (N, 3) in front of it: column and row, contiguous."""
    place = np.asarray(camera.project(points))
    _check.shape("camera.project(points)", place, (len(points), 2))
    return np.require(place, np.float64, ["C", "W"])
