"""CPU kernels of `receptive_field`.

The rows of a table are read in no order; each is asked for when its point is found, long before its turn.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from geoad.ops._vector_numba import at, prefetch

AHEAD = 16  # rows
BEYOND = "index must hold rows of the table, and -1 for none, got a neighbour beyond its end"


@njit(cache=True, nogil=True)
def search(index, seeds, hops):  # type: ignore[no-untyped-def]
    """Return the nodes within `hops` of the seeds in order of hops, and how many there are up to each hop."""
    n, k = index.shape
    flat, seen = index.reshape(-1), np.zeros(n, np.bool_)
    nodes, sizes = np.empty(n, np.int64), np.empty(hops + 1, np.int64)
    count = 0
    for seed in seeds:
        if not seen[seed]:
            seen[seed] = True
            nodes[count] = seed
            count += 1
    sizes[0] = count
    frontier = 0
    for hop in range(hops):
        end = count
        for i in range(frontier, end):
            row = nodes[i] * k
            for place in range(row, row + k):
                neighbour = at(flat, place)
                if neighbour >= n:
                    raise ValueError(BEYOND)
                if neighbour >= 0 and not at(seen, neighbour):
                    seen[neighbour] = True
                    nodes[count] = neighbour
                    count += 1
                    prefetch(flat, neighbour * k)
        frontier = end
        sizes[hop + 1] = count
    return nodes[:count].copy(), sizes


@njit(cache=True, nogil=True)
def relabel(index, nodes, rows):  # type: ignore[no-untyped-def]
    """Return the rows of the first `rows` nodes in positions within `nodes`, −1 for what is not among them."""
    n, k = index.shape
    flat, position = index.reshape(-1), np.full(n, -1, np.int32)
    for i in range(nodes.shape[0]):
        position[nodes[i]] = i
    table = np.empty((rows, k), np.int32)
    for i in range(rows):
        row = nodes[i] * k
        prefetch(flat, nodes[min(i + AHEAD, rows - 1)] * k)
        for j in range(k):
            neighbour = at(flat, row + j)
            if neighbour >= n:
                raise ValueError(BEYOND)
            table[i, j] = at(position, neighbour) if neighbour >= 0 else -1
    return table
