"""Cells that take their time or die: `python -m tests.cli.naps FOLDER GRACE` naps six times in two processes."""

from __future__ import annotations

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

from geoad.cli import benchmark
from geoad.cli.benchmark import in_processes


def die_at_one(cell: int) -> str:
    if cell == 1:
        os._exit(1)
    return f"did {cell}"


def nap(cell: int, folder: Path) -> int:
    """Say that it has begun, and sleep until it is interrupted."""
    (folder / str(cell)).write_text(str(os.getpid()))
    time.sleep(60)
    return cell


if __name__ == "__main__":
    benchmark.GRACE = float(sys.argv[2])
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have started this deaf to it
    print(*in_processes(range(6), 2, partial(nap, folder=Path(sys.argv[1]))))
