"""Every default of every method, whole: those of the papers, or, for 3D-ST, of the published results."""

from __future__ import annotations

from typing import Any

import pytest

from geoad.detectors import list_detectors, make_detector

VOXELS = {"source": "xyz", "resolution": 64, "project": "hull", "outside": "clip"}
TRAINED = {"width": 32, "epochs": 50, "steps": None, "copies": 20}
GAN = {"learning_rate": 2e-4, "critic_steps": 5, "penalty": 10.0, "kappa": 1.0}
CLOUDS = {"teacher": "3d-st-64", "points": 64_000, "k": 32, "image_quantile": 1.0}
DEPTH = {"source": "depth", "size": 256, "stretch": False}
DEFAULTS: dict[str, dict[str, Any]] = {
    "3d-st": {
        **CLOUDS, "normalise": True, "smooth": 2, "epochs": None, "steps": 3000, "batch_size": 1, "optimizer": "muon",
        "learning_rate": 2e-3, "weight_decay": 1e-5, "decay": True, "select": "best", "validate_every": 500,
        "rotate": False, "width": None, "blocks": None, "coordinates": None, "patch": 12, "clip": 5.0, "students": 1,
    },
    "feature-bank": {**CLOUDS, "normalise": False, "smooth": 0, "bank": 20_000},
    "voxel-vm": {**VOXELS, "floor": 0.05, "reduce": "norm", "smooth": 0.0},
    "voxel-ae": {**VOXELS, **TRAINED, "latent": 128, "batch_size": 2, "learning_rate": 1e-4},
    "voxel-vae": {**VOXELS, **TRAINED, "latent": 128, "batch_size": 2, "learning_rate": 1e-4, "beta": 1.0},
    "voxel-fanogan": {**VOXELS, **TRAINED, **GAN, "latent": 512, "batch_size": 2},
    "depth-vm": {"source": "depth", "floor": 1 / 255, "reduce": "norm"},
    "depth-ae": {**DEPTH, **TRAINED, "latent": 512, "batch_size": 32, "learning_rate": 1e-4},
    "depth-fanogan": {**DEPTH, **TRAINED, **GAN, "latent": 128, "batch_size": 4},
}  # fmt: skip


@pytest.mark.parametrize("name", list_detectors())
def test_defaults(name: str) -> None:
    assert make_detector(name).config == DEFAULTS[name]
