"""Killed at any place, resumed to the same bits; refused if it is not of this run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from geoad.training import job
from geoad.training.checkpoint import Checkpoint, plain_keywords
from geoad.training.device import fabric_package
from geoad.training.run import StageRun
from geoad.training.stage import Descend, Update, Visit
from geoad.training.trainer import Trainer
from tests.training.test_trainer import SGD, Plan, train
from tests.training.toys import Toy, numbers, states_equal

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import os, signal, torch
from geoad.training.trainer import Trainer
from tests.training.toys import Toy, numbers
class Mortal(Toy):
    def _loss(self, batch):
        losses = Toy._loss(self, batch)
        self.calls = getattr(self, "calls", 0) + 1
        if self.calls == {kill}:
            os.kill(os.getpid(), signal.SIGKILL)
        return losses
module = Mortal(epochs=4)
Trainer(device="cpu", folder={folder!r}, checkpoint_every=2, memory=0).run(module, numbers())
torch.save(module.state_dict(), {folder!r} + "/weights.pt")
"""


def run_and_kill(folder: Path, kill: int) -> int:
    script = SCRIPT.format(folder=str(folder), kill=kill)
    return subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=False).returncode


def test_kill_9_and_the_same_command_again_gives_the_same_weights(tmp_path: Path) -> None:
    assert run_and_kill(tmp_path, kill=9) == -signal.SIGKILL
    assert (tmp_path / "checkpoint.pt").exists() and (tmp_path / "geoad-cache").exists()
    assert run_and_kill(tmp_path, kill=-1) == 0
    saved = torch.load(tmp_path / "weights.pt", weights_only=True)
    whole = Trainer(device="cpu").run(Toy(epochs=4), numbers())
    assert all(torch.equal(saved[name], value) for name, value in whole.state_dict().items())
    assert not (tmp_path / "geoad-cache").exists()


def interrupt_after(saves: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have somebody press Ctrl-C once, after so many checkpoints."""
    save, count = StageRun._save, []

    def dying(self: StageRun, *place: Any) -> None:
        save(self, *place)
        count.append(place)
        if len(count) == saves:
            raise KeyboardInterrupt

    monkeypatch.setattr(StageRun, "_save", dying)


@pytest.mark.parametrize("saves", range(1, 8))
def test_an_interrupt_after_any_save_resumes_to_the_same_bits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int
) -> None:
    interrupt_after(saves, monkeypatch)
    keywords: dict[str, Any] = {"device": "cpu", "folder": tmp_path, "checkpoint_every": 4}
    with pytest.raises(KeyboardInterrupt):
        Trainer(**keywords).run(Toy(), numbers())
    resumed = Trainer(**keywords).run(Toy(), numbers())
    assert states_equal(resumed, Trainer(device="cpu").run(Toy(), numbers()))


def test_an_interrupted_visit_begins_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    see, seen = Toy._bank, []

    def dying(self: Toy, batch: Any) -> None:
        see(self, batch)
        seen.append(int(batch["sample"]))
        if len(seen) == 5:
            raise KeyboardInterrupt

    monkeypatch.setattr(Toy, "_bank", dying)
    with pytest.raises(KeyboardInterrupt):
        Trainer(device="cpu", folder=tmp_path, checkpoint_every=1).run(Toy(), numbers())
    resumed = Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    assert seen == [*range(5), *range(12)]
    monkeypatch.undo()
    assert states_equal(resumed, Trainer(device="cpu").run(Toy(), numbers()))


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "cache" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("mine")
    Trainer(device="cpu", folder=tmp_path, memory=0).run(Toy(), numbers())
    assert precious.read_text() == "mine"


class Known(float):
    """A sample that can say what it is."""

    def digest(self) -> str:
        return str(float(self))


def test_other_samples_than_the_first_must_be_the_same_too(tmp_path: Path) -> None:
    class Sum(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("sum", torch.zeros(()))

        def prepare(self, sample: Known) -> dict[str, torch.Tensor]:
            return {"x": torch.tensor(float(sample))}

        def stages(self) -> Any:
            yield Visit("sum", self.see)

        def see(self, batch: Any) -> None:
            self.sum += batch["x"].sum()

    trainer, mine = Trainer(device="cpu", folder=tmp_path), [Known(1), Known(2)]
    assert [float(trainer.run(Sum(), mine, [Known(5)]).sum) for _ in range(2)] == [3, 3]
    others: list[tuple[list[float], list[float], str]] = [
        ([1, 7], [5], "samples"),
        ([1, 2], [5, 6], "of 1 validation"),
        ([2, 1], [5], "first"),
    ]
    for samples, held_out, kind in others:
        with pytest.raises(ValueError, match=rf"checkpoint\.pt: it.* {kind}.*; move it away to start afresh"):
            trainer.run(Sum(), [*map(Known, samples)], [*map(Known, held_out)])

    class Whole(list):
        def digest(self) -> str:
            return "files unlike those of parts"

    trainer.run(Sum(), Whole(mine), [Known(5)])  # the same, or not: nobody can tell
    Whole.digest = lambda self: "a digest of another's making"  # type: ignore[method-assign]
    with pytest.raises(ValueError, match="its samples are others"):
        trainer.run(Sum(), Whole(mine), [Known(5)])
    later = Trainer(device="cpu", folder=tmp_path / "later")
    later.run(Sum(), mine, [Known(5), Known(6)])
    with pytest.raises(ValueError, match="its validation samples are others: some were added, removed or changed"):
        later.run(Sum(), mine, [Known(5), Known(8)])


def test_a_module_of_other_keywords_is_refused(tmp_path: Path) -> None:
    def toy(**config: Any) -> Toy:
        module = Toy()
        module.config = config
        return module

    made = {"rate": 0.5, "sizes": (1, 2), "epochs": 3, "teacher": len}
    Trainer(device="cpu", folder=tmp_path).run(toy(**made), numbers())
    for again in ({}, made, {**made, "sizes": [1, 2], "teacher": max}):  # a function has no value to be held against
        Trainer(device="cpu", folder=tmp_path).run(toy(**again), numbers())
    with pytest.raises(ValueError, match=r"checkpoint\.pt: it is of rate = 0\.5, not 0\.1; move it away"):
        Trainer(device="cpu", folder=tmp_path).run(toy(**made | {"rate": 0.1}), numbers())


def fabric_that_scales(scaler: torch.amp.GradScaler) -> Any:
    package = fabric_package()
    return package.Fabric(accelerator="cpu", plugins=package.plugins.MixedPrecision("16-mixed", "cpu", scaler))


@pytest.mark.parametrize("saves", [2, 3, 4, 5])
def test_the_scale_of_losses_survives_a_resumption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, saves: int) -> None:
    """It doubles every five steps here, and tells how many there were: of 18, whatever happens between them."""
    scalers: list[torch.amp.GradScaler] = []

    def scaled(_device: str, _precision: str) -> Any:
        scalers.append(torch.amp.GradScaler("cpu", init_scale=2.0, growth_interval=5))
        return fabric_that_scales(scalers[-1])

    monkeypatch.setattr(job, "open_fabric", scaled)
    whole = Trainer(device="cpu").run(Toy(), numbers())
    interrupt_after(saves, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        Trainer(device="cpu", folder=tmp_path, checkpoint_every=4).run(Toy(), numbers())
    resumed = Trainer(device="cpu", folder=tmp_path, checkpoint_every=4).run(Toy(), numbers())
    assert states_equal(resumed, whole)
    assert scalers[0].get_scale() == scalers[2].get_scale() == 2.0 * 2 ** (18 // 5)
    assert scalers[0].state_dict() == scalers[2].state_dict()


def test_the_best_state_survives_a_resumption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Toy._stage
    monkeypatch.setattr(Toy, "_stage", lambda *a: stage(*a)._replace(select="best", validate_every=2))
    held_out = numbers(4, seed=1)
    whole = Trainer(device="cpu").run(Toy(), numbers(), held_out)
    loss, count = Toy._loss, []

    def dying(self: Toy, batch: Any) -> Any:
        count.append(self.training)
        if sum(count) == 9:
            raise KeyboardInterrupt
        return loss(self, batch)

    monkeypatch.setattr(Toy, "_loss", dying)
    with pytest.raises(KeyboardInterrupt):
        Trainer(device="cpu", folder=tmp_path, checkpoint_every=3).run(Toy(), numbers(), held_out)
    monkeypatch.setattr(Toy, "_loss", loss)
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["best"] is not None
    assert states_equal(whole, Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers(), held_out))


def test_files_prepared_by_another_run_are_not_taken_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "_loss", None)
    with pytest.raises(TypeError):
        Trainer(device="cpu", folder=tmp_path, memory=0).run(Toy(), numbers())
    monkeypatch.undo()
    (tmp_path / "checkpoint.pt").unlink()
    samples = [*numbers()[:6], *numbers(6, seed=3)]  # the first is the same, as if a scan had been replaced
    afresh = Trainer(device="cpu", folder=tmp_path, memory=0).run(Toy(), samples)
    assert states_equal(afresh, Trainer(device="cpu").run(Toy(), samples))


def test_a_finished_run_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    monkeypatch.setattr(Toy, "_loss", None)
    assert states_equal(first, Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers()))


def test_a_checkpoint_that_cannot_be_written_leaves_the_last_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = torch.save

    def full(content: dict[str, Any], file: Any) -> None:
        if content["step"] == 6:
            file.write(b"half")
            raise OSError("disk full")
        save(content, file)

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        Trainer(device="cpu", folder=tmp_path, checkpoint_every=3).run(Toy(), numbers())
    monkeypatch.undo()
    assert torch.load(tmp_path / "checkpoint.pt", weights_only=True)["step"] == 3
    resumed = Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    assert states_equal(resumed, Trainer(device="cpu").run(Toy(), numbers()))


def refusal(folder: Path, module: Toy | None = None, samples: Any = None, **keywords: Any) -> str:
    """Return the one line with which a run declines the checkpoint in `folder`, which stays as it was."""
    path = folder / "checkpoint.pt"
    before = path.read_bytes()
    with pytest.raises(ValueError, match="move it away to start afresh") as caught:
        Trainer(device="cpu", folder=folder, **keywords).run(module or Toy(), samples or numbers())
    assert str(path) in str(caught.value) and "\n" not in str(caught.value) and path.read_bytes() == before
    return str(caught.value)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    assert "seed 0, not 1" in refusal(tmp_path, seed=1)
    assert "12 samples, not 11" in refusal(tmp_path, samples=numbers(11))
    assert "other data or other parameters" in refusal(tmp_path, samples=numbers(seed=3))
    assert "net.0.weight must have shape (9, 4), got (8, 4)" in refusal(tmp_path, Toy(width=9))
    (tmp_path / "checkpoint.pt").unlink()
    Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())


def test_a_checkpoint_of_another_plan_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Toy, "_bank", None)
    with pytest.raises(TypeError):
        Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    path = tmp_path / "checkpoint.pt"
    torch.save(torch.load(path, weights_only=True) | {"plans": []}, path)  # as older ones
    assert "'head' of 9 steps, not 'head' of 12" in refusal(tmp_path, Toy(epochs=4))
    monkeypatch.setattr(Toy, "stages", lambda self: iter(()))
    assert "there are only 0" in refusal(tmp_path)


def test_a_finished_run_of_another_length_is_refused(tmp_path: Path) -> None:
    short = Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    assert "it has 9 steps of stage 'descend' behind it, not 12 of 'descend'" in refusal(tmp_path, Toy(epochs=4))
    assert states_equal(Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers()), short)


def test_a_module_with_other_keys_is_refused(tmp_path: Path) -> None:
    Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    more = Toy()
    more.register_buffer("more", torch.zeros(1))
    assert "it lacks more" in refusal(tmp_path, more)
    less = Toy()
    del less.scale
    assert "unknown scale" in refusal(tmp_path, less)


@pytest.mark.parametrize("keep", [0, 10, 1000, -1])
def test_a_truncated_checkpoint_is_refused(tmp_path: Path, keep: int) -> None:
    Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(path.read_bytes()[:keep])
    assert "truncated" in refusal(tmp_path)


def test_something_else_in_place_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    torch.save({"weights": torch.zeros(3)}, tmp_path / "checkpoint.pt")
    assert "not a checkpoint" in refusal(tmp_path)
    torch.save(torch.zeros(3), tmp_path / "checkpoint.pt")
    assert "not a checkpoint" in refusal(tmp_path)


def test_a_folder_that_cannot_be_made_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Trainer(device="cpu", folder=tmp_path / "file" / "run").run(Toy(), numbers())
    assert os.listdir(tmp_path) == ["file"]


def test_weights_are_known_by_their_content(tmp_path: Path) -> None:
    def keywords(name: str, content: bytes | None = None) -> dict[str, object]:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        module = torch.nn.Module()
        module.config = {"teacher": str(tmp_path / name) if content is not None else name}
        return plain_keywords(module)

    one, moved, other = (
        keywords("a.safetensors", b"1"),
        keywords("b.safetensors", b"1"),
        keywords("c.safetensors", b"2"),
    )
    assert one == moved != other and str(tmp_path) not in str(one)
    facts = {"seed": 0, "samples": 1, "fingerprint": "f"}
    before = Checkpoint(0, 1, "f", stage=0, step=0, plan=("a", 1), module={}, keywords={"teacher": "old/a.safetensors"})
    before.check_run(tmp_path, **facts, keywords=one)  # of the time when a path was kept, which may be another now
    with pytest.raises(ValueError, match=r"it is of teacher = 'old/a\.safetensors', not '3d-st-64'"):
        before.check_run(tmp_path, **facts, keywords=keywords("3d-st-64"))
    before.keywords = one
    before.check_run(tmp_path, **facts, keywords=moved)
    with pytest.raises(ValueError, match="it is of teacher = 'weights "):
        before.check_run(tmp_path, **facts, keywords=other)


def test_a_full_disk_is_told_with_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"checkpoint\.pt: cannot be written: no space left on device; free or permit"):
        Trainer(device="cpu", folder=tmp_path).run(Toy(), numbers())
    assert not (tmp_path / "checkpoint.pt").exists()


def test_a_step_whose_scaled_gradients_overflow_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**127)

    def scaled(_device: str, _precision: str) -> Any:
        return fabric_that_scales(scaler)

    def stages(plan: Plan) -> Any:
        update = Update(plan, lambda batch: {"total": 1e3 * plan.loss(batch)["total"].float()}, SGD)
        yield Descend("fit", [update], steps=2)

    monkeypatch.setattr(job, "open_fabric", scaled)
    assert torch.equal(train(stages).a.weight, Plan(stages).a.weight) and scaler.get_scale() == 2.0**125


def test_gradients_whose_squares_overflow_are_no_fault() -> None:
    def stages(plan: Plan) -> Any:
        rule = partial(torch.optim.SGD, lr=1e-26)
        update = Update(plan.b, lambda _: {"total": 1e25 * plan.b.weight.sum()}, rule)
        yield Descend("fit", [update], steps=1)

    torch.testing.assert_close(train(stages).b.weight.detach(), torch.zeros(1, 4))


def test_other_validation_samples_without_a_digest_are_known_by_the_first(tmp_path: Path) -> None:
    trainer = Trainer(device="cpu", folder=tmp_path)
    trainer.run(Toy(), numbers(), numbers(3, seed=1))
    with pytest.raises(ValueError, match="its first validation sample is another: other data; move it away"):
        trainer.run(Toy(), numbers(), numbers(3, seed=2))
