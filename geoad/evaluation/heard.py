"""What detectors warn of, noted by who asked them; the warnings are shown as ever."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from geoad.detectors.base import OddScan


@contextmanager
def hear_warnings(hear: Callable[[str, type[Warning]], object]) -> Iterator[None]:
    """Tell `hear` the text and the category of every warning meanwhile; each `OddScan` counts, repeated or not.

    >>> said = []
    >>> with hear_warnings(lambda text, category: said.append(text)):
    ...     warnings.warn("002.tiff has no camera", OddScan)
    >>> said
    ['002.tiff has no camera']
    """
    show = warnings.showwarning

    def told(message: Warning | str, category: type[Warning], *place: Any, **rest: Any) -> None:
        hear(str(message), category)
        show(message, category, *place, **rest)

    with warnings.catch_warnings():
        warnings.simplefilter("always", OddScan)
        warnings.showwarning = told
        yield
