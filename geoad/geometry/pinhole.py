"""A camera for organised scans that came without calibration."""

from __future__ import annotations

import numpy as np

from geoad import _check
from geoad.geometry.camera import Camera
from geoad.geometry.subset import draw_subset
from geoad.geometry.xyz_image import XYZImage

WORST = 0.01
"""The largest root mean square distance between points and their pixels' rays, as a share of the longer side."""
POINTS = 20_000
"""Points that the fit takes: more change nothing."""


def fit_pinhole(image: XYZImage) -> Camera:
    """Return the undistorted camera that sees the points of an organised scan nearest to their pixels.

    Raises ValueError if no such camera sees them within 1 % of the longer side (root mean square): a scan in another
    frame than the sensor's, resampled to a grid, or a cloud of one row.

    >>> from geoad.geometry.convert import depth_to_xyz
    >>> depth = 1 + np.random.default_rng(0).random((24, 32))
    >>> camera = fit_pinhole(depth_to_xyz(depth, Camera.pinhole(40.0, (24, 32))))
    >>> [round(float(value), 2) for value in (camera.focus / camera.sx, camera.cx)]
    [40.0, 15.5]
    """
    _check.instance("image", image, XYZImage, "XYZImage(array)")
    pixel = np.flatnonzero(image.valid & (image.xyz[..., 2] > 0))
    pixel = pixel[draw_subset(len(pixel), POINTS)]
    points = image.xyz.reshape(-1, 3)[pixel].astype(np.float64)
    places = np.stack([pixel % image.shape[1], pixel // image.shape[1]], -1)
    lines, squares = [], 0.0
    for axis in (0, 1):
        slopes = np.stack([points[:, axis] / points[:, 2], np.ones(len(points))], -1)
        line = np.linalg.lstsq(slopes, places[:, axis], rcond=None)[0]
        lines.append(line)
        squares += float(np.square(slopes @ line - places[:, axis]).sum())
    error = np.sqrt(squares / max(len(points), 1))
    (fx, cx), (fy, cy) = lines
    if not (image.organised and fx > 0 and fy > 0 and error <= WORST * max(image.shape)):
        raise ValueError(
            f"no pinhole camera sees the scan of {image.shape} pixels as it is ({error:.1f} pixels off): "
            "add calibration/camera_parameters.json to the dataset"
        )
    return Camera(1.0, 0.0, float(1 / fx), float(1 / fy), float(cx), float(cy), image.shape[1], image.shape[0])
