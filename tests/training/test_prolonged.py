"""More steps than were planned, or fewer; checkpoints as they were written before."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import pytest
import torch

from geoad.training.checkpoint import Checkpoint
from geoad.training.stage import Batch, Descend
from geoad.training.stop import Stopped, never
from geoad.training.trainer import Trainer
from tests.training.test_stop import after
from tests.training.toys import Toy, numbers, states_equal

HELD_OUT = numbers(4, seed=1)


class Long(Toy):
    """The toy whose first descent can be prolonged, and chooses the best."""

    every = 3

    def stages(self):  # type: ignore[no-untyped-def]
        for stage in super().stages():
            yield (
                stage._replace(prolongs=True, select="best", validate_every=self.every)
                if self._descends(stage)
                else stage
            )
            if self._descends(stage):
                return

    def _descends(self, stage: object) -> bool:
        return isinstance(stage, Descend) and stage.name == "descend"


def run(folder: Path | None, epochs: int, **keywords: object) -> Long:
    return Trainer(device="cpu", folder=folder, **keywords).run(Long(epochs=epochs), numbers(), HELD_OUT)  # type: ignore[arg-type]


@pytest.mark.parametrize(("first", "then"), [(2, 4), (1, 5)])
def test_a_finished_stage_goes_on_to_what_a_longer_one_gives(tmp_path: Path, first: int, then: int) -> None:
    short = run(tmp_path, first)
    long = run(tmp_path, then)
    assert states_equal(long, run(None, then)) and not states_equal(long, short)
    assert states_equal(long, run(tmp_path, then))  # finished, and not trained again


class Judged(Long):
    """Its validation losses are given, by step; the parameters are the number of the step."""

    every = 4

    def __init__(self, epochs: int, losses: dict[int, float]) -> None:
        super().__init__(epochs)
        self.losses = losses
        self.register_buffer("step", torch.zeros(()))

    def _loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        losses = super()._loss(batch)
        if self.training:
            self.step += 1
            return losses
        return {"total": 0 * losses["total"] + self.losses[int(self.step)]}


@pytest.mark.parametrize("stopped", [False, True])
def test_a_last_state_off_the_beat_is_chosen_and_forgotten_by_a_longer_run(tmp_path: Path, stopped: bool) -> None:
    losses = {4: 3.0, 6: 1.0, 8: 4.0, 12: 2.0}
    trainer = Trainer(device="cpu", folder=tmp_path, stop=after(11 + 5) if stopped else never)
    with pytest.raises(Stopped) if stopped else nullcontext():
        trainer.run(Judged(4 if stopped else 2, losses), numbers(), HELD_OUT)
    trainer = Trainer(device="cpu", folder=tmp_path)
    assert trainer.run(Judged(2, losses), numbers(), HELD_OUT).step == 6  # of 6 steps, the last is the best
    assert trainer.run(Judged(4, losses), numbers(), HELD_OUT).step == 12  # of 12 nobody has looked at the 6th


def test_what_ends_broken_off_the_beat_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    class Diverged(Judged):
        def watch(self, stage: str, step: int) -> None:
            if step == 6:
                with torch.no_grad():
                    self.net[0].weight.fill_(torch.nan)

    losses = {4: 3.0, 6: 1.0}
    trainer = Trainer(device="cpu", folder=tmp_path, checkpoint_every=4)
    with pytest.raises(ValueError, match="the outcome of stage 'descend' is nan at the last step, 6"):
        trainer.run(Diverged(2, losses), numbers(), HELD_OUT)
    assert Checkpoint.load(tmp_path / "checkpoint.pt").step == 4


def test_a_stopped_stage_may_end_earlier_than_planned(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, 4, stop=after(11 + 4))
    assert states_equal(run(tmp_path, 2), run(None, 2))


def test_fewer_steps_than_are_done_are_refused_in_one_line(tmp_path: Path) -> None:
    run(tmp_path, 3)
    with pytest.raises(ValueError, match=r"it is at step 9 of stage 'descend', and only 6 are wanted; move it away"):
        run(tmp_path, 2)


def test_the_best_state_and_not_the_last_is_taken_up_by_what_follows(tmp_path: Path) -> None:
    best = run(tmp_path, 3)
    saved = Checkpoint.load(tmp_path / "checkpoint.pt")
    assert saved.best is not None and saved.optimizers
    assert all(torch.equal(saved.best[name], value) for name, value in best.state_dict().items())


def old(path: Path, **changes: object) -> None:
    """Rewrite a checkpoint in the form that it had before it had a log."""
    content = torch.load(path, weights_only=True) | changes
    del content["log"]
    torch.save(content, path)


def test_a_checkpoint_without_a_log_is_gone_on_from(tmp_path: Path) -> None:
    with pytest.raises(Stopped):
        run(tmp_path, 3, stop=after(11 + 4))
    old(tmp_path / "checkpoint.pt")
    assert Checkpoint.load(tmp_path / "checkpoint.pt").log == []
    assert states_equal(run(tmp_path, 3), run(None, 3))


def test_a_finished_one_without_its_optimisers_still_ends_but_is_not_prolonged(tmp_path: Path) -> None:
    best = run(tmp_path, 3)
    old(tmp_path / "checkpoint.pt", module=best.state_dict(), optimizers=[], best=None)
    assert states_equal(run(tmp_path, 3), best)
    with pytest.raises(ValueError, match="it is of a finished stage, whose optimisers were not kept"):
        run(tmp_path, 4)
