"""Functions in the teacher's place: given or named, points without a descriptor, one call a scan, wrong answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geoad.checks import CHECKS, check_detector, synthetic_scan
from geoad.cli.arguments import setting
from geoad.detectors import make_detector
from geoad.detectors.points.foreign_teacher import ForeignTeacher
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.evaluation import Run
from geoad.ops.harmonic_fill import harmonic_fill
from geoad.sample import Sample
from geoad.training.trainer import Trainer
from tests.detectors.points.stopping import Stop, stop_after

SMALL = {**StudentTeacher3D.thesis(), "points": 300, "k": 8, "steps": 20, "width": 8, "blocks": 1}
MODULE = """
import numpy as np

class Features:
    @staticmethod
    def waves(points):
        offset = (points - points.mean(0)) * 200
        return np.column_stack([np.sin(offset), np.cos(offset), np.sin(offset.sum(1))[:, None]])
"""


def waves(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Seven numbers a point: no multiple of four."""
    offset = (points - points.mean(0)) * 200
    return np.column_stack([np.sin(offset), np.cos(offset), np.sin(offset.sum(1))[:, None]])


def sparse(points: NDArray[np.float32]) -> torch.Tensor:
    """The same for every fifth point, as a tensor."""
    found = torch.from_numpy(waves(points)).double()
    found[torch.arange(len(points)) % 5 != 0, 1] = torch.nan
    return found


@pytest.fixture(scope="module")
def scans() -> list[Sample]:
    return [synthetic_scan(seed) for seed in range(4)]


@pytest.fixture
def named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of `waves` in a module of its own."""
    (tmp_path / "some_features.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    return "some_features:Features.waves"


@pytest.fixture(scope="module")
def fitted(scans: list[Sample]) -> StudentTeacher3D:
    return StudentTeacher3D(**SMALL, teacher=sparse).fit(scans)


def test_a_name_leads_to_the_same_as_the_function(scans: list[Sample], named: str, tmp_path: Path) -> None:
    key, value = setting(f"teacher={named}")  # as geoad fit --set gives it
    one = make_detector("3d-st", **SMALL, **{key: value}).fit(scans)
    two = StudentTeacher3D(**SMALL, teacher=waves).fit(scans)
    assert one.score(scans[0]).pixels.tobytes() == two.score(scans[0]).pixels.tobytes()
    assert one.scales[0].students[0].outputs == 7 and one.scales[0].students[0].width == 8
    run = Run.create(tmp_path / "run", {"detector": "3d-st", "params": one.config})
    run.save_detector(one)
    assert json.loads((run.folder / "config.json").read_text())["params"]["teacher"] == named
    again = Run.open(run.folder).load_detector()
    assert again.score(scans[1]).pixels.tobytes() == one.score(scans[1]).pixels.tobytes()


def test_it_is_what_every_detector_must_be(named: str) -> None:
    keywords = {**SMALL, "steps": 10, "teacher": named}
    check_detector(lambda: StudentTeacher3D(**keywords), [name for name in CHECKS if name != "defects_score_higher"])


def test_it_is_called_once_a_scan(scans: list[Sample]) -> None:
    calls: list[int] = []

    def counting(points: NDArray[np.float32]) -> NDArray[np.float32]:
        calls.append(len(points))
        return waves(points)

    StudentTeacher3D(**SMALL, teacher=counting).fit(scans[:3], validation=scans[3:])
    assert calls == [300] * 4


def test_the_function_cannot_write_into_the_scan(scans: list[Sample]) -> None:
    def spoiling(points: NDArray[np.float32]) -> NDArray[np.float32]:
        points += 1
        return points

    prepared = [StudentTeacher3D(**SMALL, teacher=teacher).prepare(scans[0]) for teacher in (spoiling, waves)]
    assert torch.equal(prepared[0]["points"], prepared[1]["points"])


def test_masked_descriptors_are_none(scans: list[Sample]) -> None:
    def half_masked(points: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.ma.masked_array(waves(points)[:, ::-1])  # negative strides are a plain array's too
        found[::2, 1] = np.ma.masked
        return found

    described = ForeignTeacher(half_masked).describe(scans[0].xyz.xyz[scans[0].xyz.valid], "a scan")["described"]  # type: ignore[union-attr]
    assert not described[::2].any() and described[1::2].all()


def test_only_described_points_are_learnt(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    batch = fitted.prepare(scans[0])
    known = torch.arange(300) % 5 == 0
    assert torch.equal(batch["described"], known) and not batch["features"][~known].any()
    errors = fitted.errors(batch)
    loss = fitted.loss({**batch, "sample": torch.tensor([0])})["total"]
    torch.testing.assert_close(loss, errors[known].mean())
    gradient = torch.autograd.grad(loss, fitted.scales[0].students[0].output.bias)[0]
    assert gradient.isfinite().all() and gradient.any()
    moments = fitted.scales[0].moments
    seen = torch.cat([fitted.prepare(scan)["features"][known] for scan in scans]).double()
    assert int(moments.count) == len(seen) == 240
    torch.testing.assert_close(moments.mean, seen.mean(0))


def test_other_pixels_are_interpolated(fitted: StudentTeacher3D) -> None:
    scan = synthetic_scan(7, defect=True)
    batch = fitted.prepare(scan)
    scores = fitted.errors(batch).detach()[batch["described"]].numpy()
    pixel = batch["pixel"][batch["described"]].numpy()
    result = fitted.score(scan)
    assert np.array_equal(result.pixels.flat[pixel], scores) and result.score == scores.max()
    known, values = np.zeros(scan.shape, bool), np.zeros(scan.shape, np.float32)
    known.flat[pixel], values.flat[pixel] = True, scores
    assert np.array_equal(result.pixels, harmonic_fill(values, known))


def test_smoothing_takes_described_neighbours_only(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    batch = fitted.prepare(scans[0])
    errors, known = fitted.errors(batch).detach().numpy(), batch["described"].numpy()
    near = np.column_stack([np.arange(300), batch["index"].numpy()])
    expected = [errors[row[known[row]]].mean() for row in near[known]]
    try:
        fitted.smooth = 1
        np.testing.assert_allclose(fitted.scores(batch).detach().numpy()[known], expected, rtol=1e-5)
    finally:
        fitted.smooth = 0


def test_patches_lie_around_described_points(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    joined = fitted.collate([fitted.prepare(scan) for scan in scans[:2]])
    batch = {**joined, "sample": torch.arange(2)}
    drawn = torch.stack([fitted._centres(batch) for _ in range(200)])
    assert batch["described"][drawn].all()
    assert drawn[:, 0].max() < 300 <= drawn[:, 1].min() and len(drawn[:, 0].unique()) > 30
    patched = StudentTeacher3D(**{**SMALL, "patch": 1}, teacher=sparse).fit(scans)
    assert np.isfinite(patched.score(scans[0]).pixels).all()


def test_clouds_of_a_batch_weigh_alike(fitted: StudentTeacher3D, scans: list[Sample]) -> None:
    items = [fitted.prepare(scan) for scan in scans[:2]]
    items[1]["described"][100:] = False
    single = [fitted.loss({**item, "sample": torch.tensor([i])})["total"] for i, item in enumerate(items)]
    joined = fitted.loss({**fitted.collate(items), "sample": torch.tensor([0, 1])})["total"]
    torch.testing.assert_close(joined, torch.stack(single).mean())


def test_levels_are_those_of_described_points(scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "normalise": True}, teacher=sparse).fit(scans)
    described = [detector.prepare(scan)["described"].sum() for scan in scans]
    assert detector.level is not None
    assert len(detector.level.places) == sum(-(-int(count) // 8) for count in described)
    assert bool(torch.isfinite(detector.level.terms).all())


def test_resumes_to_the_same_weights(scans: list[Sample], tmp_path: Path) -> None:
    whole = StudentTeacher3D(**SMALL, teacher=waves).fit(scans)
    stopped = StudentTeacher3D(**SMALL, teacher=waves)
    stop_after(stopped, 12)
    with pytest.raises(Stop):
        stopped.fit(scans, trainer=Trainer(folder=tmp_path, checkpoint_every=5))
    resumed = StudentTeacher3D(**SMALL, teacher=waves).fit(scans, trainer=Trainer(folder=tmp_path, checkpoint_every=5))
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name


def test_another_length_is_another_teacher(scans: list[Sample]) -> None:
    def growing(points: NDArray[np.float32]) -> NDArray[np.float32]:
        return waves(points)[:, : 6 if points[:, 2].max() > 0.6 else 7]

    detector = StudentTeacher3D(**SMALL, teacher=growing).fit(scans)
    far = replace(scans[0].xyz, xyz=scans[0].xyz.xyz + np.float32([0, 0, 0.2]))  # type: ignore[union-attr,type-var]
    with pytest.raises(ValueError, match="growing must return 7 numbers a point as for the first scan, got 6"):
        detector.score(Sample(xyz=far))


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda p: p[:-1], r"a/b.tiff: teacher .*lambda.* must return shape \(300, d\), got \(299, 3\)"),
        (lambda p: p[:, 0], r"must return shape \(300, d\), got \(300,\)"),
        (lambda p: p[:, :0], r"must return shape \(300, d\), got \(300, 0\)"),
        (lambda p: p * np.nan, "a/b.tiff: teacher .*lambda.* has no finite descriptor for any of 300 points"),
    ],
)
def test_wrong_answers_name_the_scan(answer, message: str, scans: list[Sample]) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ValueError, match=message):
        StudentTeacher3D(**SMALL, teacher=answer).prepare(replace(scans[0], path="a/b.tiff"))


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("no_such_module:f", ImportError, "teacher 'no_such_module:f': No module named .* on PYTHONPATH"),
        ("math:no_such_function", ValueError, "must be 'package.module:function', got 'math:no_such_function'"),
        (":f", ValueError, "must be 'package.module:function', got ':f'"),
        ("math:pi", TypeError, "must be a name, a path or a function, got 'math:pi'"),
        (Path("teacher.safetensors"), TypeError, "must be a name, a path or a function, got PosixPath"),
    ],
)
def test_what_is_no_function(text: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        ForeignTeacher(text)


def test_a_function_cannot_follow_rotations() -> None:
    with pytest.raises(ValueError, match="rotate=True needs a network to teach, got the function waves"):
        StudentTeacher3D(teacher=waves, rotate=True)


@pytest.mark.gpu
@pytest.mark.parametrize("patch", [None, 1])
def test_a_student_on_a_gpu(patch: int | None, scans: list[Sample]) -> None:
    detector = StudentTeacher3D(**{**SMALL, "patch": patch}, teacher=sparse).fit(scans, trainer=Trainer(device="cuda"))
    assert detector.scales[0].students[0].output.weight.is_cuda and detector.scales[0].moments.mean.is_cuda
    there = detector.score(scans[0]).pixels
    np.testing.assert_allclose(detector.cpu().score(scans[0]).pixels, there, rtol=1e-3, atol=1e-3)


def test_what_a_function_raises_names_scan_and_function(scans: list[Sample]) -> None:
    def broken(points: NDArray[np.float32]) -> NDArray[np.float32]:
        raise RuntimeError("boom")

    for teacher, told in ((broken, "broken raised RuntimeError: boom"), ("math:sin", "math:sin raised TypeError")):
        with pytest.raises(ValueError, match=f"teacher .*{told}"):
            StudentTeacher3D(**SMALL, teacher=teacher).fit(scans)
