"""What these scripts share: the command that is recorded, time and memory of a case, splits of sim3d."""

from __future__ import annotations

import json
import re
import resource
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import torch

from geoad.data import Dataset, open_dataset
from geoad.evaluation.results import environment, write_json


def command() -> str:
    """Return what repeats this call; of absolute paths, which are one machine's, the names alone."""
    words = (re.sub(r"(^|[=:,])/(?:[^,]*/)?([^/,]+)/?(?=,|$)", r"\1\2", word) for word in sys.argv[1:])
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


def time_and_memory(run: Callable[[], object], repeats: int, *, gpu: bool, parts: int = 1) -> dict[str, Any]:
    """Return the median and the least seconds of a call by its `parts`, and the peak.

    Seconds are the CPU's and the peak is the process's, but on a GPU: there the clock's, and what torch allocated.
    """
    if gpu:
        torch.cuda.reset_peak_memory_stats()
    taken = seconds(run, repeats, time.perf_counter if gpu else time.process_time)
    peak = torch.cuda.max_memory_allocated() if gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    median, least = statistics.median(taken) / parts, min(taken) / parts
    return {"wall_s" if gpu else "cpu_s": median, "min_s": least, "peak_bytes": peak}


def measure_apart(calls: Iterable[Sequence[str]], out: Path | None, show: Callable[[dict[str, Any]], str]) -> int:
    """Call this script with each of these words, in a process of its own that prints a row; return 1 if one failed.

    The file of rows is whole after each of them. An earlier file stands until all are there; till then they
    lie in OUT.partial.json.
    """
    draft = out.with_suffix(".partial.json") if out is not None and out.exists() else out
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
        if draft is not None:
            write_json(draft, {**environment(), "command": command(), "rows": rows})
    if out is not None and draft is not None and draft.exists() and not failed:
        draft.replace(out)
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
