"""One point far away ruins what is made to hold all of them: that is said, with the scan's name."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors import detector_class, make_detector
from geoad.detectors.base import OddScan
from geoad.detectors.stray import stray_depth, stray_points
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

NAMES = ("voxel-vm", "voxel-ae", "depth-vm", "depth-ae", "3d-st", "feature-bank")


def with_a_stray(sample: Sample) -> Sample:
    assert sample.xyz is not None
    xyz = sample.xyz.xyz.copy()
    xyz[16, 20] *= 10
    return replace(sample, xyz=XYZImage(xyz))


@pytest.mark.parametrize("name", NAMES)
def test_a_stray_point_of_the_training_set_is_named(name: str) -> None:
    keywords = detector_class(name).tiny() | ({} if name in ("voxel-vm", "depth-vm", "feature-bank") else {"steps": 1})
    scans = [synthetic_scan(seed) for seed in range(3)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_detector(name, **keywords).fit(scans, validation=[with_a_stray(scans[0])]).score(with_a_stray(scans[1]))
    odd = [with_a_stray(scan) for scan in scans[1:]]
    with pytest.warns(OddScan, match=r"^training scan 1 \(from 0\) has a (point|pixel) .*; said of the first such"):
        make_detector(name, **keywords).fit([scans[0], *odd], validation=odd)


def test_of_turned_copies_the_scan_is_named() -> None:
    scans = [synthetic_scan(0), with_a_stray(synthetic_scan(1))]
    detector = make_detector("voxel-ae", **detector_class("voxel-ae").tiny() | {"steps": 1, "copies": 3})
    with pytest.warns(OddScan, match=r"^training scan 1 \(from 0\) has a point"):
        detector.fit(scans)


@pytest.mark.parametrize("height", [-10.0, 10.0])
def test_a_point_is_stray_on_either_side(height: float) -> None:
    plate = np.random.default_rng(0).random((1000, 3)) * [0.2, 0.1, 0.01]
    assert stray_points(np.vstack([plate, [[0.1, 0.05, height]]])) is not None


def test_four_times_the_usual_depth_is_stray() -> None:
    for farthest, told in ((2.0, True), (1.4, False)):
        assert (stray_depth(np.array([0.5, 0.5, 0.5, farthest], np.float32)) is not None) == told


def test_a_column_that_is_narrow_does_not_speak_for_the_scan() -> None:
    points = np.random.default_rng(0).random((20_000, 4, 3))
    points[:, 0] = 0.5 + 1e-3 * points[:, 0]  # every fourth point
    assert stray_points(points.reshape(-1, 3)) is None


@pytest.mark.parametrize("name", ["voxel-ae", "depth-ae"])
def test_pictures_do_not_depend_on_the_default_dtype(name: str) -> None:
    scan = synthetic_scan(0)
    detector = make_detector(name, **detector_class(name).tiny() | {"steps": 1}).fit([scan])
    pictures = detector.reconstruction(scan)
    torch.set_default_dtype(torch.float64)
    try:
        again = detector.reconstruction(scan)
    finally:
        torch.set_default_dtype(torch.float32)
    assert all(np.array_equal(again[key], picture) for key, picture in pictures.items())
