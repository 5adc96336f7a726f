"""Geometric descriptors: a vector for every point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from geoad._lazy import lazy

if TYPE_CHECKING:
    from geoad.descriptors.point_histograms import fpfh
    from geoad.descriptors.side_by_side import teacher_fpfh
    from geoad.descriptors.surface_normals import normals
    from geoad.descriptors.teacher import Teacher, shipped_teachers

_HOME = {
    **dict.fromkeys(("Teacher", "shipped_teachers"), "geoad.descriptors.teacher"),
    "fpfh": "geoad.descriptors.point_histograms",
    "normals": "geoad.descriptors.surface_normals",
    "teacher_fpfh": "geoad.descriptors.side_by_side",
}

__all__ = ["Teacher", "fpfh", "normals", "shipped_teachers", "teacher_fpfh"]

__getattr__, __dir__ = lazy(__name__, _HOME)
