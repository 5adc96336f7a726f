"""Copies of scans, each turned a little on the table: the augmentation of thesis 9.3.1."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import cached_property
from typing import overload

import numpy as np

from geoad import _check
from geoad._digest import digest_made_of
from geoad.geometry.camera import Camera
from geoad.geometry.pinhole import fit_pinhole
from geoad.geometry.plane import Plane, fit_background
from geoad.geometry.rotate import rotate_scan
from geoad.geometry.subset import draw_subset
from geoad.geometry.xyz_image import XYZImage
from geoad.ops import _arrays
from geoad.sample import Sample

SCANS, POINTS = 8, 2000
"""How many scans the plane is found in, and points of each."""


class Rotated(Sequence[Sample]):
    """`copies` of every organised scan, each turned about the normal of the background by up to ± `degrees`.

    The plane is that of the whole sequence, found once, by RANSAC on points of several scans. Each copy has a seed of
    its own, so that it is the same in any order and any process. Copies are made when they are asked for, and kept
    while all kept ones fit in `memory` bytes; the scans themselves are not among them, nor is ground truth: copies are
    to learn from. A scan without a camera is seen through the pinhole camera that fits it, one with a camera of another
    size too, and the first of these is named in a warning. 0 copies: the scans as they are. A slice is a sequence of
    the same copies.

    Raises ValueError, when a copy is asked for, that names the scan: not organised, without a valid pixel, or seen by
    no pinhole camera; and for scans without a background.

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
        _check.positive(degrees=degrees)
        self.samples, self.copies, self.degrees = samples, _arrays.whole("copies", copies, zero=True), degrees
        self.seed = _arrays.whole("seed", seed, zero=True)
        self._left, self._kept = memory, dict[int, Sample]()
        self._last: tuple[int, Sample] | None = None
        self._told = False

    def __len__(self) -> int:
        return len(self.samples) * (self.copies or 1)

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> Part: ...
    def __getitem__(self, i: int | slice) -> Sample | Part:
        if isinstance(i, slice):
            return Part(self, range(len(self))[i])
        if not -len(self) <= i < len(self):
            raise IndexError(f"i must be in [{-len(self)}, {len(self)}), got {i}")
        return self._copy(i % len(self)) if self.copies else self.samples[i]

    def _copy(self, i: int) -> Sample:
        """Return one copy, made now or kept."""
        if i not in self._kept:
            made = self._turn(i)
            assert made.xyz is not None
            size = made.xyz.xyz.nbytes + (0 if made.rgb is None else made.rgb.nbytes)
            if size > self._left:
                return made
            self._left -= size
            self._kept[i] = made
        return self._kept[i]

    def digest(self) -> str | None:
        """Return a hash of the scans and of how they are turned, None if the scans have none."""
        return digest_made_of(self.samples, [self.copies, self.degrees, self.seed])

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
            clouds.append(points[draw_subset(len(points), POINTS)])
        try:
            return fit_background(np.concatenate(clouds))
        except ValueError as error:
            raise ValueError(f"scans cannot be turned on their table: {error}; set copies=0") from error

    def _turn(self, i: int) -> Sample:
        """Make one copy."""
        position, number = divmod(i, self.copies)
        if self._last is None or self._last[0] != position:  # copies of one scan are often asked for one by one
            self._last = position, self.samples[position]
        sample, name = self._last[1], self._last[1].name or "sample"
        scan, plane = _scan(sample), self.plane
        try:
            turned = rotate_scan(scan, plane, self.angle(i), self._camera(sample, scan))
        except ValueError as error:
            raise ValueError(f"{sample.place} cannot be turned: {error}, or set copies=0") from error
        return Sample(xyz=turned, camera=sample.camera, name=f"{name} turned {number}", path=sample.path)

    def _camera(self, sample: Sample, scan: XYZImage) -> Camera:
        """Return the camera that sees a scan: its own, if that makes images of its size."""
        camera, name = sample.camera, sample.place
        if camera is not None and camera.shape == scan.shape:
            return camera
        if camera is not None and not self._told:
            self._told = True
            told = f"{name} has {scan.shape} pixels and its camera {camera.shape}: it is turned before a pinhole camera"
            warnings.warn(f"{told} that fits; said of the first such scan only", stacklevel=2)
        return fit_pinhole(scan)


class Part(Sequence[Sample]):
    """Some samples of a sequence, by their `numbers`, taken from it when they are asked for.

    >>> [*Part("abcd", range(4)[::2])], Part("abcd", range(4))[1:][-1]
    (['a', 'c'], 'd')
    """

    def __init__(self, whole: Sequence[Sample], numbers: range) -> None:
        self.whole, self.numbers = whole, numbers

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> Part: ...
    def __getitem__(self, i: int | slice) -> Sample | Part:
        return Part(self.whole, self.numbers[i]) if isinstance(i, slice) else self.whole[self.numbers[i]]

    def digest(self) -> str | None:
        """Return a hash of the sequence and of the numbers, None if the sequence has none."""
        return digest_made_of(self.whole, [self.numbers])


def _scan(sample: Sample) -> XYZImage:
    """Return an organised scan with a valid pixel, and its colours."""
    scan = sample.scan()
    if not scan.organised:
        raise ValueError(f"{sample.place} must be an organised scan to be turned, got {scan.shape}; set copies=0")
    return XYZImage(scan.xyz, sample.rgb)
