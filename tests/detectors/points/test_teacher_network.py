"""Networks that teach: random ones, ablated ones, and weights of another shape."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.cli.arguments import setting
from geoad.descriptors.teacher import Teacher
from geoad.detectors import make_detector
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.evaluation import Run
from geoad.geometry.xyz_image import XYZImage
from geoad.nn.local_features import LocalFeatures
from geoad.sample import Sample
from geoad.training.trainer import Trainer

SMALL = {"points": 300, "k": 8, "steps": 20, "width": 8, "blocks": 1, "teacher": "random"}


@pytest.fixture(scope="module")
def scans() -> list[Sample]:
    return [synthetic_scan(seed) for seed in range(3)]


def test_the_seed_draws_a_random_teacher(scans: list[Sample]) -> None:
    one, same, other = (
        StudentTeacher3D(**SMALL).fit(scans, trainer=Trainer(device="cpu", seed=seed)) for seed in (5, 5, 6)
    )
    weights = [detector.teacher.output.weight for detector in (one, same, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])
    assert not weights[0].requires_grad
    assert not torch.equal(weights[0], one.scales[0].students[0].output.weight)


def test_a_random_teacher_is_saved_with_its_student(scans: list[Sample], tmp_path: Path) -> None:
    words = ["teacher=random", "width=8", "blocks=1", "coordinates=absolute", "points=300", "k=8", "steps=5"]
    detector = make_detector("3d-st", **dict(map(setting, words)))  # as geoad fit --set gives them
    detector.fit(scans, trainer=Trainer(device="cpu", seed=3))
    run = Run.create(tmp_path, {"detector": "3d-st", "params": detector.config})
    run.save_detector(detector)
    again = Run.open(tmp_path).load_detector()
    assert torch.equal(again.teacher.output.weight, detector.teacher.output.weight)
    assert again.score(scans[0]).pixels.tobytes() == detector.score(scans[0]).pixels.tobytes()


def test_absolute_coordinates_reach_teacher_and_student(scans: list[Sample], tmp_path: Path) -> None:
    Teacher(LocalFeatures(8, 1, "absolute"), k=8).save(tmp_path / "mine.safetensors")
    plain = {**SMALL, "normalise": False, "smooth": 0}  # what is left of a level may be 0
    pretrained = {**plain, "teacher": str(tmp_path / "mine.safetensors"), "coordinates": "absolute"}
    moved = []
    for keywords in (pretrained, {**plain, "coordinates": "absolute"}, plain):
        detector = StudentTeacher3D(**keywords).fit(scans)
        assert detector.scales[0].students[0].coordinates == keywords.get("coordinates", "relative")
        xyz = scans[0].xyz.xyz + np.float32(0.25)  # type: ignore[union-attr]
        shifted = detector.score(Sample(xyz=XYZImage(np.where(scans[0].xyz.valid[..., None], xyz, 0))))  # type: ignore[union-attr]
        moved.append(float(shifted.pixels.mean() / detector.score(scans[0]).pixels.mean()))
    assert moved[0] > 2 and moved[1] > 2 and moved[2] == pytest.approx(1, rel=0.01)


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"width": 128}, "width must be 64 like that of teacher '3d-st-64', got 128: pretrain one, or take"),
        ({"blocks": 2}, "blocks must be 4 like that of teacher '3d-st-64', got 2"),
        ({"coordinates": "absolute"}, "coordinates must be relative like that of teacher '3d-st-64', got absolute"),
        ({"teacher": "radnom"}, r"unknown teacher 'radnom' \(did you mean 'random'\?\); known: .*3d-st-64"),
        ({"teacher": "random", "width": 30}, "width must be a positive multiple of 4, got 30"),
        ({"teacher": "random", "blocks": 0}, "blocks must be positive, got 0"),
        ({"teacher": "random", "coordinates": "rel"}, "unknown coordinates 'rel'"),
    ],
)
def test_contradictions(keywords: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        StudentTeacher3D(**keywords)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_what_says_the_same_is_no_contradiction() -> None:
    assert StudentTeacher3D(width=64, blocks=4, coordinates="relative").config["width"] == 64


def test_a_teacher_file_whose_weights_are_of_another_width(tmp_path: Path) -> None:
    network = LocalFeatures(8, 1)
    network.width = 12
    Teacher(network, k=8).save(tmp_path / "odd.safetensors")
    with pytest.raises(ValueError, match=r"odd.safetensors: its tensors are not those of a teacher of width 12"):
        StudentTeacher3D(teacher=str(tmp_path / "odd.safetensors"))


def test_a_run_whose_weights_are_of_another_width(scans: list[Sample], tmp_path: Path) -> None:
    small, large = (StudentTeacher3D(**{**SMALL, "width": width, "steps": 1}).fit(scans) for width in (8, 12))
    run = Run.create(tmp_path, {"detector": "3d-st", "params": small.config})
    run.save_detector(large)
    with pytest.raises(ValueError, match=r"checkpoint.safetensors.* of other parameters: .*must have shape") as caught:
        run.load_detector()
    assert "\n" not in str(caught.value)
