"""Time and peak memory of 3D-ST on one cloud: `python benchmarks/bench_3dst.py [--points 64000] [--width 64]`.

Each case runs in a process of its own, so that its peak is its own: `base` loads everything and computes nothing,
`features` is the teacher's and the student's forward pass (inference), `step` one student training step. Seconds are
CPU seconds of one thread, the median of the repeats; peaks are the process's largest resident size. The cloud is an
undulating surface with noise. Writes benchmarks/results/bench_3dst.json.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from geoad.evaluation.results import environment, write_json
from geoad.nn.local_features import LocalFeatures
from geoad.nn.point_graph import neighbour_distance, point_graph

CASES = ("base", "features", "step")
RESULTS = Path(__file__).parent / "results" / "bench_3dst.json"


def surface(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    xy = rng.uniform(-0.05, 0.05, (n, 2))
    z = 0.5 + 0.005 * np.sin(xy[:, 0] * 200) * np.cos(xy[:, 1] * 150) + rng.normal(0, 5e-5, n)
    return np.column_stack([xy, z]).astype(np.float32)


def measure(case: str, points: int, width: int, k: int, repeats: int) -> dict[str, Any]:
    """Run one case in this process."""
    torch.set_num_threads(1)
    graph = point_graph(surface(points), k)
    cloud, index = graph["points"], graph["index"]
    scale = 1 / float(neighbour_distance(cloud, index))
    teacher, student = LocalFeatures(width).requires_grad_(False), LocalFeatures(width)
    optimizer = torch.optim.Adam(student.parameters())

    def features() -> None:
        with torch.inference_mode():
            (student(cloud, index, scale) - teacher(cloud, index, scale)).square().sum(1)

    def step() -> None:
        target = teacher(cloud, index, scale)
        optimizer.zero_grad()
        (student(cloud, index, scale) - target).square().sum(1).mean().backward()
        optimizer.step()

    seconds = _seconds({"base": lambda: None, "features": features, "step": step}[case], repeats)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    row = {"kernel": "3d-st", "backend": "numba", "case": case, "n": points, "k": k, "width": width}
    return row | {"median_s": statistics.median(seconds), "min_s": min(seconds), "peak_bytes": peak}


def _seconds(run: Callable[[], None], repeats: int) -> list[float]:
    run()  # compiles, fills caches
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        run()
        taken.append(time.process_time() - start)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--points", type=int, default=64_000)
    parser.add_argument("--width", type=int, default=64)
    parser.add_argument("-k", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--case", choices=CASES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.case:
        print(json.dumps(measure(given.case, given.points, given.width, given.k, given.repeats)))
        return
    rows = []
    for case in CASES:
        command = [sys.executable, __file__, *sys.argv[1:], "--case", case]
        rows.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
        print(f"{case:10} {rows[-1]['median_s']:8.3f} CPU s   peak {rows[-1]['peak_bytes'] / 1e9:6.2f} GB", flush=True)
    command_line = " ".join(["python benchmarks/bench_3dst.py", *sys.argv[1:]])
    write_json(RESULTS, {**environment(), "command": command_line, "rows": rows})


if __name__ == "__main__":
    main()
