"""Draw the values of points into the image of a camera."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays


def splat_points(points: Any, values: Any, camera: Any, shape: tuple[int, int], *, thickness: float = np.inf) -> Any:
    """Return an image `shape` (H, W) float32: the largest of the values (N,) of the points (N, 3) on each pixel.

    NaN marks pixels without a point. A point falls on the pixel whose centre is nearest to its projection,
    `camera.project(points) -> (N, 2)` column then row; points with z <= 0, off the image or not finite fall nowhere.
    `thickness` (in the unit of the points) hides what lies behind: of the points on one pixel only those at most
    that much deeper (in z) than the nearest count. 0 is a strict z-buffer; by default all count (thesis 8.2).

    Points are numpy or torch (CPU), and the result is of the same kind. Raises ValueError if the value of a finite
    point is not finite.

    >>> import numpy as np
    >>> class Camera:
    ...     def project(self, points):
    ...         return points[:, :2] / points[:, 2:]
    >>> points = np.array([[0.0, 0, 1], [0, 0, 2], [1, 0, 1]])
    >>> splat_points(points, np.array([1.0, 3, 2]), Camera(), (1, 3)).tolist()
    [[3.0, 2.0, nan]]
    >>> splat_points(points, np.array([1.0, 3, 2]), Camera(), (1, 3), thickness=0).tolist()
    [[1.0, 2.0, nan]]
    """
    cloud = _arrays.to_points("points", points)
    scores = _arrays.to_floats("values", values, (len(cloud),))
    if len(shape) != 2:
        raise ValueError(f"shape must be (H, W), got {shape}")
    height, width = (_arrays.whole("shape", side) for side in shape)
    if not thickness >= 0:
        raise ValueError(f"thickness must not be negative, got {thickness}")
    finite = np.isfinite(cloud).all(1)
    wrong = np.count_nonzero(~np.isfinite(scores[finite]))
    if wrong:
        raise ValueError(f"values must be finite where points are, got {wrong} that are not")
    seen = np.flatnonzero(finite & (cloud[:, 2] > 0))
    pixel = _to_pixels(camera, cloud[seen], height, width)
    from geoad.ops.splat_points_numba import draw

    image = draw(pixel, cloud[seen, 2], scores[seen], height * width, np.float32(thickness))
    return _arrays.like(image.reshape(height, width), points)


def _to_pixels(camera: Any, points: NDArray[np.float32], height: int, width: int) -> NDArray[np.int64]:
    """Return the flat pixel of each point in front of the camera, -1 off the image."""
    if not callable(getattr(camera, "project", None)):
        raise TypeError(f"camera must have a method project(points) -> (N, 2), got {type(camera).__name__}")
    place = np.asarray(camera.project(points))
    _check.shape("camera.project(points)", place, (len(points), 2))
    with np.errstate(invalid="ignore"):
        column, row = np.floor(place.T + 0.5)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
        return np.where(inside, row * width + column, -1).astype(np.int64)
