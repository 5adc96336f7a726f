"""What a person sees of a long training: a bar on a terminal, a line a minute without one."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from geoad._optional import need

MINUTE = 60.0


class Silence:
    """Shows nothing: the form of progress that nobody asked for.

    >>> with Silence() as bar:
    ...     bar.start("student", total=2, done=0)
    ...     bar.advance(1, "total 3.0")
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def start(self, stage: str, total: int, done: int) -> None:
        """Begin a stage of `total` steps, `done` of which are behind."""

    def advance(self, step: int, text: str) -> None:
        """Show that `step` steps are done, and `text` beside it."""


class Bar(Silence):
    """Stage, losses, rate and time left, on standard error.

    >>> with Bar() as bar:
    ...     bar.start("student", total=2, done=0)
    ...     bar.advance(1, "total 3.0")
    """

    def __init__(self) -> None:
        need("rich", "show progress")
        from rich import progress
        from rich.console import Console

        self._console = Console(stderr=True)
        columns: list[Any] = [
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
        ]
        columns += [progress.TextColumn("{task.fields[rate]} {task.fields[text]}"), progress.TimeRemainingColumn()]
        self._bar = progress.Progress(*columns, console=self._console, disable=not self._console.is_terminal)
        self._task: Any = None

    def __enter__(self) -> Self:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def start(self, stage: str, total: int, done: int) -> None:
        self._stage, self._total, self._first = stage, total, done
        self._begun = self._said = time.monotonic()
        self._task = self._bar.add_task(stage, total=total, completed=done, rate="", text="")

    def advance(self, step: int, text: str) -> None:
        now = time.monotonic()
        rate = (step - self._first) / max(now - self._begun, 1e-9)
        said = f"{rate:.1f}/s" if rate >= 1 else f"{1 / max(rate, 1e-9):.1f} s/step"
        self._bar.update(self._task, completed=step, rate=said, text=text)
        if not self._console.is_terminal and now - self._said >= MINUTE:
            left = (self._total - step) / max(rate, 1e-9) / MINUTE
            self._console.print(
                f"{self._stage}: {step}/{self._total} {said} {text}, {left:.0f} min left", highlight=False
            )
            self._said = now
