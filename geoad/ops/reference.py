"""The slow, obvious twin of every kernel: what the fast ones are held to, bit for bit where that is promised."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def farthest_point_sample(points: NDArray[np.float32], n: int, *, start: int = 0) -> NDArray[np.int64]:
    """Return the picks of the plain loop over finite points (N, 3) float32.

    >>> farthest_point_sample(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), 2).tolist()
    [0, 2]
    """
    distance = np.full(len(points), np.inf, np.float32)
    picks = [start] if len(points) else []
    while picks and len(picks) < min(n, len(points)):
        distance = np.minimum(distance, _sq_dist(points, points[picks[-1]]))
        distance[picks[-1]] = -1
        picks.append(int(distance.argmax()))  # the first of several
    return np.array(picks, np.int64)


def knn(
    points: NDArray[np.float32],
    k: int,
    *,
    queries: NDArray[np.float32] | None = None,
    batch: NDArray[np.int64] | None = None,
    include_self: bool = True,
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (Q, k) by sorting every row of the full distance matrix by (sq_dist, index).

    >>> index, sq_dist = knn(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), 2)
    >>> index.tolist(), sq_dist.tolist()
    ([[0, 1], [1, 0], [2, 1]], [[0.0, 1.0], [0.0, 1.0], [0.0, 4.0]])
    """
    rows = points if queries is None else queries
    index, sq_dist = np.full((len(rows), k), -1, np.int64), np.full((len(rows), k), np.inf, np.float32)
    for row, query in enumerate(rows):
        if not np.isfinite(query).all():
            continue
        allowed: NDArray[np.bool_] = np.asarray(np.isfinite(points).all(1))
        if batch is not None:
            allowed &= batch == batch[row]
        if not include_self:
            allowed[row] = False
        near = np.flatnonzero(allowed)
        distance = _sq_dist(points[near], query)
        best = np.lexsort((near, distance))[:k]
        index[row, : len(best)], sq_dist[row, : len(best)] = near[best], distance[best]
    return index, sq_dist


def window_knn(
    xyz: NDArray[np.float32], k: int, *, window: int = 7, include_self: bool = True
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return index and sq_dist (H, W, k): `knn` of the valid pixels of every window, one pixel after the other.

    >>> window_knn(np.array([[[0, 0, 1], [1, 0, 1], [0, 0, 0]]], np.float32), 2, window=3)[0].tolist()
    [[[0, 1], [1, 0], [-1, -1]]]
    """
    height, width, _ = xyz.shape
    valid = np.isfinite(xyz).all(-1) & (xyz != 0).any(-1)
    index, sq_dist = np.full((height, width, k), -1, np.int64), np.full((height, width, k), np.inf, np.float32)
    for row, column in zip(*np.nonzero(valid), strict=True):
        near = valid.copy()
        rows, columns = np.ogrid[:height, :width]
        near &= (abs(rows - row) <= window // 2) & (abs(columns - column) <= window // 2)
        near[row, column] = include_self
        address = np.flatnonzero(near)
        found, distance = knn(xyz[near], k, queries=xyz[row, column][None])
        index[row, column] = np.where(found < 0, -1, address[found]) if len(address) else -1
        sq_dist[row, column] = distance
    return index, sq_dist


def radius_search(
    points: NDArray[np.float32],
    radius: float,
    *,
    queries: NDArray[np.float32] | None = None,
    batch: NDArray[np.int64] | None = None,
    include_self: bool = True,
    max_neighbours: int | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float32], NDArray[np.int64]]:
    """Return index, sq_dist and offsets: the neighbours that `knn` finds, as far as they are within the radius.

    >>> radius_search(np.array([[0, 0, 0], [1, 0, 0], [3, 0, 0]], np.float32), 1.0)[0].tolist()
    [0, 1, 1, 0, 2]
    """
    index, sq_dist = knn(points, len(points), queries=queries, batch=batch, include_self=include_self)
    with np.errstate(over="ignore", under="ignore"):
        within = (index >= 0) & (sq_dist <= np.float32(radius) * np.float32(radius))
    within[:, len(points) if max_neighbours is None else max_neighbours :] = False
    return index[within], sq_dist[within], np.r_[0, np.cumsum(within.sum(1))]


def _sq_dist(points: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ((dx * dx) + (dy * dy)) + (dz * dz) in float32."""
    with np.errstate(over="ignore", under="ignore"):
        dx, dy, dz = (points - query).T
        return ((dx * dx) + (dy * dy)) + (dz * dz)  # type: ignore[no-any-return]


def harmonic_fill(values: NDArray[np.float32], known: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return values (H, W) with the unknown pixels solved for directly, in double precision.

    >>> harmonic_fill(np.array([[0, 9, 4]], np.float32), np.array([[True, False, True]])).tolist()
    [[0.0, 2.0, 4.0]]
    """
    from scipy import sparse
    from scipy.sparse.linalg import spsolve

    number = np.arange(known.size).reshape(known.shape)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    links = sparse.coo_array((np.ones(2 * len(a)), (np.r_[a, b], np.r_[b, a])), shape=(known.size, known.size)).tocsr()
    laplacian = (sparse.diags_array(np.asarray(links.sum(1)).ravel()) - links).tocsc()
    fixed, free = np.flatnonzero(known), np.flatnonzero(~known)
    result = np.where(known, values, 0).astype(np.float64).ravel()
    if len(free):
        result[free] = spsolve(laplacian[free][:, free], -laplacian[free][:, fixed] @ result[fixed])
    return result.reshape(known.shape)


def splat_voxels(
    values: NDArray[np.float32],
    origin: tuple[float, float, float],
    cell: float,
    camera: Any,
    shape: tuple[int, int],
    *,
    axes: NDArray[np.float64] | None = None,
) -> NDArray[np.float32]:
    """Return the image (H, W) of the largest value a pixel, one voxel after the other.

    A pixel is in a hull if, in its row, a line between two of the corners passes on or left of it and one on or right.

    >>> from types import SimpleNamespace
    >>> camera = SimpleNamespace(project=lambda points: points[:, :2])
    >>> splat_voxels(np.ones((1, 1, 1), np.float32), (0, 0, 1), 0.5, camera, (1, 2)).tolist()
    [[1.0, nan]]
    """
    image = np.full(shape, np.nan, np.float32)
    along = np.eye(3) if axes is None else axes
    for voxel in np.argwhere(values > -np.inf):
        corners = np.array(origin, np.float64)
        for axis, first in enumerate(voxel):
            corners = corners[..., None, :] + (np.array([[first], [first + 1]]) * cell) * along[axis]
        corners = corners.reshape(8, 3)
        with np.errstate(all="ignore"):
            place = np.rint(camera.project(corners) * 256)
        if (corners[:, 2] > 0).all() and (np.abs(place) <= 2**25).all():
            box = tuple(slice(max(int(low) // 256, 0), max(int(high) // 256 + 1, 0)) for low, high in _ends(place))
            y, x = np.indices(shape)[:, *box] * 256
            inside = in_hull(place.astype(np.int64), x, y)
            image[box][inside] = np.fmax(image[box][inside], values[tuple(voxel)])
    return image


def _ends(place: NDArray[np.float64]) -> list[tuple[float, float]]:
    """Return the least and the greatest row, then column, of places (8, 2)."""
    return list(zip(place.min(0)[::-1], place.max(0)[::-1], strict=True))


def in_hull(corners: NDArray[np.int64], x: NDArray[np.int64], y: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell which places (H, W) are in or on the convex hull of whole corners (8, 2).

    >>> in_hull(np.array([[0, 0], [4, 0], [0, 4]]), np.array([[2, 3]]), np.array([[2, 2]])).tolist()
    [[True, False]]
    """
    (ax, ay), (bx, by) = corners.T[:, :, None, None, None], corners.T[:, None, :, None, None]
    turn = (bx - ax) * (y - ay) - (x - ax) * (by - ay)
    between = (ay < y) & (y < by)
    left, right = between & (turn <= 0), between & (turn >= 0)
    left, right = left | (ay == y) & (ax <= x), right | (ay == y) & (ax >= x)
    return np.asarray(left.any((0, 1)) & right.any((0, 1)))


def voxelize(
    points: NDArray[np.float32],
    origin: tuple[float, float, float],
    cell: float,
    shape: tuple[int, int, int],
    values: NDArray[np.float64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float32]]:
    """Return index (N,), count (X, Y, Z) and the means of values (N, C), one point after the other.

    >>> voxelize(np.array([[1.5, 0, 0]], np.float32), (0, 0, 0), 1.0, (2, 1, 1), np.array([[4.0]]))[0].tolist()
    [1]
    """
    index = np.full(len(points), -1, np.int64)
    count, sums = np.zeros(shape, np.int64), np.zeros((*shape, values.shape[1]))
    corner = np.array(origin, dtype=np.float64)
    low, high = corner.astype(np.float32), (corner + np.array(shape) * cell).astype(np.float32)
    for i, point in enumerate(points):
        if (low <= point).all() and (point <= high).all():
            with np.errstate(over="ignore"):  # a cell finer than any point can tell
                place = np.floor((point.astype(np.float64) - corner) / cell)
            voxel = tuple(np.clip(place, 0, np.array(shape) - 1).astype(int))
            index[i] = np.ravel_multi_index(voxel, shape)
            count[voxel] += 1
            sums[voxel] += values[i]
    return index, count, (sums / np.maximum(count, 1)[..., None]).astype(np.float32)


def voxel_downsample(
    points: NDArray[np.float32], cell: float, values: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
    """Return points (M, 3), values (M, C), index (N,) and count (M,), one point after the other.

    >>> voxel_downsample(np.array([[1.5, 0, 0], [-1, 0, 0]], np.float32), 2.0, np.zeros((2, 0)))[2].tolist()
    [0, 1]
    """
    rows: dict[tuple[int, ...], int] = {}
    index, sums = np.full(len(points), -1, np.int64), np.zeros((len(points), 3 + values.shape[1]))
    for i, point in enumerate(points):
        if np.isfinite(point).all():
            place = tuple(int(part) for part in np.floor(point.astype(np.float64) / cell))
            index[i] = row = rows.setdefault(place, len(rows))
            sums[row] += np.r_[point, values[i]]
    count = np.bincount(index[index >= 0], minlength=len(rows))
    means = (sums[: len(rows)] / count[:, None]).astype(np.float32)
    return means[:, :3], means[:, 3:], index, count


def splat_points(
    points: NDArray[np.float32],
    values: NDArray[np.float32],
    camera: Any,
    shape: tuple[int, int],
    *,
    thickness: float = np.inf,
) -> NDArray[np.float32]:
    """Return the image (H, W) of the largest value a pixel, one pixel after the other.

    >>> from types import SimpleNamespace
    >>> camera = SimpleNamespace(project=lambda points: points[:, :2])
    >>> splat_points(np.array([[0, 0, 1]], np.float32), np.array([5], np.float32), camera, (1, 1)).tolist()
    [[5.0]]
    """
    image = np.full(shape, np.nan, np.float32)
    seen = np.isfinite(points).all(1) & (points[:, 2] > 0)
    points, values = points[seen], values[seen]
    place = np.floor(camera.project(points) + 0.5)
    for row, column in np.ndindex(shape):
        here = (place == (column, row)).all(1)
        if here.any():
            depth = points[here, 2]
            image[row, column] = values[here][depth - depth.min() <= np.float32(thickness)].max()
    return image
