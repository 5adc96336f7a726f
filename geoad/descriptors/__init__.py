"""Geometric descriptors: a vector for every point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.descriptors.teacher import Teacher, load_teacher, save_teacher, shipped_teachers

_HOME = dict.fromkeys(("Teacher", "load_teacher", "save_teacher", "shipped_teachers"), "geoad.descriptors.teacher")

__all__ = ["Teacher", "load_teacher", "save_teacher", "shipped_teachers"]

__getattr__, __dir__ = lazy(__name__, _HOME)
