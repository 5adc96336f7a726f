"""A cloud in pieces that hang together."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray


def compact_pieces(points: NDArray[np.float32], size: int) -> Iterator[NDArray[np.int64]]:
    """Yield the numbers of points (n, 3) in pieces of at most `size`: halves of halves along the longest side.

    >>> line = np.float32([[3, 0, 0], [0, 0, 0], [2, 0, 0], [1, 0, 0]])
    >>> [sorted(piece.tolist()) for piece in compact_pieces(line, 2)]
    [[1, 3], [0, 2]]
    """
    waiting = [np.arange(len(points))]
    while waiting:
        piece = waiting.pop()
        if len(piece) <= size:
            yield piece
            continue
        held = points[piece]
        axis = int(np.ptp(held, axis=0).argmax())
        order = np.argpartition(held[:, axis], len(piece) // 2)
        waiting += [piece[order[len(piece) // 2 :]], piece[order[: len(piece) // 2]]]
