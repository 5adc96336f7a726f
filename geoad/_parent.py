"""Processes that do not outlive the one that began them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading


def follow_parent(*, interrupts: bool = True) -> None:
    """End this process when its parent ends, however that comes about; the first thing that a worker does.

    Without `interrupts`, Ctrl-C is left to the parent. In a process that has none nothing happens.

    >>> follow_parent()
    """
    if not interrupts:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_follow, daemon=True).start()


def _follow() -> None:
    if (parent := multiprocessing.parent_process()) is not None:
        parent.join()
        os._exit(1)
