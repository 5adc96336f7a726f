"""The unit of length of a training set: that it has one, and scans that are in another."""

from __future__ import annotations

from math import inf
from statistics import median

ODD = 10.0
"""Times as large, or as small: another unit, most likely."""
FIRST = 32
"""Scans that say what is usual."""


def check_spacing(what: str, spacing: float) -> None:
    """Raise ValueError unless the mean distance to the neighbours, in `what`, is positive and finite.

    >>> check_spacing("training scans", 0.001)
    """
    if not 0 < spacing < inf:
        told = f"got a mean distance to the neighbours of {spacing}"
        raise ValueError(f"points of {what} must be distinct and less than 1e19 apart, {told}")


def is_other_unit(length: float, usual: float) -> bool:
    """Tell whether a length of a scan is most likely in another unit than the same of others.

    >>> is_other_unit(0.5, 0.6), is_other_unit(500.0, 0.6)
    (False, True)
    """
    return not ODD * min(length, usual) >= max(length, usual)  # so that NaN is odd too


class Lengths:
    """Notices training scans of which a length does not fit those before: metres against millimetres.

    >>> lengths = Lengths()
    >>> lengths.see(0.001, "neighbours {} apart"), lengths.see(0.001, "neighbours {} apart")
    (None, None)
    >>> lengths.see(1.0, "neighbours {} apart")
    'has neighbours 1 apart, where the first scans have 0.001: metres against millimetres?'
    """

    def __init__(self) -> None:
        self.seen = list[float]()

    def see(self, length: float, what: str) -> str | None:
        """Add a scan's, and return what to tell of it, if anything; `what` it has, with {} for the number."""
        usual = median(self.seen or [length])
        if len(self.seen) < FIRST:
            self.seen.append(length)
        if not is_other_unit(length, usual):
            return None
        told = f"where the first scans have {usual:.3g}: metres against millimetres?"
        return f"has {what.format(f'{length:.3g}')}, {told}"
