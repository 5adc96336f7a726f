"""The mean losses of the last steps, told to the person and to the log at a rate that costs nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping

import torch
from torch import Tensor

from geoad.training.log import Log
from geoad.training.progress import ProgressBar

SECOND = 1.0


class Monitor:
    """Collects the losses of each step of a stage; speaks once a second, and at the stage's last step.

    >>> monitor = Monitor(ProgressBar(), Log(None))
    >>> monitor.start("student", total=2, done=0)
    >>> monitor.step(1, {"total": torch.tensor(3.0)})
    """

    def __init__(self, bar: ProgressBar, log: Log) -> None:
        self._bar, self._log = bar, log
        self._begun = time.monotonic()

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage of `total` steps, `done` of which are behind."""
        self._stage, self._total, self._last = stage, total, time.monotonic()
        self._sums: dict[str, tuple[Tensor, int]] = {}
        self._bar.start(stage, total, done)
        if done:
            self.say(done, resumed=True)

    def step(self, step: int, losses: Mapping[str, Tensor]) -> None:
        """Take the losses of one step, named `loss` or `update.loss`."""
        for name, loss in losses.items():
            total, count = self._sums.get(name, (torch.zeros((), device=loss.device), 0))
            self._sums[name] = total + loss.detach().float().mean(), count + 1
        if step == self._total or time.monotonic() - self._last >= SECOND:
            means = {name: float(total) / count for name, (total, count) in self._sums.items()}
            self._bar.advance(step, " ".join(f"{name} {mean:.4g}" for name, mean in means.items()))
            self.say(step, **means)
            self._sums, self._last = {}, time.monotonic()

    def say(self, step: int, **fields: float) -> None:
        """Write one line to the log."""
        self._log.write(stage=self._stage, step=step, **fields, seconds=round(time.monotonic() - self._begun, 3))

    def note(self, text: str) -> None:
        """Write a remark to the log."""
        self._log.write(stage=self._stage, note=text)
