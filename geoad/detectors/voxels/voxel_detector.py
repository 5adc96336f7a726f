"""What detectors of voxels share: the grid around good parts, a scan in it, and scores of its cells on the pixels."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.detectors.base import Detector
from geoad.geometry.convert import (
    bounding_grid,
    cloud_to_cells,
    cloud_to_voxels,
    scores_to_pixels,
    voxel_scores_to_points,
    xyz_to_cloud,
)
from geoad.geometry.point_cloud import PointCloud
from geoad.geometry.voxel_grid import VoxelGrid
from geoad.ops.splat_voxels import splat_voxels
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch, Visit

Source = Literal["xyz", "xyz+rgb"]
Project = Literal["hull", "gather"]
Outside = Literal["clip", "drop"]


class VoxelDetector(Detector):
    """A detector that scores the cells of a grid; its author writes `cell_scores`, and stages that begin with `box`.

    The grid is the cube around all training points, `resolution` cells a side. With `source` "xyz" a cell is 1 or -1,
    occupied or empty; with "xyz+rgb" it is the mean colour of its points, in 0 to 1, or -1 in every channel.

    A point outside the grid counts as one in the nearest cell, or with `outside` "drop" fills none; its pixel has the
    nearest cell's score in either case, and `count_outside(sample)` says how many there are.

    With `project` "hull" a pixel gets the highest score of the voxels whose eight projected corners have it in their
    convex hull (thesis 9.3.1), so that missing material is seen, and at least that of its own point's cell. With
    "gather", or for a sample without camera, it gets the score of its own point's cell alone, 0 if it is invalid.

    Raises ValueError for a sample without xyz, without a valid pixel, without rgb if the source needs it, or with a
    camera of another size.

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
        _check.positive("resolution", resolution)
        self.rgb, self.resolution, self.project, self.outside = source == "xyz+rgb", resolution, project, outside
        self.register_buffer("lower", torch.full((3,), torch.inf))
        self.register_buffer("upper", torch.full((3,), -torch.inf))

    @property
    def channels(self) -> int:
        """How many numbers a cell has."""
        return 3 if self.rgb else 1

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        """Return the valid points (N, 3), their pixels (N,) and, if the source has it, their colours (N, 3)."""
        name = sample.name or "sample"
        if sample.xyz is None:
            raise ValueError(f"{name} must have xyz for a voxel method, it has none")
        cloud = xyz_to_cloud(sample.xyz)
        if not len(cloud) or cloud.pixel is None:
            raise ValueError(f"{name} has no valid pixel: remove it, or scan it again")
        prepared = {"points": torch.from_numpy(cloud.points), "pixel": torch.from_numpy(cloud.pixel)}
        if self.rgb:
            colours = sample.rgb if sample.rgb is not None else sample.xyz.rgb
            if colours is None:
                raise ValueError(f"{name} must have rgb for source 'xyz+rgb', it has none")
            prepared["rgb"] = torch.from_numpy(colours.reshape(-1, 3)[cloud.pixel])
        return prepared

    def collate(self, items: list[dict[str, Tensor]]) -> Batch:
        """Return several clouds as one; "sizes" says where one ends and the next begins."""
        joined = {name: torch.cat([item[name] for item in items]) for name in items[0]}
        return {**joined, "sizes": torch.tensor([len(item["points"]) for item in items])}

    def box(self) -> Visit:
        """Return the stage that finds the box around the training set."""
        return Visit("bounding box", self._see_box)

    def _see_box(self, batch: Batch) -> None:
        self.lower = torch.minimum(self.lower, batch["points"].amin(0))
        self.upper = torch.maximum(self.upper, batch["points"].amax(0))

    def grid(self) -> VoxelGrid:
        """Return the empty cube around the training set."""
        corners = torch.stack([self.lower, self.upper]).cpu().numpy()
        return bounding_grid([PointCloud(corners)], self.resolution)

    def fill(self, points: NDArray[np.float32], rgb: NDArray[np.uint8] | None) -> VoxelGrid:
        """Return the grid with points in it, each with its cell."""
        return cloud_to_voxels(PointCloud(points, rgb=rgb), self.grid(), rgb=self.rgb, clip=self.outside == "clip")

    def cells(self, points: NDArray[np.float32], rgb: NDArray[np.uint8] | None) -> tuple[VoxelGrid, Tensor, Tensor]:
        """Return the grid that knows each point's cell, the occupied cells (m,), flat, and their values (C, m)."""
        cloud, clip = PointCloud(points, rgb=rgb), self.outside == "clip"
        filled, cells, values = cloud_to_cells(cloud, self.grid(), rgb=self.rgb, clip=clip)
        return filled, torch.from_numpy(cells).to(self.device), torch.from_numpy(values.T).to(self.device)

    def clouds(self, batch: Batch) -> Iterator[tuple[NDArray[np.float32], NDArray[np.uint8] | None]]:
        """Yield the points (N, 3) and the colours (N, 3) of each cloud of a batch."""
        sizes = batch["sizes"].tolist()
        points = torch.split(batch["points"].cpu(), sizes)
        colours = torch.split(batch["rgb"].cpu(), sizes) if self.rgb else [None] * len(sizes)
        yield from ((p.numpy(), None if c is None else c.numpy()) for p, c in zip(points, colours, strict=True))

    def grids(self, batch: Batch) -> Tensor:
        """Return the grids (B, C, X, Y, Z) of the clouds of a batch."""
        filled = [self.fill(*cloud).values for cloud in self.clouds(batch)]
        return torch.from_numpy(np.stack(filled)).to(self.device)  # type: ignore[arg-type]

    def cell_scores(self, values: Tensor) -> Tensor:
        """Return the scores (X, Y, Z) of the cells of a scan, whose values are (C, X, Y, Z)."""
        raise NotImplementedError(f"{type(self).__name__} has no cell_scores(values)")

    def score_cells(
        self, points: NDArray[np.float32], rgb: NDArray[np.uint8] | None
    ) -> tuple[NDArray[np.float32], VoxelGrid]:
        """Return the scores (X, Y, Z) of the cells of a scan, and the grid that knows each point's cell."""
        filled = self.fill(points, rgb)
        return self.cell_scores(torch.tensor(filled.values, device=self.device)).float().cpu().numpy(), filled

    def map(self, sample: Sample) -> AnomalyMap:
        """Score every cell, and every pixel by them."""
        prepared = {name: tensor.numpy() for name, tensor in self.prepare(sample).items()}
        scores, filled = self.score_cells(prepared["points"], prepared.get("rgb"))
        pixels = scores_to_pixels(voxel_scores_to_points(scores, filled), prepared["pixel"], sample.shape)
        if self.project == "hull":
            pixels = np.fmax(pixels, self._splat(scores, filled, sample))
        return AnomalyMap(pixels, valid=None if sample.xyz is None else sample.xyz.valid)

    def _splat(self, scores: NDArray[np.float32], filled: VoxelGrid, sample: Sample) -> Any:
        """Return what the camera sees of the scores, NaN where it sees none, and everywhere without a camera."""
        if sample.camera is None:
            if sample.xyz is not None and sample.xyz.organised:
                told = f"{sample.name or 'sample'} has no camera: pixels get the scores of their own points alone"
                warnings.warn(told, stacklevel=2)
            return np.nan
        if sample.camera.shape != sample.shape:
            raise ValueError(f"camera must make images of {sample.shape} like the scan, got {sample.camera.shape}")
        if scores.min() >= 0:  # a pixel is 0 without them: most of a grid need not be drawn
            scores = np.where(scores > 0, scores, np.float32(-np.inf))
        return splat_voxels(scores, filled.origin, filled.cell, sample.camera, sample.shape)

    def count_outside(self, sample: Sample) -> int:
        """Return how many points of a sample lie outside the grid of the training set."""
        self.check_fitted()
        points = self.prepare(sample)["points"]
        filled, _, _ = cloud_to_cells(PointCloud(points.numpy()), self.grid())
        return int(np.count_nonzero(filled.index == -1))
