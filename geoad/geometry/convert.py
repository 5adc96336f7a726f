"""The only place that changes representation: what goes there by address comes back by address."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.geometry.camera import Camera
from geoad.geometry.point_cloud import PointCloud
from geoad.geometry.voxel_grid import VoxelGrid
from geoad.geometry.xyz_image import XYZImage
from geoad.ops import _arrays, occupied_voxels

EMPTY = -1.0
"""The value of a voxel without a point."""


def xyz_to_cloud(image: XYZImage) -> PointCloud:
    """Return the valid pixels as points, in row-major order, with colours and pixel addresses.

    >>> xyz_to_cloud(XYZImage(np.array([[[0, 0, 0], [0, 0, 1.0]]]))).pixel
    array([1])
    """
    _check.instance("image", image, XYZImage, "XYZImage(array)")
    pixel = np.flatnonzero(image.valid)
    rgb = None if image.rgb is None else image.rgb.reshape(-1, 3).take(pixel, axis=0)
    return PointCloud(image.xyz.reshape(-1, 3).take(pixel, axis=0), rgb=rgb, pixel=pixel)


def cloud_to_xyz(cloud: PointCloud, shape: tuple[int, int]) -> XYZImage:
    """Return the image (H, W) that holds each point at its own pixel and nothing elsewhere: undo `xyz_to_cloud`.

    Raises ValueError if the cloud has no pixel addresses, one lies outside, or two points share one.

    >>> image = XYZImage(np.array([[[0, 0, 0], [0, 0, 1.0]]]))
    >>> cloud_to_xyz(xyz_to_cloud(image), image.shape).xyz.tolist()
    [[[0.0, 0.0, 0.0], [0.0, 0.0, 1.0]]]
    """
    _check.instance("cloud", cloud, PointCloud, "PointCloud(array)")
    if cloud.pixel is None:
        raise ValueError("cloud must know its pixels, got none: only clouds of organised scans go back to images")
    _check_pixel(cloud.pixel, shape)
    if np.bincount(cloud.pixel).max(initial=0) > 1:
        raise ValueError("two points of the cloud have the same pixel: keep one point a pixel")
    xyz = np.zeros((shape[0] * shape[1], 3), np.float32)
    xyz[cloud.pixel] = cloud.points
    if cloud.rgb is None:
        return XYZImage(xyz.reshape(*shape, 3))
    rgb = np.zeros((shape[0] * shape[1], 3), np.uint8)
    rgb[cloud.pixel] = cloud.rgb
    return XYZImage(xyz.reshape(*shape, 3), rgb.reshape(*shape, 3))


def xyz_to_depth(image: XYZImage) -> NDArray[np.float32]:
    """Return z (H, W) in metres, 0 on invalid pixels.

    >>> xyz_to_depth(XYZImage(np.array([[[0, 0, np.inf], [0, 0, 2.0]]]))).tolist()
    [[0.0, 2.0]]
    """
    _check.instance("image", image, XYZImage, "XYZImage(array)")
    return np.where(image.valid, image.xyz[..., 2], np.float32(0))


def depth_to_xyz(depth: NDArray[np.floating], camera: Camera) -> XYZImage:
    """Return the scan whose points lie on the rays of `camera` at depth (H, W) in metres; NaN, inf and ≤ 0 are invalid.

    Raises ValueError if the camera makes images of another size, TypeError for whole numbers: they are millimetres.

    >>> depth_to_xyz(np.full((1, 3), 2.0), Camera.pinhole(1.0, (1, 3))).xyz[0, :, 0].tolist()
    [-2.0, 0.0, 2.0]
    """
    _check.shape("depth", depth, camera.shape)
    depth = _arrays.to_numpy("depth", depth, "fiub")
    if depth.dtype.kind != "f":
        raise TypeError(f"depth must be floating, in metres, got {depth.dtype}: divide millimetres by 1000")
    rows, columns = np.indices(camera.shape)
    known = np.isfinite(depth) & (depth > 0)
    rays = camera.rays(np.stack([columns, rows], axis=-1))
    return XYZImage((rays * np.where(known, depth, 0)[..., None]).astype(np.float32))


def scores_to_pixels(
    scores: NDArray[np.floating], pixel: NDArray[np.int64], shape: tuple[int, int], empty: float = 0.0
) -> NDArray[np.float32]:
    """Return the map (H, W) of scores (N,) at their pixels (N,): the maximum where several meet, `empty` where none is.

    >>> scores_to_pixels(np.array([1.0, 3.0, 2.0]), np.array([1, 1, 0]), (1, 3)).tolist()
    [[2.0, 3.0, 0.0]]
    """
    _check.shape("scores", scores, ("N",))
    _check.shape("pixel", pixel, scores.shape)
    pixel = _arrays.to_numpy("pixel", pixel, "iu")
    _check_pixel(pixel, shape)
    values = _arrays.to_numpy("scores", scores, "fiub").astype(np.float32)
    pixels = np.full(shape[0] * shape[1], empty, np.float32)
    if (pixel[1:] <= pixel[:-1]).any():  # two may meet; those of a scan do not
        pixels[pixel] = -np.inf
        np.maximum.at(pixels, pixel, values)
    else:
        pixels[pixel] = values
    return pixels.reshape(shape)


def bounding_grid(clouds: Iterable[PointCloud], resolution: int = 64) -> VoxelGrid:
    """Return the empty cube of `resolution` cells a side around all points of all clouds, concentric with their box.

    Its side is the longest of the box (thesis ch. 9). Raises ValueError if the clouds have no extent.

    >>> bounding_grid([PointCloud(np.array([[0, 0, 0], [2, 1, 0.5]], np.float32))]).origin.tolist()
    [0.0, -0.5, -0.75]
    """
    resolution = _arrays.whole("resolution", resolution)
    lower, upper = np.full(3, np.inf), np.full(3, -np.inf)
    for cloud in clouds:
        _check.instance("each of clouds", cloud, PointCloud, "PointCloud(array)")
        finite = np.isfinite(cloud.points)
        points = cloud.points if finite.all() else cloud.points[finite.all(-1)]
        lower = np.minimum(lower, points.min(0, initial=np.inf))
        upper = np.maximum(upper, points.max(0, initial=-np.inf))
    side = float((upper - lower).max())
    if not side > 0:
        raise ValueError(f"the clouds must have an extent to put a grid around, got a box from {lower} to {upper}")
    origin, cell = np.minimum((lower + upper) / 2 - side / 2, lower), side / resolution
    while (origin + cell * resolution < upper).any():  # by rounding
        cell = float(np.nextafter(cell, np.inf))
    return VoxelGrid(origin, cell, (resolution,) * 3)


def cloud_to_voxels(cloud: PointCloud, grid: VoxelGrid, *, rgb: bool = False, clip: bool = False) -> VoxelGrid:
    """Return the grid with the cloud in it: values 1 in occupied cells and -1 in empty ones, and each point's cell.

    With `rgb` the values are the mean colour of a cell's points, (3, X, Y, Z) in 0 to 1, and -1 in empty cells. A point
    on the upper boundary belongs to the last cell. One outside fills none, or with `clip` the nearest.

    >>> grid = VoxelGrid(np.zeros(3), 1.0, (2, 1, 1))
    >>> cloud_to_voxels(PointCloud(np.array([[2, 0, 0], [9, 0, 0]], np.float32)), grid).values.ravel().tolist()
    [-1.0, 1.0]
    """
    filled, cell, values = cloud_to_cells(cloud, grid, rgb=rgb, clip=clip)
    dense = np.full((values.shape[1], math.prod(grid.shape)), EMPTY, np.float32)
    dense[:, cell] = values.T
    return replace(filled, values=dense.reshape(-1, *grid.shape))


def cloud_to_cells(
    cloud: PointCloud, grid: VoxelGrid, *, rgb: bool = False, clip: bool = False
) -> tuple[VoxelGrid, NDArray[np.int64], NDArray[np.float32]]:
    """Return the grid that knows each point's cell, its occupied cells (M,), flat and ascending, and their values.

    Values (M, C) are those of `cloud_to_voxels`, which is the same with every empty cell filled in.

    >>> grid = VoxelGrid(np.zeros(3), 1.0, (2, 1, 1))
    >>> filled, cell, values = cloud_to_cells(PointCloud(np.array([[2, 0, 0], [9, 0, 0]], np.float32)), grid)
    >>> filled.index.tolist(), cell.tolist(), values.tolist()
    ([1, -1], [1], [[1.0]])
    """
    _check.instance("cloud", cloud, PointCloud, "PointCloud(array)")
    _check.instance("grid", grid, VoxelGrid, "VoxelGrid(origin, cell, shape)")
    if rgb and cloud.rgb is None:
        raise ValueError("cloud must have rgb to fill a grid with colours, got none: use rgb=False")
    colours = None if cloud.rgb is None or not rgb else cloud.rgb / 255
    first = found = occupied_voxels(cloud.points, grid.origin, grid.cell, grid.shape, colours)
    nearest = first.index
    if (nearest < 0).any():
        if not np.isfinite(cloud.points).all():
            raise ValueError("points of the cloud must be finite, got NaN or inf: take the valid ones")
        inside = np.clip(cloud.points, grid.origin.astype(np.float32), grid.upper.astype(np.float32))
        moved = occupied_voxels(inside, grid.origin, grid.cell, grid.shape, colours)
        nearest = moved.index
        found = moved if clip else first
    values = np.ones((len(found.voxel), 1), np.float32) if colours is None else found.values
    return replace(grid, values=None, index=first.index, nearest=nearest), found.voxel, values


def voxel_scores_to_points(scores: NDArray[np.floating], grid: VoxelGrid) -> NDArray[np.float32]:
    """Return the score (N,) of each point that went into `grid`: that of its cell, outside that of the nearest cell.

    `scores` is (X, Y, Z).

    >>> grid = VoxelGrid(np.zeros(3), 1.0, (2, 1, 1))
    >>> grid = cloud_to_voxels(PointCloud(np.array([[0.5, 0, 0], [9, 0, 0]], np.float32)), grid)
    >>> voxel_scores_to_points(np.array([[[3.0]], [[4.0]]]), grid).tolist()
    [3.0, 4.0]
    """
    _check.instance("grid", grid, VoxelGrid, "VoxelGrid(origin, cell, shape)")
    _check.shape("scores", scores, grid.shape)
    if grid.nearest is None:
        raise ValueError("grid must hold a cloud, got an empty one: fill it with cloud_to_voxels")
    return _arrays.to_numpy("scores", scores, "fiub").astype(np.float32).reshape(-1)[grid.nearest]


def _check_pixel(pixel: NDArray[np.int64], shape: tuple[int, int]) -> None:
    size = shape[0] * shape[1]
    if len(pixel) and not (pixel.min() >= 0 and pixel.max() < size):
        raise ValueError(f"pixel must be in [0, {size}) for shape {shape}, got {pixel.min()} to {pixel.max()}")
