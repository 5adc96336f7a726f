"""Scores of voxels as an image: what each pixel's ray passes through."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.geometry.camera import Camera
from geoad.geometry.voxel_grid import VoxelGrid

CHUNK = 1 << 14
"""Rays taken at a time, so that what is computed of them stays in the cache."""
SLACK = 1e-6
"""How far outside the grid, in cells, a ray may pass for rounding."""


def scores_along_rays(
    scores: NDArray[np.floating], grid: VoxelGrid, camera: Camera, empty: float = 0.0
) -> NDArray[np.float32]:
    """Return the map (H, W) of the highest of the `scores` (X, Y, Z) on each pixel's ray, `empty` where it meets none.

    A pixel lies in the convex hull of a voxel's projected corners exactly if its ray passes through the voxel, so that
    this is the projection of thesis 9.3.1, empty and hidden voxels included. In each layer of constant z the cells
    are taken in which the ray enters and leaves it; one that it only cuts at an edge in between is left out.

    >>> grid = VoxelGrid(np.array([-0.5, -0.5, 5.0]), 1.0, (1, 1, 1))
    >>> seen = scores_along_rays(np.full((1, 1, 1), 3.0), grid, Camera.pinhole(100.0, (65, 65)))
    >>> int((seen == 3).sum()), bool(seen[22, 42] == 3)
    (441, True)
    """
    _check.shape("scores", scores, grid.shape)
    rows, columns = np.indices(camera.shape, np.float64)
    slopes = camera.rays(np.stack([columns, rows], axis=-1).reshape(-1, 2))[:, :2].T / grid.cell
    walls = _walls(np.asarray(scores, np.float32))
    heights = grid.origin[2] + grid.cell * np.arange(len(walls))
    seen = [(z, wall) for z, wall in zip(heights, walls, strict=True) if z > 0]
    found = np.full(slopes.shape[1], -np.inf, np.float32)
    for start in range(0, len(found), CHUNK):
        part = slice(start, start + CHUNK)
        for z, wall in seen:
            np.maximum(found[part], wall[_crossings(slopes[:, part], grid, z)], out=found[part])
    return np.where(np.isneginf(found), np.float32(empty), found).reshape(camera.shape)


def _walls(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return for each of the Z + 1 planes between layers the higher score of the two, with a border of -inf: flat."""
    layers = np.pad(scores, 1, constant_values=-np.inf)
    walls = np.moveaxis(np.maximum(layers[..., :-1], layers[..., 1:]), 2, 0)
    return walls.reshape(len(walls), -1)


def _crossings(slopes: NDArray[np.float64], grid: VoxelGrid, z: float) -> NDArray[np.int64]:
    """Return the cell of a wall in which each ray crosses the plane at `z`; those beside the grid lie in the border."""
    x, y = (
        _axis(slope * z, origin / grid.cell, size)
        for slope, origin, size in zip(slopes, grid.origin, grid.shape, strict=False)
    )
    return x * (grid.shape[1] + 2) + y


def _axis(place: NDArray[np.float64], origin: float, size: int) -> NDArray[np.int64]:
    """Return the cell along one axis, 0 and `size` + 1 beside the grid; its outer faces belong to it."""
    place -= origin - 1
    place[np.abs(place - 1) <= SLACK] = 1
    place[np.abs(place - size - 1) <= SLACK] = size
    return place.clip(0, size + 1).astype(np.int64)
