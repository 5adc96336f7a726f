"""What others offer for neighbours within a radius."""

from __future__ import annotations

from itertools import chain
from typing import Any

import numpy as np
import torch

from geoad._optional import need
from geoad.bench.contestant import Contestant
from geoad.bench.timing import Call

PURPOSE = "be compared with"


def _start_scipy(problem: Any, _device: str) -> Call:
    tree = need("scipy.spatial", PURPOSE).cKDTree
    threads = torch.get_num_threads()
    return lambda: tree(problem.points).query_ball_point(problem.points, problem.radius, workers=threads)


def _read_scipy(output: Any) -> Any:
    counts = np.fromiter(map(len, output), np.int64, len(output))
    index = np.fromiter(chain.from_iterable(output), np.int64, int(counts.sum()))
    return index, np.concatenate([[0], np.cumsum(counts)])


def _start_open3d(problem: Any, _device: str) -> Call:
    core = need("open3d", PURPOSE).core
    tensor = core.Tensor.from_numpy(problem.points)

    def run() -> Any:
        search = core.nns.NearestNeighborSearch(tensor)
        search.fixed_radius_index(problem.radius)
        return search.fixed_radius_search(tensor, problem.radius)

    return run


PEERS = (
    Contestant("scipy", _start_scipy, needs="scipy.spatial", read=_read_scipy),
    Contestant("open3d", _start_open3d, needs="open3d", read=lambda out: (out[0].numpy(), out[2].numpy())),
)
