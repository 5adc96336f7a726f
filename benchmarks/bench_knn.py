"""k nearest neighbours: every case at 4 k and 64 k, the best peers also at 512 k.

`python benchmarks/bench_knn.py` writes what is committed under benchmarks/results; words behind it go to
`geoad bench` after those below, and the last of two options holds: --sizes 1M for a larger cloud, --out elsewhere.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from geoad.cli import main

CASES = "scan,sphere,cube,clusters"
BACKENDS = "numba,pykdtree,pykdtree-morton,scipy"
COMMANDS = (
    "knn --sizes 4k,64k --repeats 5 --out benchmarks/results",
    f"knn --sizes 512k --cases {CASES} --backends {BACKENDS} --patience 5 --out benchmarks/results/large",
)

if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    sys.exit(max(main(["bench", *shlex.split(command), *sys.argv[1:]]) for command in COMMANDS))
