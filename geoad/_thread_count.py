"""The number of threads of libraries that are imported, and of processes that are started, from now on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


def ask_threads(count: int) -> None:
    """Ask for so many threads, in the environment: libraries read it when they are imported.

    >>> with single_threaded():
    ...     ask_threads(2)
    ...     os.environ["OMP_NUM_THREADS"]
    '2'
    """
    os.environ.update(dict.fromkeys(VARIABLES, str(count)))


@contextmanager
def single_threaded() -> Iterator[None]:
    """Let processes started meanwhile use one thread each: the processes are the parallelism.

    >>> with single_threaded():
    ...     os.environ["NUMBA_NUM_THREADS"]
    '1'
    """
    before = {name: os.environ.get(name) for name in VARIABLES}
    ask_threads(1)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name, None) if value is None else os.environ.update({name: value})
