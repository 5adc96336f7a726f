"""What these scripts share: the command that is recorded, clocks, cases in processes of their own, splits of sim3d."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from geoad.data import Dataset, open_dataset
from geoad.evaluation.results import environment, write_json


def command() -> str:
    """Return what repeats this call; of absolute paths, which are one machine's, the names alone."""
    words = (re.sub(r"(^|[=:])/(?:.*/)?", r"\1", word) for word in sys.argv[1:])
    return shlex.join(["python", f"benchmarks/{Path(sys.argv[0]).name}", *words])


def seconds(run: Callable[[], object], repeats: int, clock: Callable[[], float]) -> list[float]:
    """Return how long each call took after a first one, which compiles and fills caches."""
    run()
    taken = []
    for _ in range(repeats):
        start = clock()
        run()
        taken.append(clock() - start)
    return taken


def measure_apart(calls: Iterable[Sequence[str]], out: Path | None, show: Callable[[dict[str, Any]], str]) -> int:
    """Call this script with each of these words, in a process of its own that prints a row; return 1 if one failed.

    The file of rows is whole after each of them.
    """
    rows: list[dict[str, Any]] = []
    failed = 0
    for words in calls:
        done = subprocess.run([sys.executable, sys.argv[0], *words], stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            failed = 1
            print(f"failed with exit code {done.returncode}: {shlex.join(words)}", flush=True)
            continue
        rows.append(json.loads(done.stdout))
        print(show(rows[-1]), flush=True)
        if out is not None:
            write_json(out, {**environment(), "command": command(), "rows": rows})
    return failed


def data_of(scans: str) -> dict[str, Any]:
    """Return what a result says of sim3d scans."""
    manifest = json.loads((Path(scans) / "manifest.json").read_text())
    return {key: manifest[key] for key in ("simulator", "size", "seed")}


def splits(scans: str, category: str) -> list[Dataset]:
    """Return the training, validation and test scans of a category of sim3d."""
    return [open_dataset("sim3d", scans, category=category, split=each) for each in ("train", "validation", "test")]


def truth(test: Dataset) -> tuple[list[Any], list[Any]]:
    """Return the masks of a split and its labels."""
    return [test.mask(i) for i in range(len(test))], [test.label(i) for i in range(len(test))]
