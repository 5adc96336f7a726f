"""When a training is to stop before its end: at a signal, or when its hours are over."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType
from typing import Any, Self

from geoad import _check

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):
    """A training stopped because it was asked to; its checkpoint, if there is a folder for it, is written.

    >>> str(Stopped("stopped in stage 'student' at step 3 of 9"))
    "stopped in stage 'student' at step 3 of 9"
    """


def never() -> bool:
    """Do not stop.

    >>> never()
    False
    """
    return False


class Stop:
    """Says whether to stop: after `hours`, or once SIGINT (Ctrl-C) or SIGTERM came within the `with` block.

    The first signal is only noted, so that a step is finished and written; a second one does what it always does.
    Outside the main thread signals stay as they are. `interrupted` tells a signal from the time.

    >>> with Stop(hours=1) as stop:
    ...     signal.raise_signal(signal.SIGINT)
    ...     stop(), stop.interrupted
    (True, True)
    """

    def __init__(self, hours: float | None = None) -> None:
        if hours is not None:
            _check.positive(hours=hours)
        self._end = None if hours is None else time.monotonic() + 3600 * hours
        self._before: dict[signal.Signals, Any] = {}
        self.interrupted = False

    def __call__(self) -> bool:
        return self.interrupted or (self._end is not None and time.monotonic() >= self._end)

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_: object) -> None:
        self._restore()

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002 - the form of a handler
        self.interrupted = True
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
