"""Fast point feature histograms: how the normals around a point stand to each other."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad.descriptors.surface_normals import local_points, oriented_normals, viewpoint_from
from geoad.ops import _arrays, _threads, knn

SMALLEST = 512  # points a thread
WIDTH = 33  # three angles in eleven bins each


def fpfh(
    points: Any,
    k: int = 100,
    *,
    normals: Any = None,
    normal_k: int = 30,
    viewpoint: Any = (0.0, 0.0, 0.0),
) -> Any:
    """Return the fast point feature histograms (N, 33) of points (N, 3), numpy or torch (CPU), in the same kind.

    Of a `PointCloud` give `cloud.points`, of Open3D's `np.asarray(pcd.points)`.

    Three angles (θ, α, φ) between a point's normal and each of its neighbours' are counted in eleven bins each, in
    percent of the pairs. The mean of the neighbours' histograms is added, weighted by 1 / distance², so that each third
    sums to 200 (Rusu, Blodow, Beetz 2009, in Open3D's order). The unit of the points does not matter, nor does a
    rotation of points, normals and viewpoint together. The neighbours are the `k` nearest points, the point itself
    among them.

    `normals` (N, 3) are of any length; if None they are those of `geoad.descriptors.normals` with `normal_k` and
    `viewpoint`. Neighbours in the same place, without a normal (0, or not finite), or straight along it, to rounding,
    make no pair; without any a point has the mean of its neighbours alone, and without these 0. A point that is not
    finite has NaN. Memory: 12 max(k, normal_k) + 400 bytes a point.

    Raises ValueError for points or normals of another shape, and TypeError for what holds no real numbers.

    >>> points = np.random.default_rng(0).random((200, 3))
    >>> found = fpfh(points, k=20)
    >>> found.shape, found[0].reshape(3, 11).sum(1).round(3).tolist()
    ((200, 33), [200.0, 200.0, 200.0])
    """
    cloud, place = local_points(points)
    most = max(len(cloud), 1)
    k, normal_k = min(_arrays.whole("k", k), most), min(_arrays.whole("normal_k", normal_k), most)
    seen_from = viewpoint_from(viewpoint, place)
    index, sq_dist = knn(cloud, k if normals is not None else max(k, normal_k))
    if normals is None:
        direction = oriented_normals(cloud, index[:, :normal_k], seen_from)
    else:
        direction = _unit(_arrays.to_floats("normals", normals, (len(cloud), 3)))
    return _arrays.like(_histograms(cloud, direction, index[:, :k], sq_dist[:, :k]), points)


def _unit(normals: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return normals of length 1, NaN for those that are 0 or not finite; those of length 1 keep their bits."""
    length = np.linalg.norm(normals.astype(np.float64), axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = (normals / np.where(np.isfinite(length), length, 0)).astype(np.float32)
    scaled[~np.isfinite(scaled).all(1)] = np.nan
    return np.where(np.abs(length - 1) < 1e-6, normals, scaled)


def _histograms(
    cloud: NDArray[np.float32], normals: NDArray[np.float32], index: NDArray[np.int64], sq_dist: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return the histograms (N, 33) of points with normals and a table (N, k) of neighbours."""
    from geoad.descriptors import point_histograms_numba as kernels

    simple = np.zeros((len(cloud), WIDTH), np.float32)
    result = np.empty_like(simple)
    _threads.split(len(cloud), lambda a, b: kernels.count_pairs(cloud, normals, index, simple, a, b), smallest=SMALLEST)
    _threads.split(len(cloud), lambda a, b: kernels.add_nearby(index, sq_dist, simple, result, a, b), smallest=SMALLEST)
    result[~np.isfinite(cloud).all(1)] = np.nan
    return result
