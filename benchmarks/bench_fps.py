"""Farthest points: a quarter of 4 k and 64 k, and 64 k of 360 k with every pick compared.

`python benchmarks/bench_fps.py` writes what is committed under benchmarks/results; words behind it go to
`geoad bench` after those below, and the last of two options holds: --sizes 1M for a larger cloud, --out elsewhere.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from geoad.cli import main

COMMANDS = ("fps --sizes 4k,64k,360000 --cases scan,cube,clusters --repeats 5 --out benchmarks/results",)

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    sys.exit(max(main(["bench", *shlex.split(command), *sys.argv[1:]]) for command in COMMANDS))
