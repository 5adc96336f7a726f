"""Exact farthest point sampling on a CUDA device: one block, buckets along a Hilbert curve, one barrier a pick.

No pick waits for the host, and the result is not read: three small launches, torch's sort and one long kernel.
"""

from __future__ import annotations

import torch
from torch import Tensor

from geoad.ops import _cuda

WARPS = 32
SLOTS = 3  # buckets a lane owns, at most
SIZE = 4  # points of a bucket a lane reads at once
LIMIT = 2**30


def sample(points: Tensor, n: int, start: int, *, rounds: int | None = None, warps: int = WARPS) -> Tensor:
    """Return n <= N picks (n,) int64 from finite points (N, 3) float32, N > 0; buckets hold 32 · `rounds` of them."""
    count = len(points)
    if count >= LIMIT:
        raise ValueError(f'backend "cuda" takes fewer than {LIMIT} points, got {count}')
    rounds = rounds or _rounds(count)
    codes = torch.empty(count, dtype=torch.int64, device=points.device)
    _cuda.call("geoad_hilbert_codes", points.device, points, points.amin(0), points.amax(0), count, codes)
    order = torch.sort(codes).indices
    workspace = _cuda.workspace(_cuda.measure("geoad_farthest_point_sample_workspace", count, rounds), points.device)
    picks = torch.empty(n, dtype=torch.int64, device=points.device)
    _cuda.call(
        "geoad_farthest_point_sample", points.device, points, order, count, rounds, warps, n, start, workspace, picks
    )
    return picks


def _rounds(count: int) -> int:
    """Return how many points of a bucket a lane holds: first a bucket a lane fills up, then there are more of them."""
    lanes = 32 * 32 * WARPS
    size = min(SIZE, -(-count // lanes))
    return -(-count // (lanes * min(SLOTS, -(-count // (lanes * size)))))
