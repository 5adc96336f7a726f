"""Geometric descriptors: a vector for every point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.descriptors.point_histograms import fpfh
    from geoad.descriptors.surface_normals import normals
    from geoad.descriptors.teacher import Teacher, load_teacher, save_teacher, shipped_teachers

_HOME = {
    **dict.fromkeys(("Teacher", "load_teacher", "save_teacher", "shipped_teachers"), "geoad.descriptors.teacher"),
    "fpfh": "geoad.descriptors.point_histograms",
    "normals": "geoad.descriptors.surface_normals",
}

__all__ = ["Teacher", "fpfh", "load_teacher", "normals", "save_teacher", "shipped_teachers"]

__getattr__, __dir__ = lazy(__name__, _HOME)
