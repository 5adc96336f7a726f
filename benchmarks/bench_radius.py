"""Neighbours within a radius, and nearest ones in a window of an organised scan.

`python benchmarks/bench_radius.py` writes what is committed under benchmarks/results; words behind it go to
`geoad bench` after those below, and the last of two options holds: --sizes 1M for a larger cloud, --out elsewhere.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from geoad.cli import main

COMMANDS = (
    "radius --sizes 4k,64k --repeats 5 --patience 5 --out benchmarks/results",
    "window --repeats 5 --patience 5 --out benchmarks/results",
)

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    sys.exit(max(main(["bench", *shlex.split(command), *sys.argv[1:]]) for command in COMMANDS))
