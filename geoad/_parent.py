"""Processes that do not outlive the one that began them."""

from __future__ import annotations

import os
import signal
import threading
import time

STARTER = "GEOAD_STARTER"
"""The variable that gives a command the number of the process which it follows."""


def follow_parent(*, interrupts: bool = True) -> None:
    """End this process when its parent ends, however that comes about; the first thing that a worker does.

    Without `interrupts`, Ctrl-C is left to the parent. In a process that has none nothing happens.

    >>> follow_parent()
    """
    if not interrupts:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    import multiprocessing  # which whoever has workers has loaded; a command that has none need not

    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)


def follow_starter() -> None:
    """End this process when the one that started it ends, if that has left its number in the environment.

    >>> follow_starter()
    """
    if number := os.environ.pop(STARTER, None):  # it is not for processes that this one starts
        threading.Thread(target=_watch, args=(int(number),), daemon=True).start()


def _watch(number: int) -> None:
    while os.getppid() == number:
        time.sleep(1)
    os._exit(1)
