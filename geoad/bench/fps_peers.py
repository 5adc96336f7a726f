"""What others offer for farthest points."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch

from geoad._optional import need
from geoad.bench.contestant import ANY, Contestant
from geoad.bench.timing import Call

HEIGHTS = (5, 7, 9)  # of fpsample's tree, around what its authors recommend


def _start_fpsample(height: int, problem: Any, _device: str) -> Call:
    sample = need("fpsample", "be compared with").bucket_fps_kdline_sampling
    return lambda: sample(problem.points, problem.count, h=height, start_idx=0)


def _start_torch(problem: Any, device: str) -> Call:
    """The loop that users of torch write."""
    points = torch.from_numpy(problem.points).to(device)

    def run() -> Any:
        picks = torch.zeros(problem.count, dtype=torch.int64, device=device)
        distance = torch.full((len(points),), torch.inf, device=device)
        for turn in range(1, problem.count):
            distance = torch.minimum(distance, (points - points[picks[turn - 1]]).square().sum(1))
            picks[turn] = distance.argmax()
        return picks

    return run


def _start_torch_cluster(problem: Any, device: str) -> Call:
    sample = need("torch_cluster", "be compared with").fps
    points = torch.from_numpy(problem.points).to(device)
    ratio = problem.count / len(points)
    return lambda: sample(points, ratio=ratio, random_start=False)


LOOP = {"cpu": 16_384, "cuda": ANY}
PEERS = (
    *(Contestant(f"fpsample-h{h}", partial(_start_fpsample, h), needs="fpsample") for h in HEIGHTS),
    Contestant("torch-loop", _start_torch, LOOP),
    Contestant("torch-cluster", _start_torch_cluster, LOOP, needs="torch_cluster"),
)
