"""The runs of `geoad bench` whose results are committed: `python benchmarks/bench_kernels.py [RUN…] [OPTION…]`.

Without RUN all of them, about a quarter of an hour on a quiet core. Options go to `geoad bench` after those below, and
the last of two holds: --sizes 1M for a larger cloud, --out FOLDER to leave the committed results alone.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from geoad.cli import main

LARGE = "--cases scan,sphere,cube,clusters --backends numba,pykdtree,pykdtree-morton,scipy --patience 5"
RUNS = {
    "knn": "knn --sizes 4k,64k --repeats 5 --out benchmarks/results",
    "knn-large": f"knn --sizes 512k {LARGE} --out benchmarks/results/large",
    "radius": "radius --sizes 64k --cases scan,cube,duplicates --repeats 3 --patience 3 --out benchmarks/results",
    "window": "window --repeats 5 --patience 5 --out benchmarks/results",
    "fps": "fps --sizes 4k,64k,360000 --cases scan,cube,clusters --repeats 5 --out benchmarks/results",
    "aggregate": "aggregate --sizes 4k,64k --repeats 5 --out benchmarks/results",
    "project": "project --out benchmarks/results",
    "backproject": "backproject --out benchmarks/results",
    "fill": "fill --patience 5 --out benchmarks/results",
    "voxelize": "voxelize --out benchmarks/results",
}


def run(words: list[str]) -> int:
    """Run what the leading words name, or everything; return the worst exit code."""
    count = next((i for i, word in enumerate(words) if word not in RUNS), len(words))
    if count < len(words) and not words[count].startswith("-"):
        print(f"{words[count]} is not one of {', '.join(RUNS)}", file=sys.stderr)
        return 2
    chosen = words[:count] or list(RUNS)
    return max(main(["bench", *shlex.split(RUNS[name]), *words[count:]]) for name in chosen)


if __name__ == "__main__":
    os.chdir(Path(__file__).resolve().parents[1])
    sys.exit(run(sys.argv[1:]))
