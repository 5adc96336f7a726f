"""Connected components of a mask: the regions that per-region overlap counts one by one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geoad import _check
from geoad.ops._arrays import to_mask

CONNECTIVITIES = (4, 8)


def label_regions(mask: NDArray[np.bool_], connectivity: int = 8) -> tuple[NDArray[np.int32], int]:
    """Return labels (H, W), 0 outside and 1 to n inside the connected components of `mask` (H, W) > 0, and n.

    Labels follow the raster order of the components' first pixels. `connectivity` is 8 (pixels that share an edge or
    a corner are neighbours) or 4 (an edge only). A mask of one row, or of one column, is that of a cloud, whose points
    have no order: they are one region. Raises ValueError for negative numbers and NaN.

    >>> import numpy as np
    >>> diagonal = np.eye(2, dtype=bool)
    >>> label_regions(diagonal)[1], label_regions(diagonal, connectivity=4)[1]
    (1, 2)
    """
    check_connectivity(connectivity)
    _check.shape("mask", mask, ("H", "W"))
    inside = to_mask("mask", mask)
    if is_cloud(inside.shape):
        return inside.astype(np.int32), int(inside.any())
    labels, count = ndimage.label(inside, np.ones((3, 3)) if connectivity == 8 else None)
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
