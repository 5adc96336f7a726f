"""Representations of a scan and the ways between them.

>>> from geoad.geometry import XYZImage, xyz_to_cloud
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoad.geometry.camera import Camera
    from geoad.geometry.convert import (
        bounding_grid,
        cloud_to_voxels,
        cloud_to_xyz,
        depth_to_xyz,
        scores_to_pixels,
        voxel_scores_to_points,
        xyz_to_cloud,
        xyz_to_depth,
    )
    from geoad.geometry.point_cloud import PointCloud
    from geoad.geometry.voxel_grid import VoxelGrid
    from geoad.geometry.xyz_image import XYZImage

_HOME = {
    "Camera": "camera",
    "PointCloud": "point_cloud",
    "VoxelGrid": "voxel_grid",
    "XYZImage": "xyz_image",
    "bounding_grid": "convert",
    "cloud_to_voxels": "convert",
    "cloud_to_xyz": "convert",
    "depth_to_xyz": "convert",
    "scores_to_pixels": "convert",
    "voxel_scores_to_points": "convert",
    "xyz_to_cloud": "convert",
    "xyz_to_depth": "convert",
}

__all__ = [
    "Camera",
    "PointCloud",
    "VoxelGrid",
    "XYZImage",
    "bounding_grid",
    "cloud_to_voxels",
    "cloud_to_xyz",
    "depth_to_xyz",
    "scores_to_pixels",
    "voxel_scores_to_points",
    "xyz_to_cloud",
    "xyz_to_depth",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return __all__
