"""Representations of a scan and the ways between them.

>>> from geoad.geometry import XYZImage, xyz_to_cloud
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.geometry.camera import Camera
    from geoad.geometry.convert import (
        bounding_grid,
        cloud_to_cells,
        cloud_to_voxels,
        cloud_to_xyz,
        depth_to_xyz,
        scores_to_pixels,
        voxel_scores_to_points,
        xyz_to_cloud,
        xyz_to_depth,
    )
    from geoad.geometry.pinhole import fit_pinhole
    from geoad.geometry.plane import Plane, fit_background
    from geoad.geometry.point_cloud import PointCloud
    from geoad.geometry.rotate import rotate_points, rotate_scan
    from geoad.geometry.voxel_grid import VoxelGrid
    from geoad.geometry.xyz_image import XYZImage

_HOME = {
    "Camera": "geoad.geometry.camera",
    "Plane": "geoad.geometry.plane",
    "PointCloud": "geoad.geometry.point_cloud",
    "VoxelGrid": "geoad.geometry.voxel_grid",
    "XYZImage": "geoad.geometry.xyz_image",
    "bounding_grid": "geoad.geometry.convert",
    "cloud_to_cells": "geoad.geometry.convert",
    "cloud_to_voxels": "geoad.geometry.convert",
    "cloud_to_xyz": "geoad.geometry.convert",
    "depth_to_xyz": "geoad.geometry.convert",
    "fit_background": "geoad.geometry.plane",
    "fit_pinhole": "geoad.geometry.pinhole",
    "rotate_points": "geoad.geometry.rotate",
    "rotate_scan": "geoad.geometry.rotate",
    "scores_to_pixels": "geoad.geometry.convert",
    "voxel_scores_to_points": "geoad.geometry.convert",
    "xyz_to_cloud": "geoad.geometry.convert",
    "xyz_to_depth": "geoad.geometry.convert",
}

__all__ = [
    "Camera",
    "Plane",
    "PointCloud",
    "VoxelGrid",
    "XYZImage",
    "bounding_grid",
    "cloud_to_cells",
    "cloud_to_voxels",
    "cloud_to_xyz",
    "depth_to_xyz",
    "fit_background",
    "fit_pinhole",
    "rotate_points",
    "rotate_scan",
    "scores_to_pixels",
    "voxel_scores_to_points",
    "xyz_to_cloud",
    "xyz_to_depth",
]

__getattr__, __dir__ = lazy(__name__, _HOME)
