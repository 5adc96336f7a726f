"""What scipy offers for Laplace's equation on an image."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from geoad._optional import need
from geoad.bench.cases import Floats
from geoad.bench.contestant import Contestant
from geoad.bench.timing import Call
from geoad.ops import reference


def _start_direct(problem: Any, _device: str) -> Call:
    need("scipy.sparse", "be compared with")
    return lambda: reference.harmonic_fill(problem.values, problem.known).astype(np.float32)


def _start_cg(problem: Any, _device: str) -> Call:
    """Conjugate gradients with Jacobi's preconditioner, as scipy has them, to a residual that gives such an error."""
    sparse, linalg = (need(f"scipy.sparse{part}", "be compared with") for part in ("", ".linalg"))

    def run() -> Any:
        matrix, right, free = _equations(sparse, problem.values, problem.known)
        inverse = sparse.diags_array(1 / matrix.diagonal())
        result = problem.values.copy()
        result.ravel()[free] = linalg.cg(matrix, right, M=inverse, rtol=1e-7)[0]
        return result

    return run


def _equations(sparse: Any, values: Floats, known: NDArray[np.bool_]) -> Any:
    """Return the matrix and the right side of the unknown pixels, and their numbers."""
    number = np.arange(known.size).reshape(known.shape)
    pairs = [(number[:, :-1], number[:, 1:]), (number[:-1], number[1:])]
    a, b = (np.concatenate([pair[side].ravel() for pair in pairs]) for side in (0, 1))
    ones = np.ones(2 * len(a), np.float32)
    links = sparse.coo_array((ones, (np.r_[a, b], np.r_[b, a])), shape=(known.size, known.size)).tocsr()
    free, fixed = np.flatnonzero(~known), np.flatnonzero(known)
    rows = links[free]
    matrix = sparse.diags_array(np.asarray(rows.sum(1)).ravel()) - rows[:, free]
    return matrix.tocsr(), rows[:, fixed] @ values.ravel()[fixed], free


PEERS = (
    Contestant("scipy-direct", _start_direct, needs="scipy.sparse"),
    Contestant("scipy-cg", _start_cg, needs="scipy.sparse"),
)
