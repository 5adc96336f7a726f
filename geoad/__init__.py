"""Find geometric defects in 3D scans when only good parts are known.

>>> import geoad
>>> sorted(geoad.list_detectors())[:1]
['3d-st']
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy
from geoad._numba_cache import find_place

if TYPE_CHECKING:
    from geoad import checks, data, descriptors, detectors, evaluation, geometry, metrics, ops, training
    from geoad.data import list_categories, list_datasets, open_dataset
    from geoad.detectors import list_detectors, make_detector
    from geoad.geometry.camera import Camera
    from geoad.geometry.point_cloud import PointCloud
    from geoad.geometry.voxel_grid import VoxelGrid
    from geoad.geometry.xyz_image import XYZImage
    from geoad.sample import AnomalyMap, Sample
    from geoad.training.trainer import Trainer

__version__ = "0.1.0"

find_place()  # before a kernel is imported

_HOME = {
    "AnomalyMap": "geoad.sample",
    "Camera": "geoad.geometry.camera",
    "PointCloud": "geoad.geometry.point_cloud",
    "Sample": "geoad.sample",
    "Trainer": "geoad.training.trainer",
    "VoxelGrid": "geoad.geometry.voxel_grid",
    "XYZImage": "geoad.geometry.xyz_image",
    "checks": None,
    "data": None,
    "descriptors": None,
    "detectors": None,
    "evaluation": None,
    "geometry": None,
    "list_categories": "geoad.data",
    "list_datasets": "geoad.data",
    "list_detectors": "geoad.detectors",
    "make_detector": "geoad.detectors",
    "metrics": None,
    "open_dataset": "geoad.data",
    "ops": None,
    "training": None,
}

__all__ = [
    "AnomalyMap",
    "Camera",
    "PointCloud",
    "Sample",
    "Trainer",
    "VoxelGrid",
    "XYZImage",
    "__version__",
    "checks",
    "data",
    "descriptors",
    "detectors",
    "evaluation",
    "geometry",
    "list_categories",
    "list_datasets",
    "list_detectors",
    "make_detector",
    "metrics",
    "open_dataset",
    "ops",
    "training",
]


__getattr__, __dir__ = lazy(__name__, _HOME)
