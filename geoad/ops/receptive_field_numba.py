"""CPU kernels of `receptive_field`."""

from __future__ import annotations

import numpy as np
from numba import njit


@njit(cache=True, nogil=True)
def search(index, seeds, hops):  # type: ignore[no-untyped-def]
    """Return the nodes within `hops` of the seeds in order of hops, and how many there are up to each hop."""
    seen = np.zeros(index.shape[0], np.bool_)
    nodes = np.empty(index.shape[0], np.int64)
    sizes = np.empty(hops + 1, np.int64)
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
            for j in range(index.shape[1]):
                neighbour = index[nodes[i], j]
                if neighbour >= 0 and not seen[neighbour]:
                    seen[neighbour] = True
                    nodes[count] = neighbour
                    count += 1
        frontier = end
        sizes[hop + 1] = count
    return nodes[:count].copy(), sizes


@njit(cache=True, nogil=True)
def relabel(index, nodes, rows):  # type: ignore[no-untyped-def]
    """Return the rows of the first `rows` nodes in positions within `nodes`, −1 for what is not among them."""
    position = np.full(index.shape[0], -1, np.int32)
    for i in range(nodes.shape[0]):
        position[nodes[i]] = i
    table = np.empty((rows, index.shape[1]), np.int32)
    for i in range(rows):
        for j in range(index.shape[1]):
            neighbour = index[nodes[i], j]
            table[i, j] = position[neighbour] if neighbour >= 0 else -1
    return table
