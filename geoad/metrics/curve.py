"""A curve over the false positive rate, and the area under its beginning."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Curve:
    """A polygonal line: `x` (N,) ascending to 1, false positive rates from 0 (recalls for a PR curve); `y` (N,) values.

    `sums` (N,), areas up to each corner, where they are known better than the corners tell: a curve of many corners
    keeps those that can be seen and the areas between them. None: trapezoids.

    >>> import numpy as np
    >>> Curve(np.array([0.0, 0.5, 1.0]), np.array([0.0, 1.0, 1.0])).area(0.5)
    0.5
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    sums: NDArray[np.float64] | None = None

    def area(self, limit: float = 1.0) -> float:
        """Return the area over [0, limit] divided by `limit`: trapezoids, the last cut by interpolation at `limit`.

        NaN for a curve without corners. Raises ValueError unless 0 < limit ≤ 1.
        """
        check_limit(limit)
        if not len(self.x):
            return math.nan
        inside = int(np.searchsorted(self.x, limit, side="right"))
        x, y = self.x[:inside], self.y[:inside]
        area = float(np.sum(np.diff(x) * (y[1:] + y[:-1]))) / 2 if self.sums is None else float(self.sums[inside - 1])
        if inside < len(self.x):
            left, right = self.x[inside - 1 : inside + 1]
            low, high = self.y[inside - 1 : inside + 1]
            cut = low + (high - low) * ((limit - left) / (right - left))
            area += float((limit - left) * (low + cut)) / 2
        return area / limit


def checked_limits(limits: float | Iterable[float]) -> list[float]:
    """Return one limit or several as a list; raise ValueError unless each is a false positive rate in (0, 1].

    >>> checked_limits(0.3), checked_limits((0.05, 0.3))
    ([0.3], [0.05, 0.3])
    """
    found = list(limits) if isinstance(limits, Iterable) else [limits]
    for limit in found:
        check_limit(limit)
    return found


def check_limit(limit: float) -> None:
    """Raise ValueError unless `limit`, a false positive rate, is in (0, 1].

    >>> check_limit(30)
    Traceback (most recent call last):
    ValueError: limit must be a false positive rate in (0, 1], got 30
    """
    if not 0 < limit <= 1:
        raise ValueError(f"limit must be a false positive rate in (0, 1], got {limit}")
