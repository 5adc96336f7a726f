"""What there is to see of a scored sample, on one pixel grid of a size to look at."""

from __future__ import annotations

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

LARGEST = 640  # pixels along the longer side; larger scans are reduced
CLOUD = (64, 400)  # sides of the grid a cloud is drawn on: about one pixel for each point that is seen, between these
MARGIN = 3
T = TypeVar("T", bound=np.generic)


class View(NamedTuple):
    """Arrays (h, w, ...) of one view; `name` says from where ("", "back").

    `valid` is True where there is a point (with no `xyz`: a pixel), `scores` are the anomaly map's, NaN where nothing
    was scored.

    >>> View("", np.zeros((2, 3)), np.ones((2, 3), bool)).xyz is None
    True
    """

    name: str
    scores: NDArray[np.floating]
    valid: NDArray[np.bool_]
    xyz: NDArray[np.floating] | None = None
    rgb: NDArray[np.uint8] | None = None
    mask: NDArray[np.bool_] | None = None


def views_of(sample: Sample, scores: NDArray[np.floating]) -> list[View]:
    """Return the one view of an organised scan or image, or front and back of a cloud; of several cameras, the first.

    Raises ValueError for a cloud without a valid point.

    >>> sample = Sample(xyz=XYZImage(np.random.default_rng(0).random((1, 500, 3))))
    >>> [view.name for view in views_of(sample, np.zeros((1, 500)))]
    ['front', 'back']
    """
    if sample.views:
        return views_of(sample.views[0], scores)
    if sample.xyz is not None and not sample.xyz.organised:
        return _cloud_views(sample, sample.xyz, scores)
    factor = -(-max(sample.shape) // LARGEST)
    half = factor // 2
    xyz, rgb = sample.xyz, sample.rgb
    valid = np.ones(sample.shape, bool) if xyz is None else xyz.valid
    reduced = np.s_[half::factor, half::factor] if factor > 1 else np.s_[:, :]
    return [
        View(
            "",
            _peaks(scores, factor),
            valid[reduced],
            None if xyz is None else xyz.xyz[reduced],
            None if rgb is None else rgb[reduced],
            None if sample.mask is None else _peaks(sample.mask, factor),
        )
    ]


def _peaks(values: NDArray[T], factor: int) -> NDArray[T]:
    """Return the maximum of every block with a pixel at its centre: reducing hides no hot spot and no defect."""
    if factor == 1:
        return values
    half = factor // 2
    height, width = (len(range(half, size, factor)) for size in values.shape)
    padded = np.pad(values, [(0, factor)] * 2, mode="edge")[: height * factor, : width * factor]
    peaks: NDArray[T] = padded.reshape(height, factor, width, factor).max((1, 3))
    return peaks


def _cloud_views(sample: Sample, cloud: XYZImage, scores: NDArray[np.floating]) -> list[View]:
    """Look along the axis in which the cloud is shortest, from either side."""
    valid = cloud.valid
    points = cloud.xyz[valid].astype(np.float64)
    if not len(points):
        raise ValueError(f"{sample.name or 'cloud'} has no valid point to draw")
    centred = points - points.mean(0)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1].T  # longest first: right, down, away
    axes *= np.sign(axes[np.arange(3), np.abs(axes).argmax(1)])[:, None]
    axes[0] = np.cross(axes[1], axes[2])  # no mirror image, and the front stays the side that a sensor sees
    rgb = sample.rgb
    views = []
    for name, side in (("front", 1), ("back", -1)):
        seen = centred @ (axes * np.array([[side], [1], [side]])).T
        index = _nearest_points(seen)
        there = index >= 0
        views.append(
            View(
                name,
                np.where(there, scores[valid][index], np.nan),
                there,
                seen[index],
                None if rgb is None else rgb[valid][index],
                None if sample.mask is None else there & sample.mask[valid][index],
            )
        )
    return views


def _nearest_points(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return a grid with the index of the point nearest to the viewer, -1 where there is none; z points away."""
    side = int(np.clip(np.sqrt(len(points) / 2), *CLOUD))
    low, extent = points.min(0), np.ptp(points, axis=0)[:2]
    cell = max(float(extent.max()) / side, 1e-30)
    order = np.argsort(-points[:, 2], kind="stable")
    column, row = np.floor((points[order, :2] - low[:2]) / cell).astype(np.int64).T + MARGIN
    width, height = (int(n) + 2 * MARGIN + 1 for n in np.floor(extent / cell))
    index = np.full((height, width), -1, np.int64)
    index[row, column] = order  # a later, nearer point replaces a farther one
    for _ in range(2):
        index = _close_gaps(index, points[:, 2], 3 * cell)
    return index


def _close_gaps(index: NDArray[np.int64], depth: NDArray[np.float64], thickness: float) -> NDArray[np.int64]:
    """Give each pixel the nearest point of its 3 by 3 neighbours, where it has none or one clearly behind."""
    padded = np.pad(index, 1, constant_values=-1)
    height, width = index.shape
    shifted = [padded[r : r + height, c : c + width] for r in range(3) for c in range(3)]
    around = np.stack(shifted)
    z = np.where(around >= 0, depth[around], np.inf)
    nearest = np.take_along_axis(around, z.argmin(0)[None], 0)[0]
    own = np.where(index >= 0, depth[index], np.inf)
    return np.where(own > z.min(0) + thickness, nearest, index)
