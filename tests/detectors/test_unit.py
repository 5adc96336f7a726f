"""One scan in millimetres among scans in metres ruins what is learnt: that is said, with the scan's number."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest

from geoad.checks import synthetic_scan
from geoad.detectors import detector_class, make_detector
from geoad.detectors.base import OddScan
from geoad.detectors.unit import Lengths, is_other_unit
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

NAMES = ("3d-st", "feature-bank", "voxel-vm", "voxel-ae", "depth-vm", "depth-ae")
SCANS = [synthetic_scan(seed) for seed in range(4)]


def keywords(name: str) -> dict:
    return detector_class(name).tiny() | ({"steps": 2} if name in ("3d-st", "voxel-ae", "depth-ae") else {})


def in_millimetres(sample: Sample) -> Sample:
    assert sample.xyz is not None
    return replace(sample, xyz=XYZImage(sample.xyz.xyz * np.float32(1000)))


def test_ten_times_is_another_unit() -> None:
    assert [is_other_unit(1.0, times) for times in (9.5, 10.5, 1 / 9.5, 1 / 10.5)] == [False, True, False, True]


def test_a_first_scan_in_another_unit_does_not_decide_for_long() -> None:
    lengths = Lengths()
    told = [lengths.see(length, "{}") for length in (1000.0, 1.0, 1.0, 1.0)]
    assert told[1] is not None and told[3] is None


@pytest.mark.parametrize("name", NAMES)
def test_a_training_scan_in_another_unit_is_named(name: str) -> None:
    detector = make_detector(name, **keywords(name))
    with warnings.catch_warnings():
        warnings.simplefilter("error", OddScan)
        detector.fit(SCANS)
    with pytest.warns(OddScan, match=r"^training scan 2 \(from 0\) has .*: metres against millimetres\?"):
        detector.fit([*SCANS[:2], in_millimetres(SCANS[2]), SCANS[3]])
    with warnings.catch_warnings():
        warnings.simplefilter("error", OddScan)
        detector.fit([in_millimetres(scan) for scan in SCANS])  # forgets the unit of the last training


def test_a_validation_scan_in_another_unit_is_named() -> None:
    with pytest.warns(OddScan, match=r"^good scan -2 \(validation: -1, -2, …\) has neighbours .* millimetres\?"):
        make_detector("3d-st", **keywords("3d-st")).fit(SCANS[:3], validation=[SCANS[3], in_millimetres(SCANS[0])])


def test_a_stray_point_is_told_once() -> None:
    assert SCANS[1].xyz is not None
    xyz = SCANS[1].xyz.xyz.copy()
    xyz[16, 20] *= 100
    with pytest.warns(OddScan) as told:
        make_detector("voxel-vm", **keywords("voxel-vm")).fit([SCANS[0], replace(SCANS[1], xyz=XYZImage(xyz))])
    assert len(told) == 1 and "has a point" in str(told[0].message)
