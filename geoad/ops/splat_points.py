"""Draw the values of points into the image of a camera."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import _check
from geoad.ops import _arrays, _projection


def splat_points(points: Any, values: Any, camera: Any, shape: tuple[int, int], *, thickness: float = np.inf) -> Any:
    """Return an image `shape` (H, W) float32: the largest of the values (N,) of the points (N, 3) on each pixel.

    NaN marks pixels without a point. A point falls on the pixel whose centre is nearest to its projection,
    `camera.project(points) -> (N, 2)` column then row; points with z <= 0, off the image or not finite fall nowhere.
    `thickness` (in the unit of the points) hides what lies behind: of the points on one pixel only those at most
    that much deeper (in z) than the nearest count. 0 is a strict z-buffer; by default all count (thesis 8.2).

    Points are numpy or torch (CPU), and the result is of the same kind; no gradient flows. Raises ValueError if the
    value of a finite point is not finite.

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
    height, width = _projection.image_sides(shape)
    if not _check.number("thickness", thickness) >= 0:
        raise ValueError(f"thickness must be 0 or more, got {thickness}")
    _projection.check_camera(camera)
    from geoad.ops import splat_points_numba

    seen, wrong = splat_points_numba.look(cloud, scores)
    if wrong:
        raise ValueError(f"values must be finite where points are, got {wrong} that are not")
    if not seen.all():
        cloud, scores = cloud[seen], scores[seen]
    place = _projection.project(camera, cloud)
    image = splat_points_numba.draw(place, cloud, scores, height, width, np.float32(thickness))
    return _arrays.like(image, points)
