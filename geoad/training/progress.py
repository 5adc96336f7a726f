"""What a person sees of a long training: a bar on a terminal, a line a minute without one."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Self

MINUTE = 60.0


class ProgressBar:
    """What a progress bar is told; this one shows nothing, for those who asked for none.

    >>> with ProgressBar() as bar:
    ...     bar.start("student", total=2, done=0)
    ...     bar.advance(1, "total 3.0")
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage of `total` steps, `done` of which are behind."""

    def advance(self, step: int, text: str) -> None:
        """Show that `step` steps are done, and `text` beside it."""


class Relay(ProgressBar):
    """Tells a bar in another process: `tell` takes the name of a method and its arguments there.

    >>> Relay(print).advance(1, "total 3.0")
    ('advance', 1, 'total 3.0')
    """

    def __init__(self, tell: Callable[[tuple[Any, ...]], None]) -> None:
        self._tell = tell

    def start(self, stage: str, total: int, done: int) -> None:
        self._tell(("start", stage, total, done))

    def advance(self, step: int, text: str) -> None:
        self._tell(("advance", step, text))


class Lines(ProgressBar):
    """A line a minute on standard error: stage, step, rate, losses, minutes left.

    >>> with Lines() as bar:
    ...     bar.start("student", total=2, done=0)
    ...     bar.advance(1, "total 3.0")
    """

    def start(self, stage: str, total: int, done: int) -> None:
        self._stage, self._total, self._first = stage, total, done
        self._begun = self._said = time.monotonic()

    def advance(self, step: int, text: str) -> None:
        now = time.monotonic()
        if now - self._said < MINUTE:
            return
        left = (self._total - step) / max(self._rate(step), 1e-9) / MINUTE
        sys.stderr.write(f"{self._stage}: {step}/{self._total} {self._pace(step)} {text}, {left:.0f} min left\n")
        sys.stderr.flush()
        self._said = now

    def _rate(self, step: int) -> float:
        return (step - self._first) / max(time.monotonic() - self._begun, 1e-9)

    def _pace(self, step: int) -> str:
        rate = self._rate(step)
        return f"{rate:.1f}/s" if rate >= 1 else f"{1 / max(rate, 1e-9):.1f} s/step"


def progress_bar() -> Lines:
    """Return what shows progress to a person: a bar, or lines where there is no terminal, or no rich.

    >>> with progress_bar() as bar:
    ...     bar.start("student", total=2, done=0)
    ...     bar.advance(1, "total 3.0")
    """
    return Bar() if find_spec("rich") else Lines()


class Bar(Lines):
    """The same as a bar where standard error is a terminal, with the time left.

    >>> with Bar() as bar:
    ...     bar.start("student", total=2, done=0)
    ...     bar.advance(1, "total 3.0")
    """

    def __init__(self) -> None:
        from rich import progress
        from rich.console import Console

        console = Console(stderr=True)
        columns: list[Any] = [
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
        ]
        columns += [progress.TextColumn("{task.fields[rate]} {task.fields[text]}"), progress.TimeRemainingColumn()]
        self._terminal = console.is_terminal
        self._bar = progress.Progress(*columns, console=console, disable=not self._terminal)
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, stage: str, total: int, done: int) -> None:
        super().start(stage, total, done)
        self._task = self._bar.add_task(stage, total=total, completed=done, rate="", text="")

    def advance(self, step: int, text: str) -> None:
        if self._terminal:
            self._bar.update(self._task, completed=step, rate=self._pace(step), text=text)
        else:
            super().advance(step, text)
