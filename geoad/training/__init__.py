"""Training as data, and the one trainer."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from geoad.training.stage import Descend, Update, Visit
    from geoad.training.trainer import Trainer

_HOME = dict.fromkeys(("Descend", "Update", "Visit"), "geoad.training.stage") | {"Trainer": "geoad.training.trainer"}

__all__ = ["Descend", "Trainer", "Update", "Visit"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
