"""Some of very many points, where all of them would take too long."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def draw_subset(count: int, most: int) -> NDArray[np.int64]:
    """Return at most `most` of the numbers below `count`, at random and always the same.

    Every n-th pixel of a scan without holes would lie in a few columns of the image.

    >>> sorted(draw_subset(3, 5).tolist()), len(draw_subset(1000, 5))
    ([0, 1, 2], 5)
    """
    return np.random.default_rng(0).choice(count, min(most, count), replace=False)
