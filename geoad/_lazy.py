"""Public names that are imported when they are first asked for, so that `import geoad` stays light."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Return the `__getattr__` of a package whose names live in the modules that `homes` gives.

    >>> lazy("geoad.example", {"sqrt": "math"})("sqrt")(9)
    3.0
    >>> lazy("geoad.example", {"sqrt": "math"})("root")
    Traceback (most recent call last):
    AttributeError: module 'geoad.example' has no attribute 'root'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get
