"""Exact search among the valid points of an organised scan: what a window saves."""

from __future__ import annotations

from typing import Any

import numpy as np

from geoad import ops
from geoad.bench.contestant import Contestant
from geoad.bench.knn_peers import search_pykdtree, search_scipy
from geoad.bench.timing import Call


def _whole(search: Any) -> Any:
    """Return the start of an exact search among the valid points, its answer brought back to the image."""

    def start(problem: Any, _device: str) -> Call:
        def run() -> Any:
            address = np.flatnonzero(problem.valid)
            index = np.full((problem.valid.size, problem.about["k"]), -1, np.int64)
            index[address] = address[search(problem.xyz[problem.valid], problem.about["k"])]
            return index

        return run

    return start


PEERS = (
    Contestant("knn-numba", _whole(lambda points, k: ops.knn(points, k, backend="numba").index)),
    Contestant("pykdtree", _whole(search_pykdtree), needs="pykdtree.kdtree"),
    Contestant("scipy", _whole(search_scipy), needs="scipy.spatial"),
)
