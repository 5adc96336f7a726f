"""What detectors of voxels share: the grid around good parts, a scan in it, and scores of its cells on the pixels."""

from __future__ import annotations

from typing import Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.detectors.base import Detector
from geoad.detectors.stray import stray_points
from geoad.geometry.camera import Camera
from geoad.geometry.convert import (
    EMPTY,
    bounding_grid,
    cloud_to_cells,
    scores_to_pixels,
    voxel_scores_to_points,
    xyz_to_cloud,
)
from geoad.geometry.point_cloud import PointCloud
from geoad.geometry.voxel_grid import VoxelGrid
from geoad.geometry.xyz_image import XYZImage
from geoad.ops.splat_voxels import splat_voxels
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch, Visit

Source = Literal["xyz", "xyz+rgb"]
Project = Literal["hull", "gather"]
Outside = Literal["clip", "drop"]
MANY = 0.05  # of a scan's points
OUTSIDE = {"clip": "each counts as one in the nearest cell", "drop": "they fill no cell"}


class VoxelDetector(Detector):
    """A detector that scores the cells of a grid; its author writes `cell_scores`, and stages that begin with `box`.

    An author who wants no dense grid writes `scored_grid` instead.

    The grid is the cube around all training points, `resolution` cells a side. With `source` "xyz" a cell is 1 or -1,
    occupied or empty; with "xyz+rgb" it is the mean colour of its points, in 0 to 1, or -1 in every channel.

    A training scan with points far from all others, which make the grid coarse, is named in a warning.

    A point outside the grid counts as one in the nearest cell, or with `outside` "drop" fills none; its pixel has the
    nearest cell's score in either case. The first scan that has many of them is named in a warning, and
    `count_outside(sample)` says how many there are.

    With `project` "hull" a pixel gets the highest score of the voxels whose eight projected corners have it in their
    convex hull (thesis 9.3.1), so that missing material is seen, and at least that of its own point's cell. With
    "gather" it gets the score of its own point's cell alone, 0 if it is invalid; so it does in a sample without a
    camera, or with one of another size, the first of which is named in a warning.

    Raises ValueError for a sample without xyz, without a valid pixel, or without rgb if the source needs it.

    >>> from geoad.checks import synthetic_scan
    >>> class Occupied(VoxelDetector):
    ...     def stages(self):
    ...         yield self.box()
    ...     def cell_scores(self, values):
    ...         return values[0] + 1
    >>> detector = Occupied(resolution=16).fit([synthetic_scan(0)])
    >>> detector.score(synthetic_scan(1)).score
    2.0
    """

    lower: Tensor
    upper: Tensor

    def __init__(
        self, *, source: Source = "xyz", resolution: int = 64, project: Project = "hull", outside: Outside = "clip"
    ) -> None:
        super().__init__()
        _check.one_of("source", source, get_args(Source))
        _check.one_of("project", project, get_args(Project))
        _check.one_of("outside", outside, get_args(Outside))
        _check.positive(resolution=resolution)
        if resolution**3 >= 2**31:
            raise ValueError(f"resolution must be at most 1290, so that cells have 32-bit numbers, got {resolution}")
        self.rgb, self.resolution, self.project, self.outside = source == "xyz+rgb", resolution, project, outside
        self.register_buffer("lower", torch.full((3,), torch.inf))
        self.register_buffer("upper", torch.full((3,), -torch.inf))

    @property
    def channels(self) -> int:
        """How many numbers a cell has."""
        return 3 if self.rgb else 1

    def prepare(self, sample: Sample) -> Batch:
        """Return the valid points (N, 3) and, if the source has it, their colours (N, 3), in row-major order."""
        scan = sample.scan()
        if self.rgb and sample.rgb is None:
            raise ValueError(f"{sample.place} must have rgb for source 'xyz+rgb', it has none")
        cloud = xyz_to_cloud(XYZImage(scan.xyz, sample.rgb if self.rgb else None))
        prepared = {"points": torch.from_numpy(cloud.points)}
        return prepared if cloud.rgb is None else {**prepared, "rgb": torch.from_numpy(cloud.rgb)}

    def collate(self, items: list[Batch]) -> Batch:
        """Return several clouds, or the cells of several, as one; "sizes" says where one ends and the next begins."""
        joined = {name: torch.cat([item[name] for item in items]) for name in items[0]}
        return {**joined, "sizes": torch.tensor([len(next(iter(item.values()))) for item in items])}

    def box(self) -> Visit:
        """Return the stage that finds the box around the training set: the first of a training."""
        return Visit("bounding box", self._see_box)

    def _see_box(self, batch: Batch) -> None:
        lower, upper = batch["points"].aminmax(dim=0)
        if (stray := stray_points(batch["points"].cpu().numpy())) is not None:
            told = f"{stray}: the grid is to hold them all, and gets coarse: remove them"
            self.warn_of_training("stray", batch, told)
        else:
            self.compare_unit(batch, float((upper - lower).norm()), "a box of diagonal {}")
        self.lower, self.upper = torch.minimum(self.lower, lower), torch.maximum(self.upper, upper)

    def grid(self) -> VoxelGrid:
        """Return the empty cube around the training set."""
        corners = torch.stack([self.lower, self.upper]).cpu().numpy()
        return bounding_grid([PointCloud(corners)], self.resolution)

    def fill(self, cloud: Batch) -> tuple[VoxelGrid, Batch]:
        """Return the grid that knows the cell of each point of a prepared cloud, and its `cells`."""
        rgb = cloud["rgb"].cpu().numpy() if self.rgb else None
        points = PointCloud(cloud["points"].cpu().numpy(), rgb=rgb)
        filled, cells, values = cloud_to_cells(points, self.grid(), rgb=self.rgb, clip=self.outside == "clip")
        found = {"cells": torch.from_numpy(cells.astype(np.int32))}
        return filled, {**found, "colours": torch.from_numpy(values)} if self.rgb else found

    def cells(self, cloud: Batch) -> Batch:
        """Return the occupied cells (m,) of a prepared cloud, flat and ascending, and with colours their means (m, 3).

        It is all that a network needs of a scan once the box is known, and a hundredth of the points.
        """
        return self.fill(cloud)[1]

    def grids(self, batch: Batch) -> Tensor:
        """Return the grids (B, C, X, Y, Z) of a batch of `cells`."""
        sizes, cells = batch["sizes"].to(self.device), batch["cells"].to(self.device).long()
        place = torch.arange(len(sizes), device=self.device).repeat_interleave(sizes, output_size=len(cells))
        grids = torch.full((len(sizes), self.channels, self.resolution**3), EMPTY, device=self.device)
        grids[place, :, cells] = batch["colours"].to(self.device) if self.rgb else 1.0
        return grids.view(len(sizes), self.channels, *(self.resolution,) * 3)

    def cell_scores(self, values: Tensor) -> Tensor:
        """Return the scores (X, Y, Z) of the cells of a scan, whose values are (C, X, Y, Z)."""
        raise NotImplementedError(f"{type(self).__name__} has no cell_scores(values)")

    def scored_grid(self, cloud: Batch) -> tuple[NDArray[np.float32], VoxelGrid]:
        """Return the scores (X, Y, Z) of the cells of a scan, and the grid that knows each point's cell."""
        filled, cells = self.fill(cloud)
        return self.cell_scores(self.grids(self.collate([cells]))[0]).float().cpu().numpy(), filled

    def map(self, sample: Sample) -> AnomalyMap:
        """Score every cell, and every pixel by them."""
        scan, cloud = sample.scan(), self.prepare(sample)
        scores, filled = self.scored_grid(cloud)
        outside, count = _outside(filled), len(cloud["points"])
        if outside > MANY * count:  # a few are nothing unusual
            told = f"has {outside} of {count} points outside the training set's grid: {OUTSIDE[self.outside]}"
            self.warn_once("outside", sample.place, told)
        points = voxel_scores_to_points(scores, filled)
        pixels = scores_to_pixels(points, np.flatnonzero(scan.valid), sample.shape)
        camera = sample.camera
        if self.project == "hull" and camera is not None and camera.shape == sample.shape:
            pixels = np.fmax(pixels, _splat(scores, filled, camera))
        elif self.project == "hull" and scan.organised:
            why = "no camera" if camera is None else f"{sample.shape} pixels and its camera {camera.shape}"
            self.warn_once("camera", sample.place, f"has {why}: pixels get the scores of their own points alone")
        return AnomalyMap(pixels, valid=scan.valid)

    def count_outside(self, sample: Sample) -> int:
        """Return how many points of a sample lie outside the grid of the training set."""
        self.check_fitted()
        return _outside(self.fill(self.prepare(sample))[0])


def _outside(filled: VoxelGrid) -> int:
    """Return how many of the points that went into a grid lie outside it."""
    return int(np.count_nonzero(filled.index == -1))


def _splat(scores: NDArray[np.float32], filled: VoxelGrid, camera: Camera) -> NDArray[np.float32]:
    """Return what the camera sees of the scores, NaN where it sees none."""
    if scores.min() >= 0:  # a pixel is 0 without them: most of a grid need not be drawn
        scores = np.where(scores > 0, scores, np.float32(-np.inf))
    seen: NDArray[np.float32] = splat_voxels(scores, filled.origin, filled.cell, camera, camera.shape)
    return seen
