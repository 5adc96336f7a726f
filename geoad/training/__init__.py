"""Training as data, and the one trainer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.training.stage import Descend, Update, Visit
    from geoad.training.trainer import Trainer

_HOME = dict.fromkeys(("Descend", "Update", "Visit"), "geoad.training.stage") | {"Trainer": "geoad.training.trainer"}

__all__ = ["Descend", "Trainer", "Update", "Visit"]

__getattr__, __dir__ = lazy(__name__, _HOME)
