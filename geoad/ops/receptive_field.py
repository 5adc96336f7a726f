"""Which points can influence a point's features: breadth-first search on the neighbour table."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from geoad import _check
from geoad.ops import _arrays, receptive_field_numba


class ReceptiveField(NamedTuple):
    """`nodes` (r,) int64 in the order of their hops; `sizes` (hops + 1,) int64: nodes[:sizes[h]] are within h hops.

    >>> nodes, sizes = receptive_field(np.array([[1], [0]]), 1, hops=1)
    >>> nodes.tolist(), sizes.tolist()
    ([1, 0], [1, 2])
    """

    nodes: NDArray[np.int64]
    sizes: NDArray[np.int64]


def receptive_field(index: Any, queries: Any, hops: int) -> ReceptiveField:
    """Return the points within `hops` hops of any of the `queries` (thesis eq. 10.2, there hops = L = 8).

    `index` (n, k) is a neighbour table (−1 for none), `queries` an index or (q,) indices; numpy or CPU tensors. The
    result is numpy.
    The queries come first, then what is one hop away, and so on: aggregation t of an L-layer network needs only the
    prefix of L − t hops.

    >>> import numpy as np
    >>> line = np.array([[1, 1], [0, 2], [1, 3], [2, 2]])
    >>> field = receptive_field(line, 0, hops=2)
    >>> field.nodes.tolist(), field.sizes.tolist()
    ([0, 1, 2], [1, 2, 3])
    """
    table, seeds = (_arrays.as_numpy(*each, "iu") for each in (("index", index), ("queries", queries)))
    table = table.astype(table.dtype.newbyteorder("="), copy=False)
    _check.shape("index", table, ("n", "k"))
    seeds = np.atleast_1d(seeds).astype(np.int64)
    _check.shape("queries", seeds, ("q",))
    _arrays.check_range("queries", seeds, len(table))
    hops = _arrays.whole("hops", hops, zero=True)
    return ReceptiveField(*receptive_field_numba.search(np.ascontiguousarray(table), seeds, hops))


def relabel(index: Any, nodes: NDArray[np.int64], rows: int) -> NDArray[np.int32]:
    """Return the neighbour table (rows, k) of the first `rows` nodes, in positions within `nodes`.

    All their neighbours must be among the nodes (they are, one hop further out).

    >>> import numpy as np
    >>> relabel(np.array([[1], [2], [1]]), np.array([2, 1]), rows=2).tolist()
    [[1], [0]]
    """
    table = np.ascontiguousarray(_arrays.as_numpy("index", index, "iu"))
    if not 0 <= rows <= len(nodes):
        raise ValueError(f"rows must lie in [0, {len(nodes)}], the number of nodes, got {rows}")
    _arrays.check_range("nodes", nodes, len(table))
    result = receptive_field_numba.relabel(table, nodes, rows)
    if rows and result.min() < 0:
        raise ValueError("nodes must hold every neighbour of the first rows, got a neighbour outside")
    return result  # type: ignore[no-any-return]
