"""k nearest neighbours on an organised scan of n pixels, looked for in a window of pixels, beside exact search."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from geoad import ops
from geoad.bench import exact
from geoad.bench.cases import Floats, organised
from geoad.bench.contest import to_array
from geoad.bench.contestant import Contestant, Kernel, Verdict, choice, own_backends
from geoad.bench.knn import ROUNDING
from geoad.bench.timing import Call
from geoad.bench.window_peers import PEERS

WINDOWS = {"window 7": 7, "window 11": 11}
QUERIES = 2048


@dataclass(frozen=True)
class Problem:
    """A scan (H, W, 3), the `pixels` that are compared, what is right within the window, and without one.

    `index` (Q, k) and `sq_dist` hold flat addresses of pixels and squares; `farthest` (Q,) is the square of the k-th
    neighbour among all valid pixels.

    >>> problem("window 7", 400, 4).index.shape[1]
    4
    """

    about: dict[str, Any]
    xyz: Floats
    valid: NDArray[np.bool_]
    pixels: NDArray[np.int64]
    index: NDArray[np.int64]
    sq_dist: Floats
    farthest: Floats


def problem(case: str, n: int, k: int) -> Problem:
    """Return a square scan of about n pixels, and k neighbours of some of its valid pixels.

    >>> problem("window 7", 400, 4).xyz.shape
    (20, 20, 3)
    """
    side, window = max(round(n**0.5), 2), WINDOWS[case]
    xyz = organised((side, side))
    valid: NDArray[np.bool_] = np.asarray(np.isfinite(xyz).all(2))
    address = np.flatnonzero(valid)
    random = np.random.default_rng(0)
    rows = np.sort(random.choice(len(address), min(QUERIES, len(address)), replace=False))
    farthest = exact.nearest(xyz[valid], rows, k)[1][:, -1]
    found = [_look(xyz, valid, int(pixel), k, window // 2) for pixel in address[rows]]
    index, sq_dist = (np.stack(parts) for parts in zip(*found, strict=True))
    about = {"n": side * side, "k": k, "window": window}
    return Problem(about, xyz, valid, address[rows], index, sq_dist, farthest)


def _look(
    xyz: Floats, valid: NDArray[np.bool_], pixel: int, k: int, reach: int
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return addresses and squares (k,) of the nearest valid pixels at most `reach` rows and columns away."""
    row, column = divmod(pixel, valid.shape[1])
    rows, columns = (np.arange(max(at - reach, 0), min(at + reach + 1, valid.shape[0])) for at in (row, column))
    near = (rows[:, None] * valid.shape[1] + columns).ravel()
    near = near[valid.ravel()[near]]
    sq_dist = exact.squares(xyz.reshape(-1, 3), np.array([pixel]), near[None])[0]
    order = np.lexsort((near, sq_dist))[:k]
    index, squares = np.full(k, -1), np.full(k, np.float32(np.inf))
    index[: len(order)], squares[: len(order)] = near[order], sq_dist[order]
    return index, squares


def judge(problem: Problem, output: Any, bits: bool) -> Verdict:
    """Compare bit for bit with what is right in the window; recall is the share of the exact neighbours.

    >>> scan = problem("window 7", 400, 4)
    >>> judge(scan, np.zeros((400, 4), np.int64), False).equal
    False
    """
    parts = [to_array(part) for part in (output if isinstance(output, tuple) else (output,))]
    k = problem.about["k"]
    if parts[0].size != problem.valid.size * k:
        return Verdict(False, 0.0, None, f"index has shape {parts[0].shape}")
    index = parts[0].reshape(-1, k)[problem.pixels].astype(np.int64)
    own = np.sort(index, axis=1)
    own[:, 1:][own[:, 1:] == own[:, :-1]] = -1  # counts once
    near = exact.squares(problem.xyz.reshape(-1, 3), problem.pixels, own) <= problem.farthest[:, None] * (1 + ROUNDING)
    recall = float((near & (own >= 0)).mean())
    if not bits:
        return Verdict(recall == 1, recall, None, "" if recall == 1 else f"recall {recall:.4f}")
    sq_dist = parts[1].reshape(-1, k)[problem.pixels]
    wrong = int(((index != problem.index) | (sq_dist != problem.sq_dist)).any(1).sum())
    note = f"{wrong} of {len(index)} rows are not the reference's" if wrong else ""
    return Verdict(not wrong, recall, None, note)


def _start(problem: Problem, device: str, backend: str | None) -> Call:
    xyz = torch.from_numpy(problem.xyz).to(device)
    k, window = problem.about["k"], problem.about["window"]
    return lambda: tuple(ops.window_knn(xyz, k, window=window, **choice(backend)))


def contestants() -> list[Contestant]:
    """Return geoad's backends, geoad's exact search, and trees.

    >>> [one.name for one in contestants()][-2:]
    ['pykdtree', 'scipy']
    """
    return [*own_backends("window_knn", _start), *PEERS]


KERNEL = Kernel(
    name="window",
    cases=tuple(WINDOWS),
    sizes=(65_536, 640_000),
    k=16,
    problem=problem,
    judge=judge,
    contestants=contestants,
)
