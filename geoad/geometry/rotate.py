"""Scans as the camera would see them if the table were turned (thesis 9.3.1)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.geometry.camera import Camera
from geoad.geometry.plane import Plane
from geoad.geometry.xyz_image import XYZImage
from geoad.ops import _arrays


def rotate_points(points: NDArray[np.floating], plane: Plane, degrees: float) -> NDArray[np.float64]:
    """Return points (N, 3) turned about the plane's normal through its point; by 0 degrees to the same bits.

    >>> table = Plane(np.array([0, 0, -1.0]), np.array([0, 0, 0.5]))
    >>> rotate_points(np.array([[0.1, 0, 0.4]]), table, 90).round(6).tolist()
    [[0.0, -0.1, 0.4]]
    """
    points = _arrays.to_vectors("points", points, 3)
    x, y, z = plane.normal
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.radians(_arrays.real("degrees", degrees))
    if not np.isfinite(angle):
        raise ValueError(f"degrees must be finite, got {degrees}")
    change = np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross  # Rodrigues' rotation, less the identity
    return np.asarray(points + (points - plane.point) @ change.T)


def rotate_scan(image: XYZImage, plane: Plane, degrees: float, camera: Camera) -> XYZImage:
    """Return the scan turned about the plane's normal, on the pixels of `camera`.

    A point moves from its pixel by the difference of its projections after and before, so that by 0 degrees it stays,
    whatever the calibration. Of several points on one pixel the nearest to the camera is seen; a pixel without becomes
    invalid, and has the colour that its place on the plane had.

    Raises ValueError for a camera of another size.

    >>> from geoad.geometry.convert import depth_to_xyz
    >>> camera = Camera.pinhole(100.0, (5, 5))
    >>> table = Plane(np.array([0, 0, -1.0]), np.array([0, 0, 1.0]))
    >>> turned = rotate_scan(depth_to_xyz(np.tril(np.ones((5, 5))), camera), table, 90, camera)
    >>> turned.valid.astype(int).tolist()[0]
    [0, 0, 0, 0, 1]
    """
    if camera.shape != image.shape:
        raise ValueError(f"camera must make images of {image.shape} like the scan, got {camera.shape}")
    pixel = np.flatnonzero(image.valid)
    points = image.xyz.reshape(-1, 3)[pixel].astype(np.float64)
    turned = rotate_points(points, plane, degrees)
    target = _moved(pixel, points, turned, camera)
    seen = np.flatnonzero(target >= 0)
    nearest = np.full(image.valid.size, np.inf)
    np.minimum.at(nearest, target[seen], turned[seen, 2])
    seen = seen[turned[seen, 2] == nearest[target[seen]]]
    xyz = np.zeros((image.valid.size, 3), np.float32)
    xyz[target[seen]] = turned[seen]
    rgb = None
    if image.rgb is not None:
        source = np.full(image.valid.size, -1)
        source[target[seen]] = pixel[seen]
        unseen = np.flatnonzero(source < 0)
        source[unseen] = _behind(unseen, plane, degrees, camera)
        rgb = image.rgb.reshape(-1, 3)[source].reshape(image.rgb.shape)
    return XYZImage(xyz.reshape(image.xyz.shape), rgb)


def _moved(
    pixel: NDArray[np.int64], before: NDArray[np.float64], after: NDArray[np.float64], camera: Camera
) -> NDArray[np.int64]:
    """Return the pixels (N,) to which points on `pixel` (N,) go, -1 outside the image."""
    height, width = camera.shape
    shift = np.rint(camera.project(after) - camera.project(before))
    column, row = pixel % width + shift[:, 0], pixel // width + shift[:, 1]
    inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)  # not where there is no projection: NaN
    return np.where(inside, row * width + column, -1).astype(np.int64)


def _behind(pixel: NDArray[np.int64], plane: Plane, degrees: float, camera: Camera) -> NDArray[np.int64]:
    """Return where the places of pixels (N,) on the plane were before the turn; a pixel itself if they were nowhere."""
    rays = camera.rays(np.stack([pixel % camera.image_width, pixel // camera.image_width], -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        points = rays * (plane.normal @ plane.point / (rays @ plane.normal))[:, None]
        source = _moved(pixel, points, rotate_points(points, plane, -degrees), camera)
    return np.where(source >= 0, source, pixel)
