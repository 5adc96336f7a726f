"""Connected components of a mask: the regions that per-region overlap counts one by one."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from geoad import _check

CONNECTIVITIES = (4, 8)


def label_regions(mask: NDArray[np.bool_], connectivity: int = 8) -> tuple[NDArray[np.int32], int]:
    """Return labels (H, W), 0 outside and 1 to n inside the connected components of `mask` (H, W) > 0, and n.

    Labels follow the raster order of the components' first pixels. `connectivity` is 8 (pixels that share an edge or
    a corner are neighbours) or 4 (an edge only). A mask of one row, or of one column, is that of a cloud, whose points
    have no order: they are one region.

    >>> import numpy as np
    >>> diagonal = np.eye(2, dtype=bool)
    >>> label_regions(diagonal)[1], label_regions(diagonal, connectivity=4)[1]
    (1, 2)
    """
    check_connectivity(connectivity)
    _check.shape("mask", mask, ("H", "W"))
    if is_cloud(mask.shape):
        return (np.asarray(mask) > 0).astype(np.int32), int(np.any(mask))
    labels, count = _label(np.ascontiguousarray(mask if mask.dtype == np.bool_ else mask > 0), connectivity == 8)
    return labels, int(count)


def is_cloud(shape: tuple[int, ...]) -> bool:
    """Return whether maps of this shape (H, W) are those of a cloud, where neighbours in a row are none in space.

    >>> is_cloud((1, 640)), is_cloud((480, 640))
    (True, False)
    """
    return min(shape) == 1 < max(shape)


def check_connectivity(connectivity: int) -> None:
    """Raise ValueError unless `connectivity` is 4 or 8.

    >>> check_connectivity(6)
    Traceback (most recent call last):
    ValueError: connectivity must be 4 or 8, got 6
    """
    if connectivity not in CONNECTIVITIES:
        raise ValueError(f"connectivity must be 4 or 8, got {connectivity}")


@njit(cache=True, nogil=True)
def find_root(parent, i):  # type: ignore[no-untyped-def]
    """Return the root of `i` in a forest of `parent` places, halving the path on the way.

    >>> int(find_root(np.array([0, 0, 1]), 2))
    0
    """
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@njit(cache=True, nogil=True)
def _label(mask, corners):  # type: ignore[no-untyped-def]
    """Two-pass union-find; the smaller root wins, so that every parent precedes its children."""
    height, width = mask.shape
    labels = np.zeros((height, width), np.int32)
    parent = np.empty(height * width // 2 + 2, np.int32)  # a checkerboard has this many provisional labels
    last = 0
    for row in range(height):
        for column in range(width):
            if not mask[row, column]:
                continue
            label = labels[row, column - 1] if column else 0
            if row:
                first = max(column - 1, 0) if corners else column
                end = min(column + 2, width) if corners else column + 1
                for above in range(first, end):
                    other = labels[row - 1, above]
                    if other and label and other != label:
                        a, b = find_root(parent, label), find_root(parent, other)
                        parent[max(a, b)] = min(a, b)
                    elif other:
                        label = other
            if not label:
                last += 1
                parent[last] = last
                label = last
            labels[row, column] = label
    count = _compact(parent, last)
    for row in range(height):
        for column in range(width):
            if labels[row, column]:
                labels[row, column] = parent[labels[row, column]]
    return labels, count


@njit(cache=True, nogil=True)
def _compact(parent, last):  # type: ignore[no-untyped-def]
    """Replace each parent by its component's number, in place, and return how many there are."""
    count = 0
    for i in range(1, last + 1):
        if parent[i] == i:
            count += 1
            parent[i] = count
        else:
            parent[i] = parent[parent[i]]
    return count
