"""One training: the stages in their order, from the beginning or from a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from math import inf, isfinite
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from geoad.training.batches import Batches
from geoad.training.checkpoint import Checkpoint, cannot_resume
from geoad.training.monitor import Monitor
from geoad.training.ranks import ALONE, Ranks
from geoad.training.seed import seed_of, seed_torch
from geoad.training.stage import Batch, Descend, Stage, Visit
from geoad.training.state import FreeShapes, copy_state, evaluating, load_state, state_mismatch
from geoad.training.stop import Stopped, never


@dataclass
class DescentState:
    """How far a `Descend` is: the steps behind it, its optimisers, the best validation loss and its state.

    >>> DescentState(0, []).best_loss
    inf
    """

    step: int
    optimizers: list[Any]
    best_loss: float = inf
    best: dict[str, Tensor] | None = None


@dataclass(kw_only=True)
class StageRun:
    """One call of `Trainer.run`; of several processes (`ranks`) all run the same stages, on different batches.

    `path` is the checkpoint's, `facts` (seed, samples, fingerprint, …) say whose it is, `plans` (name, steps) are
    those of the stages so far.

    >>> from geoad.training.stage import Update
    >>> from geoad.training.trainer import Trainer
    >>> net = torch.nn.Linear(1, 1)
    >>> net.prepare = lambda sample: {"x": torch.tensor([sample])}
    >>> update = Update(net, lambda batch: {"total": net(batch["x"]).square().mean()}, torch.optim.Adam)
    >>> net.stages = lambda: iter([Descend("to zero", [update], steps=400)])
    >>> bool(Trainer(device="cpu").run(net, [1.0])(torch.ones(1)).abs() < 0.2)  # makes a StageRun and executes it
    True
    """

    fabric: Any
    module: Any
    batches: Batches
    monitor: Monitor
    free: FreeShapes
    path: Path | None
    checkpoint_every: int
    facts: dict[str, Any]
    ranks: Ranks = ALONE
    stop: Callable[[], bool] = never
    plans: list[tuple[str, int]] = field(default_factory=list)

    def execute(self) -> None:
        """Run every stage that the checkpoint has not behind it, and let go of them however that ends."""
        saved = self._resume()
        stages = iter(self.module.stages())
        try:
            self._execute(stages, saved)
        finally:  # not when somebody lets go of an error, in the middle of the next training
            if close := getattr(stages, "close", None):
                close()

    def _execute(self, stages: Iterator[Stage], saved: Checkpoint | None) -> None:
        """Run the stages, but for those that a checkpoint has behind it."""
        index = 0
        while (stage := self._next(stages, index)) is not None:
            self.plans.append((stage.name, self._length(stage)))
            mine = saved if saved is not None and index <= saved.stage else None
            if mine is not None:
                load_state(self.module, mine.module, self.free)
            if mine is None or index == mine.stage:
                self._stage(stage, index, mine)
            else:
                self._check_done(index, mine)
            index += 1
        if saved is not None and saved.stage >= index:
            raise self._fault(f"it is in stage number {saved.stage}, and there are only {index}")

    def _next(self, stages: Iterator[Stage], index: int) -> Stage | None:
        """Return the next stage, what stands before it run under its own seed; None after the last."""
        self._seed("stage", index)
        stage = next(stages, None)
        if isinstance(stage, Descend):
            stage.check()
        elif not isinstance(stage, Visit | None):
            raise TypeError(f"stages must yield Descend or Visit, got {type(stage).__name__}")
        return stage

    def _stage(self, stage: Stage, index: int, saved: Checkpoint | None) -> None:
        """Run one stage, or what is left of it."""
        total = self._length(stage)
        if isinstance(stage, Descend):
            stage.check_length(total)
        if saved is not None:
            self._check_plan(stage, total, saved)
        done = saved.step if saved is not None else 0
        if done < total:
            self.ranks.agree(self.module.state_dict().values())  # a GPU may not have come to the same bits as the next
            self.monitor.start(stage.name, total, done)
            if isinstance(stage, Visit):
                self._visit(stage, index, total)
            else:
                self._descend(stage, index, total, saved)
        elif saved is not None and isinstance(stage, Descend):
            if self._lacks_validation(stage, done):
                self.monitor.start(stage.name, total, done)
            self._load_best(stage, index, DescentState(done, [], saved.best_loss, saved.best))

    def _check_done(self, index: int, saved: Checkpoint) -> None:
        """Raise ValueError if a stage that is behind the checkpoint is now another, or of another length."""
        if saved.plans and saved.plans[index] != self.plans[index]:  # older checkpoints do not know
            (name, planned), (now, total) = saved.plans[index], self.plans[index]
            raise self._fault(f"it has {planned} steps of stage {name!r} behind it, not {total} of {now!r}")

    def _check_plan(self, stage: Stage, total: int, saved: Checkpoint) -> None:
        """Raise ValueError unless the checkpoint is in this stage, and of as many steps if that matters to it."""
        name, planned = saved.plan
        prolongs = isinstance(stage, Descend) and stage.prolongs
        if name != stage.name or (planned != total and not prolongs):
            raise self._fault(f"it is in stage {name!r} of {planned} steps, not {stage.name!r} of {total}")
        if saved.step > total:
            raise self._fault(f"it is at step {saved.step} of stage {name!r}, and only {total} are wanted")

    @property
    def _validates(self) -> bool:
        """Whether there are validation samples."""
        return self.batches.held_out_samples > 0

    def _sees_validation(self, stage: Stage) -> bool:
        """Return whether a stage sees the validation samples."""
        return isinstance(stage, Visit) and stage.held_out and self._validates

    def _length(self, stage: Stage) -> int:
        """Return the steps of a whole stage."""
        if self._sees_validation(stage):
            return self.batches.held_out_samples
        return stage.total_steps(self.facts["samples"])

    def _visit(self, stage: Visit, index: int, total: int) -> None:
        """Show every sample once, in order."""
        self.module.eval()
        for step in range(total):
            batch = self.batches.visited(step, held_out=self._sees_validation(stage), refine=stage.refine)
            self._seed("step", index, step)
            with torch.no_grad(), self.fabric.autocast():
                stage.see(batch)
            self.monitor.step(step + 1, {})
            if step + 1 < total and self.stop():
                raise Stopped(f"stopped in stage {stage.name!r} at step {step + 1} of {total}")
        self._save(index, DescentState(total, []))

    def _descend(self, stage: Descend, index: int, total: int, saved: Checkpoint | None) -> None:
        """Run the gradient steps of a stage, from its beginning or from the checkpoint."""
        raw = [update.optimizer(_parameters(update.module)) for update in stage.updates]
        descent = DescentState(0, raw) if saved is None else self._restore(raw, saved)
        driven = [self.fabric.setup_optimizers(optimizer) for optimizer in raw]
        selects = self._selects_best(stage)
        if stage.select == "best" and not selects:
            self.monitor.note("no validation data: the last state is kept, not the best")
        if idle := max(0, self.ranks.size - stage.batch_size):
            self.monitor.note(f"{idle} of {self.ranks.size} devices are idle: batch_size is {stage.batch_size}")
        self.module.train()
        for step in range(descent.step, total):
            self._step(stage, index, step, driven)
            descent.step = step + 1
            if selects and not self._lacks_validation(stage, descent.step):
                self._validate(stage, index, descent)
            if descent.step % self.checkpoint_every == 0 or descent.step == total:
                self._watch(stage, descent.step)
            if descent.step < total:
                self._between(stage, index, descent, total)
        self._finite_parameters(stage, descent)
        self._save(index, descent)  # before a validation that a longer run would not have made here
        self._load_best(stage, index, descent)

    def _load_best(self, stage: Descend, index: int, descent: DescentState) -> None:
        """End with the state of the lowest validation loss, if that is asked for; the last state is among them."""
        if self._lacks_validation(stage, descent.step):
            self._validate(stage, index, descent)
        if descent.best is not None:
            load_state(self.module, descent.best, self.free)

    def _lacks_validation(self, stage: Descend, step: int) -> bool:
        """Return whether a stage selects by validation loss and has none of this step, which lies between two."""
        every = stage.validate_every or stage.epoch_steps(self.facts["samples"])
        return self._selects_best(stage) and step % every > 0

    def _between(self, stage: Descend, index: int, descent: DescentState, total: int) -> None:
        """Write the checkpoint when it is time for it, or to stop."""
        stops = self.stop()
        if stops or descent.step % self.checkpoint_every == 0:
            self._save(index, descent)
        if stops:
            raise Stopped(f"stopped in stage {stage.name!r} at step {descent.step} of {total}")

    def _step(self, stage: Descend, index: int, step: int, optimizers: Sequence[Any]) -> None:
        """Run every update whose turn it is on one batch."""
        batch, part = self.batches.shuffled(stage, index, step)
        self._seed("step", index, step, *self.ranks.place)
        logged: dict[str, Tensor] = {}
        for number, (update, optimizer) in enumerate(zip(stage.updates, optimizers, strict=True)):
            if (step + 1) % update.every:
                continue
            with self.fabric.autocast():
                losses = update.loss(batch)
            self._finite_total(losses, stage, step + 1, batch)
            optimizer.zero_grad()
            parameters = _parameters(update.module)
            self.fabric.backward(losses["total"], inputs=parameters)
            self._finite_gradients(parameters, stage, step + 1, batch)
            losses = self.ranks.average(parameters, losses, part)
            optimizer.step()
            optimizer.zero_grad()
            prefix = f"{number}." if len(stage.updates) > 1 else ""
            logged |= {prefix + name: loss for name, loss in losses.items()}
        self.ranks.agree(self.module.buffers())
        self.monitor.step(step + 1, logged)

    def _watch(self, stage: Descend, step: int) -> None:
        """Let the module be looked at, if somebody wants to."""
        if self.ranks.first and (watch := getattr(self.module, "watch", None)) is not None:
            with evaluating(self.module):
                watch(stage.name, step)

    def _selects_best(self, stage: Descend) -> bool:
        """Return whether a stage keeps the state of the lowest validation loss."""
        return stage.select == "best" and self._validates

    def _validate(self, stage: Descend, index: int, descent: DescentState) -> None:
        """Keep the state if its mean loss over the validation samples, always under the same seeds, is the lowest."""
        self.module.eval()
        total, count = 0.0, 0.0
        for number, batch in self.batches.held_out(stage.batch_size, stage.refine):
            self._seed("validation", index, number)
            with torch.no_grad(), self.fabric.autocast():
                losses = stage.updates[0].loss(batch)
            size = len(batch["sample"])
            total, count = total + self._finite_total(losses, stage, descent.step, batch) * size, count + size
        total, count = self.ranks.totals(total, count)
        self.module.train()
        self.monitor.say(descent.step, validation=total / count)
        if total / count < descent.best_loss:
            descent.best_loss, descent.best = total / count, copy_state(self.module)

    def _finite_total(self, losses: dict[str, Tensor], stage: Descend, step: int, batch: Batch) -> float:
        """Return the total as a number; raise ValueError that says where it stopped being one."""
        value = float(losses["total"].detach())
        if not isfinite(value):
            raise _not_finite("loss", stage, value, f"step {step}, {self.batches.name(batch)}")
        return value

    def _finite_gradients(self, parameters: list[nn.Parameter], stage: Descend, step: int, batch: Batch) -> None:
        """Raise ValueError for gradients that are not finite: the next loss would blame the next sample.

        Where losses are scaled, whoever scales them looks at the gradients, and leaves out such steps.
        """
        if self._precision.state_dict():
            return
        gradients = [p.grad for p in parameters if p.grad is not None and not p.grad.is_sparse]
        if isfinite(float(get_total_norm(gradients))):
            return
        largest = float(get_total_norm([each for each in gradients if each.numel()], inf))  # no square overflows in it
        if not isfinite(largest):
            raise _not_finite("gradient", stage, largest, f"step {step}, {self.batches.name(batch)}")

    def _finite_parameters(self, stage: Descend, descent: DescentState) -> None:
        """Raise ValueError if what the last step has made of the parameters, and is kept, is not finite."""
        learnt = (p.detach() for update in stage.updates for p in _parameters(update.module))
        kept = descent.best is None or self._lacks_validation(stage, descent.step)
        strange = [p[~p.isfinite()] for p in learnt] if kept else []
        for values in strange:
            if len(values):
                raise _not_finite("outcome", stage, float(values[0]), f"the last step, {descent.step}")

    def _resume(self) -> Checkpoint | None:
        """Return the checkpoint of this very run, or None if there is none."""
        if self.path is None or not self.path.exists():
            return None
        saved = Checkpoint.load(self.path)
        saved.check_run(self.path, **self.facts)
        if reason := state_mismatch(self.module, saved.module, self.free):
            raise self._fault(f"it is of another module: {reason}")
        if saved.scaler:
            self._precision.load_state_dict(saved.scaler)
        return saved

    def _save(self, index: int, descent: DescentState) -> None:
        """Write the checkpoint, if there is a folder for it; the first process does."""
        if self.path is None or not self.ranks.first:
            return
        Checkpoint(
            **self.facts,
            stage=index,
            step=descent.step,
            plan=self.plans[index],
            plans=self.plans[:index],
            module=copy_state(self.module),
            optimizers=[optimizer.state_dict() for optimizer in descent.optimizers],
            best_loss=descent.best_loss,
            best=descent.best,
            scaler=self._precision.state_dict(),
        ).save(self.path)

    @property
    def _precision(self) -> Any:
        """What scales losses, if anything does."""
        return self.fabric.strategy.precision

    def _restore(self, optimizers: list[Any], saved: Checkpoint) -> DescentState:
        """Return how far a stage was, the optimisers' states loaded."""
        if len(saved.optimizers) != len(optimizers):
            gone = "it is of a finished stage, whose optimisers were not kept"
            other = f"its stage has {len(saved.optimizers)} updates, not {len(optimizers)}"
            raise self._fault(other if saved.optimizers else gone)
        for optimizer, state in zip(optimizers, saved.optimizers, strict=True):
            optimizer.load_state_dict(state)
        return DescentState(saved.step, optimizers, saved.best_loss, saved.best)

    def _seed(self, *place: int | str) -> None:
        """Seed torch for a place in the training."""
        seed_torch(seed_of(self.facts["seed"], *place), self.fabric.device)

    def _fault(self, reason: str) -> ValueError:
        """Return the error for a checkpoint that is not of this run."""
        assert self.path is not None
        return cannot_resume(self.path, reason)


def _not_finite(what: str, stage: Descend, value: float, place: str) -> ValueError:
    mend = "lower the learning rate, check the data"
    return ValueError(f"the {what} of stage {stage.name!r} is {value} at {place}: {mend}")


def _parameters(module: nn.Module) -> list[nn.Parameter]:
    """Return what an update of `module` may change."""
    return [parameter for parameter in module.parameters() if parameter.requires_grad]
