"""Methods, by name; a method's module is imported when the method is made."""

from __future__ import annotations

from inspect import signature
from typing import TYPE_CHECKING, Any

from geoad import _check
from geoad._lazy import lazy, load

if TYPE_CHECKING:
    from geoad.detectors.base import Detector, NotFittedError

DETECTORS = {
    "3d-st": "geoad.detectors.points.student_teacher:StudentTeacher3D",
    "depth-ae": "geoad.detectors.images.depth_autoencoder:DepthAutoencoder",
    "depth-fanogan": "geoad.detectors.images.depth_fanogan:DepthFAnoGAN",
    "depth-vm": "geoad.detectors.images.variation_model:DepthVariationModel",
    "feature-bank": "geoad.detectors.points.feature_bank:FeatureBank",
    "voxel-ae": "geoad.detectors.voxels.voxel_autoencoder:VoxelAutoencoder",
    "voxel-fanogan": "geoad.detectors.voxels.voxel_fanogan:VoxelFAnoGAN",
    "voxel-vae": "geoad.detectors.voxels.voxel_vae:VoxelVAE",
    "voxel-vm": "geoad.detectors.voxels.variation_model:VoxelVariationModel",
}

DESCRIPTIONS = {
    "3d-st": "3D student-teacher: local geometric features of points, regressed from good scans",
    "depth-ae": "autoencoder: depth images, compared with what a narrow code leaves of them",
    "depth-fanogan": "f-AnoGAN: depth images, compared with what a GAN of good ones makes of them",
    "depth-vm": "variation model: mean and deviation of each pixel's depth over good, aligned scans",
    "feature-bank": "memory bank of the pretrained teacher's point features; nothing is trained",
    "voxel-ae": "autoencoder: voxel grids, compared with what a narrow code leaves of them",
    "voxel-fanogan": "f-AnoGAN: voxel grids, compared with what a GAN of good ones makes of them",
    "voxel-vae": "variational autoencoder: voxel grids, compared with what a Gaussian code leaves of them",
    "voxel-vm": "variation model: mean and deviation of each voxel over good, aligned scans",
}

__all__ = [
    "DESCRIPTIONS",
    "DETECTORS",
    "Detector",
    "NotFittedError",
    "detector_class",
    "list_detectors",
    "make_detector",
]


__getattr__, __dir__ = lazy(__name__, dict.fromkeys(("Detector", "NotFittedError"), "geoad.detectors.base"))


def list_detectors() -> dict[str, str]:
    """Return the known methods, each with a one-line description.

    >>> list(list_detectors())
    ['3d-st', 'depth-ae', 'depth-fanogan', 'depth-vm', 'feature-bank', 'voxel-ae', 'voxel-fanogan', 'voxel-vae',
    'voxel-vm']
    """
    return dict(DESCRIPTIONS)


def detector_class(name: str) -> type[Detector]:
    """Return the class of a method; raise ValueError that lists the known ones.

    >>> detector_class("voxel-vm").__name__
    'VoxelVariationModel'
    """
    _check.one_of("detector", name, DETECTORS)
    found: type[Detector] = load(DETECTORS[name])
    return found


def make_detector(name: str, **params: Any) -> Detector:
    """Return a new, unfitted detector; raise ValueError for an unknown name, TypeError for an unknown keyword.

    >>> make_detector("voxel-vm", resolution=32).config["resolution"]
    32
    >>> make_detector("depth-vm", sauce="depth")
    Traceback (most recent call last):
    TypeError: depth-vm has no keyword 'sauce' (did you mean 'source'?); known: floor, reduce, source
    """
    made = detector_class(name)
    known = signature(made).parameters
    for keyword in params:
        if keyword not in known:
            raise TypeError(f"{name} has no keyword {keyword!r}{_check.likely(keyword, known)}")
    return made(**params)
