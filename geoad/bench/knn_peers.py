"""What others offer for k nearest neighbours, each as its users call it, the build included."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad._optional import need
from geoad.bench.cases import Floats
from geoad.bench.contestant import ANY, Contestant
from geoad.bench.timing import Call

PURPOSE = "be compared with"
PAIRS = 1 << 24  # distances that torch holds at once
Search = Callable[[Any, int], Any]  # points (N, 3), k -> index (N, k)


def _cloud_by_cloud(search: Search, device: str | None = None) -> Callable[[Any, str], Call]:
    """Return the start of a peer that knows no batch: it is called once a cloud; tensors if `device` is "torch"."""

    def start(problem: Any, where: str) -> Call:
        points, k = problem.points, problem.about["k"]
        if device == "torch":
            points = torch.from_numpy(points).to(where)
        if problem.batch is None and k <= len(points):
            return lambda: search(points, k)
        borders = [] if problem.batch is None else (np.flatnonzero(np.diff(problem.batch)) + 1).tolist()
        bounds = [0, *borders, len(points)]
        return lambda: _join([(search(points[a:b], min(k, b - a)), a) for a, b in pairwise(bounds)], k)

    return start


def _join(parts: list[tuple[Any, int]], k: int) -> NDArray[np.int64]:
    """Put the answers for several clouds together, their indices global."""
    rows = []
    for found, first in parts:
        index = np.full((len(found), k), -1, np.int64)
        local = (found.cpu() if isinstance(found, torch.Tensor) else found).reshape(len(found), -1)
        index[:, : local.shape[1]] = np.asarray(local, np.int64) + first
        rows.append(index)
    return np.concatenate(rows)


def search_pykdtree(points: Floats, k: int) -> Any:
    """Return index (N, k) from pykdtree.

    >>> search_pykdtree(np.eye(3, dtype=np.float32), 1).tolist()
    [0, 1, 2]
    """
    return need("pykdtree.kdtree", PURPOSE).KDTree(points).query(points, k)[1]


def _pykdtree_morton(points: Floats, k: int) -> Any:
    """The tree on points in Morton order, its answer for the order that was asked for."""
    order = np.argsort(morton_codes(points), kind="stable")
    result = np.empty((len(points), k), np.int64)
    result[order] = order[search_pykdtree(points[order], k).reshape(len(points), k)]
    return result


def morton_codes(points: Floats) -> NDArray[np.uint64]:
    """Return the place (N,) of each point on a Morton curve of 2²¹ cells an axis.

    >>> morton_codes(np.array([[0, 0, 0], [1, 1, 1], [1, 0, 0]], np.float32)).argsort().tolist()
    [0, 2, 1]
    """
    low = points.min(0)
    extent = max(float((points.max(0) - low).max()), 1e-30)
    cells = ((points - low) * np.float32((2**21 - 1) / extent)).astype(np.uint64)
    codes = np.zeros(len(points), np.uint64)
    masks = (0x1F00000000FFFF, 0x1F0000FF0000FF, 0x100F00F00F00F00F, 0x10C30C30C30C30C3, 0x1249249249249249)
    for axis in range(3):
        spaced = cells[:, axis]
        for shift, mask in zip((32, 16, 8, 4, 2), masks, strict=True):
            spaced = (spaced | spaced << np.uint64(shift)) & np.uint64(mask)
        codes |= spaced << np.uint64(axis)
    return codes


def search_scipy(points: Floats, k: int) -> Any:
    """Return index (N, k) from scipy, on as many threads as everyone has.

    >>> search_scipy(np.eye(3, dtype=np.float32), 1).ravel().tolist()
    [0, 1, 2]
    """
    return need("scipy.spatial", PURPOSE).cKDTree(points).query(points, k, workers=torch.get_num_threads())[1]


def _open3d(points: Floats, k: int) -> Any:
    core = need("open3d", PURPOSE).core
    tensor = core.Tensor.from_numpy(points)
    search = core.nns.NearestNeighborSearch(tensor)
    search.knn_index()
    return search.knn_search(tensor, k)[0].numpy()


def _faiss(points: Floats, k: int) -> Any:
    index = need("faiss", PURPOSE).IndexFlatL2(3)
    index.add(points)
    return index.search(points, k)[1]


def _cdist(points: Any, k: int) -> Any:
    """What a torch user writes: matrix products by default, hence cancellation."""
    step = max(1, PAIRS // max(len(points), 1))
    rows = [torch.cdist(part, points).topk(k, dim=1, largest=False).indices for part in points.split(step)]
    return torch.cat(rows)


def _broadcast(points: Any, k: int) -> Any:
    """The same without the cancellation."""
    step = max(1, PAIRS // max(3 * len(points), 1))
    found = []
    for part in points.split(step):
        sq_dist = (part[:, None] - points).square().sum(-1)
        found.append(sq_dist.topk(k, dim=1, largest=False).indices)
    return torch.cat(found)


def _torch_cluster(points: Any, k: int) -> Any:
    return need("torch_cluster", PURPOSE).knn(points, points, k)[1].reshape(len(points), k)


PEERS = (
    Contestant("pykdtree", _cloud_by_cloud(search_pykdtree), needs="pykdtree.kdtree"),
    Contestant("pykdtree-morton", _cloud_by_cloud(_pykdtree_morton), needs="pykdtree.kdtree"),
    Contestant("scipy", _cloud_by_cloud(search_scipy), needs="scipy.spatial"),
    Contestant("open3d", _cloud_by_cloud(_open3d), needs="open3d"),
    Contestant("faiss", _cloud_by_cloud(_faiss), {"cpu": 32_768}, needs="faiss"),
    Contestant("torch-cdist", _cloud_by_cloud(_cdist, "torch"), {"cpu": 16_384, "cuda": 262_144}),
    Contestant("torch-broadcast", _cloud_by_cloud(_broadcast, "torch"), {"cpu": 16_384, "cuda": 262_144}),
    Contestant(
        "torch-cluster", _cloud_by_cloud(_torch_cluster, "torch"), {"cpu": ANY, "cuda": ANY}, needs="torch_cluster"
    ),
)
