"""Copies of scans, each turned a little on the table: the augmentation of thesis 9.3.1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from geoad import _check
from geoad.geometry.pinhole import fit_pinhole
from geoad.geometry.plane import Plane, fit_background
from geoad.geometry.rotate import rotate_scan
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample

SCANS, POINTS = 8, 2000
"""How many scans the plane is found in, and points of each."""


class Rotated(Sequence[Sample]):
    """`copies` of every organised scan, each turned about the normal of the background by up to ± `degrees`.

    The plane is that of the whole sequence, found once, by RANSAC on points of several scans. Each copy has a seed of
    its own, so that it is the same in any order and any process. Copies are made when they are asked for, and kept
    while all kept ones fit in `memory` bytes; the scans themselves are not among them, nor is ground truth: copies are
    to learn from. A scan without a camera is seen through the pinhole camera that fits it. 0 copies: the scans as they
    are.

    Raises ValueError, when a copy is asked for, that names the scan: not organised, without a valid pixel, with a
    camera of another size, or seen by no pinhole camera; and for scans without a background.

    >>> from geoad.data.sim3d.scan import simulate
    >>> from geoad.data.sim3d import get_category
    >>> scan = simulate(get_category("dowel"), "good", np.random.SeedSequence(0), pixels=64)
    >>> copies = Rotated([Sample(xyz=XYZImage(scan.xyz), name="000")], copies=3)
    >>> [copy.name for copy in copies], copies[0].shape == scan.xyz.shape[:2]
    (['000 turned 0', '000 turned 1', '000 turned 2'], True)
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        *,
        copies: int = 20,
        degrees: float = 5.0,
        seed: int = 0,
        memory: float = 1e9,
    ) -> None:
        if copies < 0:
            raise ValueError(f"copies must be 0 or more, got {copies}")
        _check.positive("degrees", degrees)
        self.samples, self.copies, self.degrees, self.seed = samples, copies, degrees, seed
        self._left, self._kept = memory, dict[int, Sample]()
        self._last: tuple[int, Sample] | None = None

    def __len__(self) -> int:
        return len(self.samples) * (self.copies or 1)

    def __getitem__(self, i: Any) -> Any:
        if not 0 <= i < len(self):
            raise IndexError(f"i must be in [0, {len(self)}), got {i}")
        if not self.copies:
            return self.samples[i]
        if i not in self._kept:
            made = self._turn(i)
            assert made.xyz is not None
            size = made.xyz.xyz.nbytes + (0 if made.rgb is None else made.rgb.nbytes)
            if size > self._left:
                return made
            self._left -= size
            self._kept[i] = made
        return self._kept[i]

    def angle(self, i: int) -> float:
        """Return by how many degrees copy `i` is turned."""
        return float(np.random.default_rng([self.seed, i]).uniform(-self.degrees, self.degrees))

    @cached_property
    def plane(self) -> Plane:
        """The background of the sequence."""
        chosen = np.unique(np.linspace(0, len(self.samples) - 1, SCANS).astype(int))
        clouds = []
        for scan in (_scan(self.samples[i]) for i in chosen):
            points = scan.xyz[scan.valid]
            clouds.append(points[:: max(len(points) // POINTS, 1)])
        try:
            return fit_background(np.concatenate(clouds))
        except ValueError as error:
            raise ValueError(f"scans cannot be turned on their table: {error}; set copies=0") from error

    def _turn(self, i: int) -> Sample:
        """Make one copy."""
        position, copy = divmod(i, self.copies)
        if self._last is None or self._last[0] != position:  # copies of one scan are often asked for one by one
            self._last = position, self.samples[position]
        sample, name = self._last[1], self._last[1].name or "sample"
        scan, plane = _scan(sample), self.plane
        try:
            camera = sample.camera if sample.camera is not None else fit_pinhole(scan)
            turned = rotate_scan(scan, plane, self.angle(i), camera)
        except ValueError as error:
            raise ValueError(f"{name} cannot be turned: {error}, or set copies=0") from error
        return Sample(xyz=turned, camera=sample.camera, name=f"{name} turned {copy}", path=sample.path)


def _scan(sample: Sample) -> XYZImage:
    """Return an organised scan with a valid pixel, and its colours."""
    scan, name = sample.xyz, sample.name or "sample"
    if scan is None or not scan.organised:
        got = "it has no xyz" if scan is None else f"got {scan.shape}"
        raise ValueError(f"{name} must be an organised scan to be turned, {got}; set copies=0")
    if not scan.valid.any():
        raise ValueError(f"{name} has no valid pixel: remove it, or scan it again")
    return XYZImage(scan.xyz, sample.rgb)
