"""What was learned beside what was counted: the pretrained teacher's descriptors and point feature histograms."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from geoad.descriptors.point_histograms import fpfh
from geoad.descriptors.teacher import Teacher


def teacher_fpfh(points: NDArray[np.floating]) -> NDArray[np.float32]:
    """Return descriptors (N, 97) of points (N, 3), seen by a sensor at the origin: 64 of `3d-st-64`, 33 of `fpfh`.

    As the teacher of 3D-ST (`teacher="geoad.descriptors:teacher_fpfh"`): where one of the two is weak the other is
    strong. Raises what `Teacher` and `fpfh` raise.

    >>> points = np.random.default_rng(0).random((200, 3)) + [0, 0, 1]
    >>> teacher_fpfh(points).shape
    (200, 97)
    """
    return np.concatenate([_learned()(points), fpfh(points)], axis=1, dtype=np.float32)


@cache
def _learned() -> Teacher:
    return Teacher.from_pretrained("3d-st-64")
