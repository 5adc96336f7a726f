"""Rows over a few threads: numba kernels release the GIL, and each row's result does not depend on the split."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

SMALL = 2048  # rows under which a second thread costs more than it saves


def count() -> int:
    """Return how many threads kernels use: torch's setting where torch is loaded, else OMP_NUM_THREADS, else the cores.

    >>> count() >= 1
    True
    """
    torch = sys.modules.get("torch")
    if torch is not None:
        return int(torch.get_num_threads())
    asked = os.environ.get("OMP_NUM_THREADS", "")
    return max(1, int(asked)) if asked.isdigit() else len(os.sched_getaffinity(0))


def split(rows: int, run: Callable[[int, int], None], *, smallest: int = 1) -> None:
    """Call `run(start, stop)` over [0, rows) in one contiguous piece a thread, none shorter than `smallest` rows.

    >>> pieces = []
    >>> split(3, lambda start, stop: pieces.extend(range(start, stop)))
    >>> sorted(pieces)
    [0, 1, 2]
    """
    pieces = min(count(), max(1, rows // smallest))
    if pieces == 1:
        run(0, rows)
        return
    bounds = [rows * i // pieces for i in range(pieces + 1)]
    with ThreadPoolExecutor(pieces) as pool:
        for future in [pool.submit(run, a, b) for a, b in pairwise(bounds)]:
            future.result()
