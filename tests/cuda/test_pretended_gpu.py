"""All that trains and scores, on a GPU that is not there, with the kernels of cuda_ext over the shim.

Maps are held against those of the CPU by the same weights: where a gradient is zero up to rounding, Adam's steps are
not the same on two devices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from geoad.checks import synthetic_scan
from geoad.descriptors.teacher import Teacher
from geoad.detectors import detector_class, list_detectors, make_detector
from geoad.detectors.base import Detector
from geoad.detectors.points.pretraining import TeacherPretraining
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.nn.local_features import LocalFeatures
from geoad.ops import aggregate_cuda
from geoad.training.stop import Stopped
from geoad.training.trainer import Trainer
from tests.cuda.pretended import GPU, There, pretended_gpu

SCANS = [synthetic_scan(seed) for seed in range(3)]
HELD_OUT = [synthetic_scan(seed) for seed in (100, 101)]
DEFECT = synthetic_scan(200, defect=True)
SMALL = {"points": 200, "k": 6, "teacher": "random", "width": 8, "blocks": 2, "steps": 2}


def waves(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """A descriptor that every third point lacks."""
    found = np.sin((points - points.mean(0)) * 200)
    found[::3] = np.nan
    return found


KEYWORDS: dict[str, tuple[str, dict[str, Any]]] = {
    "defaults": ("3d-st", {**SMALL, "patch": 2, "validate_every": 1}),
    "thesis": ("3d-st", {**StudentTeacher3D.thesis(), **SMALL}),
    "ensemble of two values of k": ("3d-st", {**SMALL, "k": [4, 6], "students": 2}),
    "turned": ("3d-st", {**SMALL, "rotate": True, "batch_size": 2}),
    "absolute coordinates": ("3d-st", {**SMALL, "coordinates": "absolute"}),
    "a function teaches": ("3d-st", {**SMALL, "teacher": waves, "patch": 1, "normalise": True, "smooth": 1}),
    "normalised bank": ("feature-bank", {"points": 200, "normalise": True, "smooth": 1}),
    "floor chosen by validation": ("voxel-vm", {"resolution": 16, "source": "xyz+rgb", "smooth": 1.0}),
    **{
        f"{name} in colour": (name, {**detector_class(name).tiny(), "source": source, "steps": 2})
        for name, source in (("voxel-ae", "xyz+rgb"), ("voxel-fanogan", "xyz+rgb"), ("depth-fanogan", "depth+rgb"))
    },
}


@pytest.fixture
def gpu(host_library: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[torch.device]:
    """A GPU that is not there."""
    with pretended_gpu(monkeypatch, host_library) as device:
        yield device


def assert_trains_and_scores(detector: Detector) -> None:
    detector.fit(SCANS, validation=HELD_OUT, trainer=Trainer(device="cuda"))
    assert all(isinstance(tensor, There) for tensor in detector.state_dict().values())
    found, expected = detector.score(DEFECT), detector.cpu().score(DEFECT)
    assert not any(isinstance(tensor, There) for tensor in detector.state_dict().values())
    np.testing.assert_allclose(found.pixels, expected.pixels, rtol=1e-4, atol=1e-4 * np.abs(expected.pixels).max())
    assert found.score == pytest.approx(expected.score, rel=1e-4)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("name", list_detectors())
def test_a_detector_trains_and_scores(name: str) -> None:
    keywords = detector_class(name).tiny()
    assert_trains_and_scores(make_detector(name, **{**keywords, **({"steps": 2} if "steps" in keywords else {})}))


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("case", KEYWORDS)
def test_so_it_does_with_other_keywords(case: str) -> None:
    name, keywords = KEYWORDS[case]
    assert_trains_and_scores(make_detector(name, **keywords))


def test_3d_st_learns_what_it_learns_on_the_cpu(gpu: torch.device) -> None:
    keywords = {**SMALL, "steps": 6, "patch": 2, "optimizer": "muon"}
    one, two = (StudentTeacher3D(**keywords).fit(SCANS, trainer=Trainer(device=where)) for where in ("cpu", "cuda"))
    assert two.device == gpu
    np.testing.assert_allclose(two.score(DEFECT).pixels, one.score(DEFECT).pixels, rtol=1e-3, atol=1e-3)


def test_a_training_goes_on_where_it_stopped(gpu: torch.device, tmp_path: Path) -> None:
    def fit(**keywords: Any) -> StudentTeacher3D:
        return StudentTeacher3D(**SMALL | {"steps": 4}).fit(SCANS, trainer=Trainer(device="cuda", **keywords))

    calls = iter([False] * 5 + [True])  # within two visits of three scans, then after the second step
    with pytest.raises(Stopped, match="stopped in stage 'student' at step 2 of 4"):
        fit(folder=tmp_path, stop=lambda: next(calls))
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert not any(isinstance(tensor, There) for tensor in saved["module"].values())
    resumed, whole = fit(folder=tmp_path), fit()
    assert resumed.device == gpu
    assert np.array_equal(resumed.score(DEFECT).pixels, whole.score(DEFECT).pixels)


@pytest.mark.usefixtures("gpu")
@pytest.mark.parametrize("keywords", [{}, {"coordinates": "absolute"}, {"rotate": True, "optimizer": "muon"}])
def test_a_teacher_is_pretrained(keywords: dict[str, Any]) -> None:
    small: dict[str, Any] = {"width": 8, "blocks": 1, "k": 4, "queries": 3, "field_points": 16, "steps": 3}
    scenes = [np.random.default_rng(seed).random((60, 3)) for seed in range(3)]
    module = TeacherPretraining(**small, **keywords, validate_every=1)
    Trainer(device="cuda").run(module, scenes[:2], scenes[2:])
    assert all(isinstance(tensor, There) and tensor.isfinite().all() for tensor in module.state_dict().values())


@pytest.mark.usefixtures("gpu")
def test_a_scan_waits_once_for_its_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = StudentTeacher3D(**SMALL).fit(SCANS, trainer=Trainer(device="cuda"))
    made, build = [], aggregate_cuda._Graph
    monkeypatch.setattr(aggregate_cuda, "_Graph", lambda *arguments: made.append(1) or build(*arguments))
    detector.score(DEFECT)
    assert len(made) == 1


@pytest.mark.parametrize("chunk", [1 << 20, 100])
def test_a_teacher_describes(gpu: torch.device, chunk: int) -> None:
    points = np.random.default_rng(0).random((300, 3), dtype=np.float32)
    teacher = Teacher(LocalFeatures(8, 2), 6).eval()
    expected = teacher(points, chunk=chunk)
    teacher.to(gpu)
    here, there = teacher(points, chunk=chunk), teacher(torch.from_numpy(points).to(gpu), chunk=chunk)
    assert isinstance(here, np.ndarray) and isinstance(there, There)
    for found in (here, there.cpu().numpy()):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * expected.std())
    scan = torch.from_numpy(points.reshape(15, 20, 3)).to(gpu)
    scan[0, 0] = 0
    organised = teacher.apply_organized(scan)
    assert isinstance(organised, There) and organised[0, 0].isnan().all() and organised[0, 1].isfinite().all()
    with pytest.raises(ValueError, match="points must be where the teacher is, on cuda:0, got points on cpu"):
        teacher(torch.from_numpy(points))


@pytest.mark.parametrize(
    ("what", "error"),
    [
        (lambda there, here: there + here, RuntimeError),
        (lambda there, here: there.copy_(here) * here, RuntimeError),
        (lambda there, here: torch.cat([there, here]), RuntimeError),
        (lambda there, here: here[there.long()], RuntimeError),
        (lambda there, here: there.index_put_((here.long(),), here), RuntimeError),
        (lambda there, _: torch.randn(3, device=there.device, generator=torch.Generator()), RuntimeError),
        (lambda there, _: there.numpy(), TypeError),
        (lambda there, _: np.asarray(there), TypeError),
    ],
)
def test_the_gpu_refuses_what_a_real_one_refuses(
    gpu: torch.device, what: Callable[[torch.Tensor, torch.Tensor], Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        what(torch.ones(3, device=gpu), torch.ones(3))


def test_the_gpu_does_what_a_real_one_does(gpu: torch.device) -> None:
    there, here = torch.arange(3.0, device=gpu), torch.tensor([2, 0])
    assert there[here].tolist() == [2, 0] and there[here].device == gpu
    there[1:] += torch.tensor(1.0)  # a view, and a number from the other place
    assert there.tolist() == [0, 2, 3] and float(there.sum()) == 5
    assert torch.tensor([1], device=gpu).is_cuda and there.new_zeros(2).is_cuda and torch.zeros_like(there).is_cuda
    assert not there.cpu().is_cuda and there.cpu().numpy().tolist() == [0, 2, 3]
    assert GPU == gpu == there.to(torch.float64).device
