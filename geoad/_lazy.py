"""Names that are imported when they are first asked for, so that `import geoad` stays light."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy(package: str, homes: Mapping[str, str | None]) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names live in the modules that `homes` gives.

    The home of a name that is a module itself is None.

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
        home = homes[name]
        return import_module(f"{package}.{name}") if home is None else getattr(import_module(home), name)

    return get, lambda: list(sys.modules[package].__all__)


def load(place: str) -> Any:
    """Return what "package.module:name" names.

    >>> load("math:sqrt")(9)
    3.0
    """
    module, _, name = place.partition(":")
    return getattr(import_module(module), name)
