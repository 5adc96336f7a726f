"""Names that are imported when they are first asked for, so that `import geoad` stays light."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names live in the modules that `homes` gives.

    >>> get, _ = lazy("geoad.example", {"sqrt": "math"})
    >>> get("sqrt")(9)
    3.0
    >>> get("root")
    Traceback (most recent call last):
    AttributeError: module 'geoad.example' has no attribute 'root'
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(homes[name]), name)

    return get, lambda: list(sys.modules[package].__all__)


def load(place: str) -> Any:
    """Return what "package.module:name" names.

    >>> load("math:sqrt")(9)
    3.0
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
