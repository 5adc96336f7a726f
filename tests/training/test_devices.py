"""Several processes: the weights of one, whatever divides into what; an end for all when one of them ends."""

from __future__ import annotations

import json
import os
import signal
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, distributed, nn

from geoad.checks import synthetic_scan
from geoad.detectors.images.depth_autoencoder import DepthAutoencoder
from geoad.detectors.points.student_teacher import StudentTeacher3D
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample
from geoad.training.stage import Batch
from geoad.training.trainer import Trainer
from tests.training.toys import Calm, numbers

SAMPLES = numbers(11)  # in batches of 5, 5 and 1: uneven shares, and a process without one
HELD_OUT = numbers(7, seed=1)


def train(module: Calm, devices: int, **keywords: Any) -> Calm:
    return Trainer(devices=devices, **{"device": "cpu", **keywords}).run(module, SAMPLES, HELD_OUT)


@pytest.fixture(scope="module")
def alone() -> Calm:
    return train(Calm(), 1)


def assert_close(one: nn.Module, two: nn.Module, tolerance: float = 1e-6) -> None:
    for name, value in one.state_dict().items():
        torch.testing.assert_close(two.state_dict()[name], value, rtol=tolerance, atol=tolerance, msg=name)


class Failing(Calm):
    """Fails in one of two processes, after some steps."""

    def __init__(self, fault: str) -> None:
        super().__init__()
        self.fault, self.calls = fault, 0

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        self.calls += 1
        mine = not distributed.is_initialized() or distributed.get_rank() == 1
        if mine and self.calls == 9:
            self.fail()
        return super()._loss(batch)

    def fail(self) -> None:
        if self.fault == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        raise {"error": ValueError("planted"), "interrupt": KeyboardInterrupt()}[self.fault]


def test_two_processes_end_with_the_weights_of_one(alone: Calm, tmp_path: Path) -> None:
    log, module = tmp_path / "log", Calm()
    before = torch.random.get_rng_state()
    assert train(module, 2, log=log, memory=0) is module
    assert_close(alone, module)
    assert len(module.bank) == 11 and module.net.spare.tolist() == [1] and not module.training
    assert torch.equal(before, torch.random.get_rng_state())
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    places = [(line["stage"], line["step"], *sorted(line)) for line in lines]
    assert len(set(places)) == len(places)  # one process writes
    train(Calm(), 1, log=tmp_path / "alone")
    expected = [json.loads(line) for line in (tmp_path / "alone").read_text().splitlines()]
    last, other = ({line["stage"]: line for line in each} for each in (lines, expected))  # a slow machine writes more
    assert last.keys() == other.keys()
    for stage in last:
        for name in last[stage].keys() - {"seconds", "stage"}:
            assert last[stage][name] == pytest.approx(other[stage][name], rel=1e-5)


@pytest.mark.parametrize(
    ("fault", "before", "after", "error", "text"),
    [
        ("error", 2, 1, ValueError, "planted"),
        ("killed", 2, 2, RuntimeError, "process 1 of 2 was killed by signal 9: is the memory too small?"),
        ("interrupt", 1, 2, KeyboardInterrupt, ""),
    ],
)
def test_what_ends_one_ends_all_and_any_number_resumes(
    alone: Calm, tmp_path: Path, fault: str, before: int, after: int, error: type[BaseException], text: str
) -> None:
    with pytest.raises(error) as caught:
        train(Failing(fault), before, folder=tmp_path, checkpoint_every=2)
    assert str(caught.value) == text
    if fault == "error":
        assert "in process 1:" in caught.value.__notes__[0] and "in fail" in caught.value.__notes__[0]
    saved = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert saved["plan"][0] == "descend" and saved["step"] in (2, 4, 6)
    assert_close(alone, train(Calm(), after, folder=tmp_path))
    assert not (tmp_path / "geoad-cache").exists()


class Counting(Calm):
    """Writes down what each process prepares, sees and draws, and a buffer that a loss changes."""

    def __init__(self, folder: Path) -> None:
        super().__init__(epochs=1, batch_size=2)
        self.folder = folder

    def prepare(self, sample: Tensor) -> Batch:
        self._write("prepared", sample)
        return super().prepare(sample)

    def _loss(self, batch: Batch) -> dict[str, Tensor]:
        if self.training:
            self._write("drift", self.scale)
            self._write("drawn", torch.rand(1))
            self.scale += batch["x"].mean()  # as running statistics do, each process from its own share
        return super()._loss(batch)

    def _bank(self, batch: Batch) -> None:
        self._write("visited", batch["x"][0])
        super()._bank(batch)

    def _write(self, what: str, sample: Tensor) -> None:
        with (self.folder / f"{what} {os.getpid()}").open("a") as file:
            file.write(f"{float(sample[0])}\n")


def test_each_sample_is_prepared_once_and_visited_by_all(tmp_path: Path) -> None:
    log = tmp_path / "log"
    train(Counting(tmp_path), 3, log=log)
    prepared = [path.read_text().split() for path in tmp_path.glob("prepared *")]
    assert sorted(map(len, prepared)) == [2, 5, 5, 6]  # the first of each kind before the processes begin
    assert sorted(map(float, chain(*prepared))) == sorted(float(x[0]) for x in (*SAMPLES, *HELD_OUT))
    visited = [path.read_text().split() for path in tmp_path.glob("visited *")]
    assert [[float(line) for line in lines] for lines in visited] == [[float(x[0]) for x in SAMPLES]] * 3
    one, *others = (path.read_text() for path in tmp_path.glob("drift *"))
    assert len(set(one.split())) == 12 and others == [one, one]
    assert len({path.read_text() for path in tmp_path.glob("drawn *")}) == 3
    assert "1 of 3 devices are idle: batch_size is 2" in log.read_text()


def height_map(bump: float) -> Sample:
    y, x = torch.meshgrid(torch.arange(30) * 1e-3, torch.arange(30) * 1e-3, indexing="ij")
    z = 0.5 - bump * torch.exp(-((x - 0.012) ** 2 + (y - 0.015) ** 2) / 2e-5)
    return Sample(xyz=XYZImage(torch.stack([x, y, z], -1).numpy()))


@pytest.mark.parametrize(
    "teacher", ["3d-st-64", "numpy:sin"]
)  # the second decides the size of the student's parameters
def test_3d_st_learns_the_same_student_on_two_devices(teacher: str) -> None:
    """On whole clouds: of patches each device draws its own."""
    scans = [height_map(0.001 * i) for i in range(1, 6)]
    small: dict[str, Any] = {
        **StudentTeacher3D.thesis(),
        "points": 256,
        "k": 8,
        "steps": 8,
        "batch_size": 2,
        "teacher": teacher,
    }
    students = []
    for devices in (1, 2):
        trainer = Trainer(device="cpu", devices=devices)
        students.append(StudentTeacher3D(**small).fit(scans, validation=scans[:3], trainer=trainer))
    assert_close(*students, tolerance=1e-5)
    one, two = (torch.from_numpy(student.score(height_map(0.008)).pixels) for student in students)
    torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-4)


def test_weights_that_lie_channels_last_get_their_own_gradients() -> None:
    """A fused optimiser goes through memory: a gradient laid out otherwise would reach other weights."""
    scans = [synthetic_scan(seed) for seed in range(2)]
    small = {**DepthAutoencoder.tiny(), "steps": 2, "learning_rate": 1e-4, "batch_size": 2, "copies": 0}
    alone, shared = (
        DepthAutoencoder(**small).fit(scans, trainer=Trainer(device="cpu", devices=devices)) for devices in (1, 2)
    )
    weights = dict(shared.named_parameters())
    # Adam takes a rounding for a gradient where there is none, as in a bias before a norm
    moved = [(p - weights[key]).abs().mean() for key, p in alone.named_parameters() if p.ndim > 1]
    assert max(moved) < 2e-6, moved  # of steps of 1e-4


def test_what_cannot_be_shared_out_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match=r"^devices must be positive, got 0$"):
        Trainer(devices=0)
    with pytest.raises(ValueError, match=r'^device must be "auto", "cpu" or "cuda" with 2 devices, got \'cuda:1\'$'):
        train(Calm(), 2, device="cuda:1")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    with pytest.raises(ValueError, match=r"^devices must be at most 2, the number of GPUs, got 3$"):
        Trainer(device="cuda", devices=3).run(Calm(), SAMPLES)
    module = Calm()
    module.prepare = lambda sample: {"x": sample}  # type: ignore[method-assign]
    with pytest.raises(TypeError, match=r"^several devices need .* pickled: .*lambda.*$"):
        train(module, 2)


@pytest.mark.gpu
def test_two_gpus_end_with_the_weights_of_one(alone: Calm) -> None:
    if torch.cuda.device_count() < 2:
        pytest.skip(f"needs 2 GPUs, torch sees {torch.cuda.device_count()}")
    module = Trainer(device="cuda", devices=2).run(Calm(), SAMPLES, HELD_OUT)
    assert module.bank.device == torch.device("cuda", 0)
    assert_close(alone, module.cpu(), tolerance=1e-4)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_half_precision_needs_a_gpu(device: str) -> None:
    with pytest.raises(ValueError, match="precision '16-mixed' needs a GPU: on a CPU take 'bf16-mixed'"):
        Trainer(device=device, precision="16-mixed")


def test_a_device_that_is_none_is_told_at_once() -> None:
    for device in ("gpu", "CPU", None, "cuda:x"):
        with pytest.raises(ValueError, match='device must be "auto", "cpu", "cuda" or "cuda:NUMBER", got'):
            Trainer(device=device)  # type: ignore[arg-type]
    for device in ("cpu:0", torch.device("cpu", 0)):
        train(Calm(), 1, device=device)
    with pytest.raises(ValueError, match="precision '16-mixed' needs a GPU"):
        Trainer(device="cpu:0", precision="16-mixed")
