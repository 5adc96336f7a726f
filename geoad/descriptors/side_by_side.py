"""What was learned beside what was counted: the pretrained teacher's descriptors and point feature histograms."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from geoad.descriptors.point_histograms import fpfh
from geoad.descriptors.teacher import Teacher
from geoad.ops import _arrays


def teacher_fpfh(points: Any) -> Any:
    """Return descriptors (N, 97) of points (N, 3), seen by a sensor at the origin: 64 of `3d-st-64`, 33 of `fpfh`.

    As the teacher of 3D-ST (`teacher="geoad.descriptors:teacher_fpfh"`): where one of the two is weak the other is
    strong. Points are numpy or torch (CPU), and descriptors float32 of the same kind. Raises what `Teacher` and `fpfh`
    raise.

    >>> points = np.random.default_rng(0).random((200, 3)) + [0, 0, 1]
    >>> teacher_fpfh(points).shape
    (200, 97)
    """
    learned, counted = (_arrays.to_numpy("points", part) for part in (_learned()(points), fpfh(points)))
    return _arrays.like(np.concatenate([learned, counted], axis=1, dtype=np.float32), points)


@cache
def _learned() -> Teacher:
    return Teacher.from_pretrained("3d-st-64")
