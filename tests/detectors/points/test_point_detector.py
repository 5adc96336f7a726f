"""What is wrong with scans and descriptors: another unit, channels that never vary, losses that are no number."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geoad.checks import synthetic_scan
from geoad.descriptors.teacher import Teacher
from geoad.detectors.base import Detector
from geoad.detectors.points.feature_bank import FeatureBank
from geoad.detectors.points.point_detector import _lowest
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.local_features import LocalFeatures
from geoad.sample import Sample

SMALL = {"points": 300, "k": 8, "steps": 20, "width": 8, "blocks": 1, "teacher": "random"}
MAKERS = [partial(StudentTeacher3D, **SMALL), partial(FeatureBank, points=300)]


@pytest.fixture(scope="module")
def scans() -> list[Sample]:
    return [synthetic_scan(seed) for seed in range(3)]


def enlarged(scan: Sample, factor: float) -> Sample:
    return replace(scan, xyz=XYZImage(scan.xyz.xyz * np.float32(factor)), path="mm/000.tiff")  # type: ignore[union-attr]


@pytest.mark.parametrize("factor", [1000, 0.05])
@pytest.mark.parametrize("make", [lambda: StudentTeacher3D(**SMALL), lambda: FeatureBank(points=300, k=8, bank=100)])
def test_another_unit_is_noticed_once(make, factor: float, scans: list[Sample]) -> None:  # type: ignore[no-untyped-def]
    detector: Detector = make().fit(scans)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.score(scans[0])
        detector.score(enlarged(scans[0], 3))  # a coarser scan, not another unit
    with pytest.warns(UserWarning, match=r"mm/000.tiff has neighbours .* metres against millimetres\?") as caught:
        result = detector.score(enlarged(scans[0], factor))
    assert len(caught) == 1 and caught[0].filename == __file__ and np.isfinite(result.pixels).all()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector.score(enlarged(scans[0], factor))
    with pytest.warns(UserWarning, match="metres against millimetres"):  # another training, another first time
        detector.fit(scans).score(enlarged(scans[0], factor))


def half_constant(points: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.column_stack([np.sin(points * 300), np.full(len(points), 5.0)])


def test_channels_that_never_vary_are_dropped(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "teacher": half_constant}).fit(scans)
    scale = detector.scales[0]
    assert scale.moments.varies.tolist() == [True, True, True, False]
    batch = detector.prepare(scans[0])
    before = detector.errors(batch)
    with torch.no_grad():
        scale.students[0].output.bias[3] += 100
    assert torch.equal(detector.errors(batch), before) and np.isfinite(detector.score(scans[0]).pixels).all()


def test_a_teacher_network_with_a_dead_channel(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**SMALL)
    start = detector._start_afresh

    def crippled(seed: int) -> None:
        start(seed)
        with torch.no_grad():
            detector.teacher.output.weight[2] = 0

    detector._start_afresh = crippled  # type: ignore[method-assign]
    detector.fit(scans)
    assert np.flatnonzero(~detector.scales[0].moments.varies.numpy()).tolist() == [2]
    assert np.isfinite(detector.score(scans[0]).pixels).all()


def of_length_one(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """A last channel that is constant but for rounding."""
    waves = np.sin(points * 300)
    unit = waves / np.linalg.norm(waves, axis=1, keepdims=True)
    return np.column_stack([waves, (unit**2).sum(1)])


def test_rounding_is_nothing_to_learn(scans: list[Sample]) -> None:
    points = np.concatenate([scan.xyz.xyz.reshape(-1, 3) for scan in scans])  # type: ignore[union-attr]
    assert of_length_one(points[points[:, 2] > 0])[:, 3].std() > 0
    detector = StudentTeacher3D(**{**SMALL, "teacher": of_length_one}).fit(scans)
    assert detector.scales[0].moments.varies.tolist() == [True, True, True, False]


def test_nothing_to_teach(scans: list[Sample], tmp_path: Path) -> None:
    detector = StudentTeacher3D(**{**SMALL, "teacher": lambda points: np.ones((len(points), 4))})
    with pytest.raises(ValueError, match="the teacher describes all points of all training scans alike"):
        detector.fit(scans)
    teacher = Teacher(LocalFeatures(8, 1), k=8)
    torch.nn.init.zeros_(teacher.network.output.weight)
    teacher.save(tmp_path / "same.safetensors")
    with pytest.raises(ValueError, match="the teacher describes all points of all training scans alike"):
        FeatureBank(teacher=str(tmp_path / "same.safetensors"), points=300).fit(scans)


@pytest.mark.parametrize("factor", [1e25, 1e-25, 0])
@pytest.mark.parametrize("make", MAKERS)
def test_a_unit_that_float32_does_not_hold(make: Any, factor: float) -> None:
    cloud = np.random.default_rng(0).random((1, 500, 3)) * factor
    with pytest.raises(ValueError, match="points of training scans must be distinct and less than 1e19 apart"):
        make().fit([Sample(xyz=XYZImage((cloud + (factor == 0)).astype(np.float32)))])


@pytest.mark.parametrize("outputs", [4, 12])
def test_descriptors_may_be_of_another_length_than_the_width(outputs: int, scans: list[Sample], tmp_path: Path) -> None:
    Teacher(LocalFeatures(8, 1, outputs=outputs), k=8).save(tmp_path / "t.safetensors")
    for make in (partial(StudentTeacher3D, steps=2), FeatureBank):
        detector = make(teacher=str(tmp_path / "t.safetensors"), points=300).fit(scans)
        assert np.isfinite(detector.score(scans[0]).pixels).all()


def test_a_loss_that_is_no_number_stops(scans: list[Sample]) -> None:
    with pytest.raises(ValueError, match=r"the loss of stage 'student' is (nan|inf) at step \d+"):
        StudentTeacher3D(**SMALL, learning_rate=1e30).fit(scans)


@pytest.mark.filterwarnings("ignore:a/b.tiff has neighbours")
@pytest.mark.parametrize("make", MAKERS)
def test_a_point_too_far_away_to_be_scored_is_told(make: Any, scans: list[Sample]) -> None:
    detector, xyz = make().fit(scans), scans[0].scan().xyz.copy()
    xyz[16, 20] = 1e30
    for image in (xyz, xyz.reshape(1, -1, 3)):
        with pytest.raises(ValueError, match=r"^a/b\.tiff has \d+ points whose scores are no finite numbers"):
            detector.score(Sample(xyz=XYZImage(image), path="a/b.tiff"))


def test_the_lowest_point_is_that_of_the_lowest_row_and_of_several_the_first() -> None:
    rng = np.random.default_rng(0)
    for values in (1, 2, 3, 5, 1000):
        for n in (1, 2, 30, 300):
            cloud = rng.integers(-values, values, (n, 3)).astype(np.float32)  # many ties, whole points among them
            assert _lowest(cloud) == min(range(n), key=lambda i: tuple(cloud[i]))


def test_invalid_rows_of_a_cloud_get_the_lowest_score() -> None:
    xyz = np.random.default_rng(0).random((1, 60, 3)).astype(np.float32)
    xyz[0, 5], xyz[0, 9] = 0, np.nan
    found = FeatureBank(points=40, k=8, bank=4).fit([Sample(xyz=XYZImage(xyz))]).score(Sample(xyz=XYZImage(xyz)))
    assert found.pixels[0, 5] == found.pixels[0, 9] == found.pixels.min()
    assert np.count_nonzero(found.pixels == found.pixels.min()) < 10


@pytest.mark.parametrize("make", [StudentTeacher3D, FeatureBank])
def test_k_is_by_default_that_of_the_teacher(make: Any, tmp_path: Path) -> None:
    Teacher(LocalFeatures(8, 1), k=5).save(tmp_path / "t.safetensors")
    made = make(teacher=str(tmp_path / "t.safetensors"))
    assert made.k == made.config["k"] == 5
    assert make(teacher=str(tmp_path / "t.safetensors"), k=9).k == 9 and make().k == 32
