"""Kernels as pure functions: arrays or tensors in, the same kind out. A public name is the name of its file."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.ops.aggregate import aggregate
    from geoad.ops.chamfer import chamfer
    from geoad.ops.farthest_point_sample import farthest_point_sample
    from geoad.ops.harmonic_fill import harmonic_fill
    from geoad.ops.knn import Knn, knn
    from geoad.ops.occupied_voxels import Occupied, occupied_voxels
    from geoad.ops.radius_search import Neighbours, radius_search
    from geoad.ops.receptive_field import ReceptiveField, receptive_field
    from geoad.ops.splat_points import splat_points
    from geoad.ops.splat_voxels import splat_voxels
    from geoad.ops.voxel_downsample import Downsampled, voxel_downsample
    from geoad.ops.voxelize import Voxels, voxelize
    from geoad.ops.window_knn import window_knn

__all__ = [
    "Downsampled",
    "Knn",
    "Neighbours",
    "Occupied",
    "ReceptiveField",
    "Voxels",
    "aggregate",
    "chamfer",
    "farthest_point_sample",
    "harmonic_fill",
    "knn",
    "occupied_voxels",
    "radius_search",
    "receptive_field",
    "splat_points",
    "splat_voxels",
    "voxel_downsample",
    "voxelize",
    "window_knn",
]

OTHERS = {
    "Downsampled": "voxel_downsample",
    "Knn": "knn",
    "Neighbours": "radius_search",
    "Occupied": "occupied_voxels",
    "ReceptiveField": "receptive_field",
    "Voxels": "voxelize",
}
"""Names that are not those of their files."""


class _Ops(ModuleType):
    """A package whose attribute is the function, not the module of the same name, whoever imports the module first."""

    def __setattr__(self, name: str, value: Any) -> None:
        if name in __all__ and isinstance(value, ModuleType):
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Ops


__getattr__, __dir__ = lazy(__name__, {name: f"{__name__}.{OTHERS.get(name, name)}" for name in __all__})
