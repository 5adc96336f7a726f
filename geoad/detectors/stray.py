"""Points far from all others, as a sensor invents at edges: they stretch whatever is made to hold a training set."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from geoad.geometry.subset import draw_subset

SOME = 20_000
"""How many points of a scan tell where most of them are."""
DEEP = 3.0
"""Times as far away as half of the pixels."""


def stray_points(points: NDArray[np.float32]) -> str | None:
    """Return what to tell of points (N, 3) of which a few are far from all others, None where none is.

    Far is farther, along an axis, from where 98 of 100 points are than these reach along their longest axis.

    >>> plate = np.random.default_rng(0).random((1000, 3)) * [0.2, 0.1, 0.01]
    >>> stray_points(plate) is None, stray_points(np.vstack([plate, [[0.1, 0.05, 10.0]]]))
    (True, 'has a point 9.99 from most others, which span 0.196')
    """
    some = points[draw_subset(len(points), SOME)]
    lower, upper = np.quantile(some, [0.01, 0.99], axis=0)
    axes = points.T.copy()  # along rows of three numbers extremes take ten times as long
    span, away = (upper - lower).max(), max((lower - axes.min(1)).max(), (axes.max(1) - upper).max())
    return f"has a point {away:.3g} from most others, which span {span:.3g}" if away > span > 0 else None


def stray_depth(depth: NDArray[np.float32]) -> str | None:
    """Return what to tell of depths, 0 where invalid, of which the largest is far behind half of them, or None.

    >>> stray_depth(np.array([0.0, 0.4, 0.5, 0.6])) is None, stray_depth(np.array([0.4, 0.5, 0.5, 6.0]))
    (True, 'has a pixel 6 away, where half of them are nearer than 0.5')
    """
    valid = depth[depth > 0]
    usual, most = float(np.median(valid)), float(valid.max())
    if most <= DEEP * usual:
        return None
    return f"has a pixel {most:.3g} away, where half of them are nearer than {usual:.3g}"
