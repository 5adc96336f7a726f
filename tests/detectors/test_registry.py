"""Names, descriptions, and errors that say what would have been right."""

from __future__ import annotations

import subprocess
import sys

import pytest

import geoad
from geoad.detectors import DESCRIPTIONS, DETECTORS, base, detector_class, list_detectors, make_detector
from geoad.training.trainer import Trainer


def test_every_name_has_a_place_and_a_line() -> None:
    assert DETECTORS.keys() == DESCRIPTIONS.keys() == list_detectors().keys()
    assert all(line and "\n" not in line and len(line) < 100 for line in DESCRIPTIONS.values())


def test_listing_imports_no_torch() -> None:
    code = (
        "import sys, geoad.detectors as d; d.list_detectors(); sys.exit(bool({'torch', 'numpy'} & sys.modules.keys()))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ValueError, match=r"unknown detector 'voxel-wm' \(did you mean 'voxel-vm'\?\); known: 3d-st, .*, voxel-vm"
    ):
        make_detector("voxel-wm")


def test_an_unknown_keyword_lists_the_known_ones() -> None:
    known = "floor, outside, project, reduce, resolution, smooth, source"
    with pytest.raises(TypeError, match=f"no keyword 'k'; known: {known}"):
        make_detector("voxel-vm", k=3)


def test_keywords_reach_the_detector() -> None:
    made = make_detector("voxel-vm", resolution=8)
    assert type(made) is detector_class("voxel-vm") and made.config["resolution"] == 8


def test_the_base_is_there_when_asked_for() -> None:
    assert geoad.detectors.Detector is base.Detector and geoad.training.Trainer is Trainer
    assert geoad.training.Visit("see", print).name == "see"
    for module in (geoad.detectors, geoad.training):
        with pytest.raises(AttributeError, match="no attribute 'Detectors'"):
            module.Detectors  # noqa: B018
