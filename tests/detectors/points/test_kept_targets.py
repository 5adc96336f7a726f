"""Teacher features that are computed once: in memory, on disk, and what is left behind."""

from __future__ import annotations

import errno
import tempfile
from collections import Counter
from pathlib import Path

import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors.points import kept_targets, student_teacher
from geoad.detectors.points.kept_targets import KeptTargets
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.sample import Sample

SMALL = {**StudentTeacher3D.thesis(), "points": 300, "k": 8, "steps": 12, "width": 8, "blocks": 1, "teacher": "random"}


@pytest.fixture(scope="module")
def scans() -> list[Sample]:
    return [synthetic_scan(seed) for seed in range(4)]


@pytest.fixture
def temporary(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder for temporary files, but for those of torch's compiler, which it makes when it is first loaded."""
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path_factory.mktemp("torch")))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_memory_first_then_disk(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mapped: list[torch.Tensor] = []
    on_disk = kept_targets._mapped
    monkeypatch.setattr(kept_targets, "_mapped", lambda tensor: mapped.append(tensor) or on_disk(tensor))
    kept, made = KeptTargets(memory=900, disk=True), []

    def make(number: int) -> torch.Tensor:
        made.append(number)
        return torch.arange(100.0).view(25, 4) * number

    for _ in range(2):
        for number in (1, 2, 3, 4):
            assert torch.equal(
                kept.get(number, 400, lambda n=number: make(n)), torch.arange(100.0).view(25, 4) * number
            )
    assert made == [1, 2, 3, 4] and len(mapped) == 2
    assert not list(temporary.iterdir())  # the files have lost their names


def test_no_room_anywhere(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full = kept_targets.shutil.disk_usage("/")._replace(free=int(kept_targets.SPARE))
    monkeypatch.setattr(kept_targets.shutil, "disk_usage", lambda _: full)
    assert KeptTargets(memory=100, disk=True).get(0, 101, lambda: pytest.fail("was computed")) is None


def test_halves_come_back_as_floats() -> None:
    kept = KeptTargets(memory=0, disk=True).get(0, 8, lambda: torch.ones(2, dtype=torch.bfloat16))
    assert kept is not None and kept.dtype == torch.float32


@pytest.mark.parametrize("patch", [None, 1])
def test_the_disk_changes_no_bit(
    patch: int | None, scans: list[Sample], temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []
    for memory in (2e9, 0):
        monkeypatch.setattr(student_teacher, "KEPT_TARGETS", memory)
        states.append(StudentTeacher3D(**{**SMALL, "patch": patch}).fit(scans, validation=scans[:1]).state_dict())
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    assert not list(temporary.iterdir())


def test_the_teacher_is_asked_once_a_cloud(scans: list[Sample], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student_teacher, "KEPT_TARGETS", 0)
    asked: Counter[bool] = Counter()
    describe = StudentTeacher3D._describe

    def counting(self, *arguments):  # type: ignore[no-untyped-def]
        asked[self.training] += 1
        return describe(self, *arguments)

    monkeypatch.setattr(StudentTeacher3D, "_describe", counting)
    StudentTeacher3D(**{**SMALL, "validate_every": 2}).fit(scans[:3], validation=scans[3:])
    assert asked == {False: 3 + 1, True: 3}  # the statistics, the validation scan; and in training each scan


def test_ctrl_c_leaves_nothing(scans: list[Sample], temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(student_teacher, "KEPT_TARGETS", 0)
    detector, found = StudentTeacher3D(**SMALL), []
    loss = detector.loss

    def interrupted(batch):  # type: ignore[no-untyped-def]
        result = loss(batch)
        found.append([path.name for path in temporary.rglob("*") if path.is_file()])
        if len(found) == 5:
            raise KeyboardInterrupt
        return result

    detector.loss = interrupted  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        detector.fit(scans)
    assert found == [[]] * 5 and not list(temporary.iterdir())


def test_a_quota_ends_the_keeping_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: torch.Tensor) -> torch.Tensor:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(kept_targets, "_mapped", full)
    kept = KeptTargets(memory=0, disk=True)
    made = kept.get(0, 8, lambda: torch.ones(2))
    assert made is not None and torch.equal(made, torch.ones(2))
    assert kept.get(0, 8, lambda: pytest.fail("was computed")) is None  # there is no place for it
