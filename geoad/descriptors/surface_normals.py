"""The normal of a sampled surface at each of its points."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays, _threads, knn

FLAT = 1e-10  # of the largest variance: less across a line is rounding,
ROUNDING = 2.0**-23  # and so is this share of a coordinate


def normals(points: Any, k: int = 30, *, viewpoint: Any = (0.0, 0.0, 0.0)) -> Any:
    """Return the unit normals (N, 3) float32 of points (N, 3) in any unit, numpy or torch (CPU), in the same kind.

    Of a `PointCloud` give `cloud.points`, of Open3D's `np.asarray(pcd.points)`.

    A normal is the direction in which the k nearest points, the point among them, vary least (Hoppe et al. 1992). It
    points to the side of the surface where `viewpoint` is, in the frame of the points; (0, 0, 0) is the camera of an
    organised scan. NaN where a point is not finite, or where these k points lie on a line, to rounding.

    Raises ValueError for points of another shape, and TypeError for what holds no real numbers.

    >>> plane = np.random.default_rng(0).random((100, 3)) * [1, 1, 0] + [0, 0, 2]
    >>> normals(plane, k=10)[0].tolist()
    [0.0, 0.0, -1.0]
    """
    cloud, place = local_points(points)
    index = knn(cloud, min(_arrays.whole("k", k), max(len(cloud), 1))).index
    return _arrays.like(oriented_normals(cloud, index, viewpoint_from(viewpoint, place)), points)


def local_points(points: Any) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return points as float32 and the place (3,) that they are taken from: the origin, unless float32 loses there.

    Coordinates that float32 does not hold, as far from the origin, are taken from their median, which no outlier moves.

    >>> cloud, place = local_points(np.array([[1e8, 0, 1], [1e8 + 1, 0, 2], [1e8 + 3, 0, 9]]))
    >>> cloud.tolist(), place.tolist()
    ([[-1.0, 0.0, -1.0], [0.0, 0.0, 0.0], [2.0, 0.0, 7.0]], [100000001.0, 0.0, 2.0])
    """
    numbers, cloud = _arrays.to_numpy("points", points), _arrays.to_points("points", points)
    finite = np.isfinite(cloud).all(1)
    if not finite.any() or np.array_equal(cloud[finite], numbers[finite]):
        return cloud, np.zeros(3)
    place = np.median(numbers[finite], axis=0).astype(np.float64)
    return _arrays.to_points("points", numbers - place), place


def viewpoint_from(viewpoint: Any, place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the viewpoint as it is seen from `place`; raise ValueError unless it is three finite numbers.

    >>> viewpoint_from((0, 0, 1), np.array([1.0, 0, 0])).tolist()
    [-1.0, 0.0, 1.0]
    """
    try:
        seen = np.array(viewpoint.tolist() if _arrays.is_tensor(viewpoint) else viewpoint, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"viewpoint must be three numbers, got {viewpoint!r}") from error
    _check.shape("viewpoint", seen, (3,))
    if not np.isfinite(seen).all():
        raise ValueError(f"viewpoint must be finite, got {seen.tolist()}")
    return seen - place


def oriented_normals(
    cloud: NDArray[np.float32], index: NDArray[np.int64], viewpoint: NDArray[np.float64]
) -> NDArray[np.float32]:
    """Return the normals (N, 3) of points (N, 3) from a table (N, k) of their neighbours, −1 for none.

    >>> corner = np.float32([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    >>> oriented_normals(corner, np.array([[0, 1, 2]] * 3), np.array([0, 0, 9]))[0]
    array([0., 0., 1.], dtype=float32)
    """
    from geoad.descriptors.surface_normals_numba import covariances

    spread = np.empty((len(cloud), 3, 3))
    _threads.split(len(cloud), lambda start, stop: covariances(cloud, index, spread, start, stop))
    variances, axes = np.linalg.eigh(spread)
    normal = axes[:, :, 0].copy()
    rounding = (ROUNDING * np.abs(cloud.astype(np.float64)).max(1, initial=0)) ** 2
    normal[variances[:, 1] <= FLAT * variances[:, 2] + rounding] = np.nan
    normal[~np.isfinite(cloud).all(1)] = np.nan
    away = np.einsum("ij,ij->i", normal, viewpoint - cloud) < 0
    normal[away] *= -1
    return (normal + 0.0).astype(np.float32)  # and no -0
