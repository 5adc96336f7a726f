"""The variation model on voxels: how unusual is it that a cell is occupied, or empty (thesis 9.3, Steger 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from geoad import _check
from geoad.detectors.base import Detector
from geoad.detectors.voxels.rays import scores_along_rays
from geoad.geometry.convert import (
    bounding_grid,
    cloud_to_voxels,
    scores_to_pixels,
    voxel_scores_to_points,
    xyz_to_cloud,
)
from geoad.geometry.point_cloud import PointCloud
from geoad.geometry.voxel_grid import VoxelGrid
from geoad.nn.moments import Moments
from geoad.sample import AnomalyMap, Sample
from geoad.training.stage import Batch, Stage, Visit

Source = Literal["xyz", "xyz+rgb"]
Reduce = Literal["norm", "max", "mean"]


class VoxelVariationModel(Detector):
    """Mean and standard deviation of each voxel over aligned good scans; scores are |J - mean| / max(deviation, floor).

    The grid is the cube around all training points, `resolution` cells a side. With `source` "xyz" a cell is 1 or -1,
    occupied or empty; with "xyz+rgb" the mean colour of its points, or -1; `reduce` joins the channels. The thesis
    gives no `floor`, and most cells never vary: a change of such a cell scores 2 / floor.

    With a camera a pixel gets the highest score of the voxels on its ray, so that missing material is seen. Without,
    it gets the score of its own point's cell, and 0 if it is invalid: then missing material is not seen. A point
    outside the grid counts as one in the nearest cell; `outside(sample)` says how many there are.

    Raises ValueError for a sample without xyz, without a valid pixel, without rgb if the source needs it, or with a
    camera of another size.

    >>> from geoad.checks import synthetic_scan
    >>> detector = VoxelVariationModel(resolution=32).fit([synthetic_scan(seed) for seed in range(4)])
    >>> defective = synthetic_scan(9, defect=True)
    >>> pixels = detector.score(defective).pixels
    >>> pixels.shape, bool(pixels[defective.mask].mean() > pixels[~defective.mask].mean())
    ((32, 40), True)
    """

    lower: Tensor
    upper: Tensor

    def __init__(
        self, *, source: Source = "xyz", resolution: int = 64, floor: float = 0.05, reduce: Reduce = "norm"
    ) -> None:
        super().__init__()
        _check.one_of("source", source, get_args(Source))
        _check.one_of("reduce", reduce, get_args(Reduce))
        _check.positive("resolution", resolution)
        _check.positive("floor", floor)
        self.rgb, self.resolution, self.floor, self.reduce = source == "xyz+rgb", resolution, floor, reduce
        self.register_buffer("lower", torch.full((3,), torch.inf))
        self.register_buffer("upper", torch.full((3,), -torch.inf))
        self.moments = Moments((3 if self.rgb else 1) * resolution**3)

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return a coarse grid."""
        return {"resolution": 16}

    def prepare(self, sample: Sample) -> dict[str, Tensor]:
        """Return the valid points (N, 3), their pixels (N,) and, if the source has it, their colours (N, 3)."""
        if sample.xyz is None:
            raise ValueError(f"{sample.name or 'sample'} must have xyz for a voxel method, it has none")
        cloud = xyz_to_cloud(sample.xyz)
        if not len(cloud) or cloud.pixel is None:
            raise ValueError(f"{sample.name or 'sample'} has no valid pixel: remove it, or scan it again")
        prepared = {"points": torch.from_numpy(cloud.points), "pixel": torch.from_numpy(cloud.pixel)}
        if self.rgb:
            colours = sample.rgb if sample.rgb is not None else sample.xyz.rgb
            if colours is None:
                raise ValueError(f"{sample.name or 'sample'} must have rgb for source 'xyz+rgb', it has none")
            prepared["rgb"] = torch.from_numpy(colours.reshape(-1, 3)[cloud.pixel])
        return prepared

    def stages(self) -> Iterator[Stage]:
        """Find the box, then the moments of the cells in it."""
        yield Visit("bounding box", self._see_box)
        yield Visit("moments", self._see_voxels)

    def map(self, sample: Sample) -> AnomalyMap:
        """Score every voxel, then every pixel by its ray and its point."""
        prepared = self.prepare(sample)
        filled = self._voxels(prepared)
        values = torch.tensor(filled.values, device=self.device)
        scores = deviation_scores(values, self.moments, self.floor, self.reduce).float().cpu().numpy()
        pixels = scores_to_pixels(voxel_scores_to_points(scores, filled), prepared["pixel"].numpy(), sample.shape)
        if sample.camera is not None:
            if sample.camera.shape != sample.shape:
                raise ValueError(f"camera must make images of {sample.shape} like the scan, got {sample.camera.shape}")
            pixels = np.maximum(pixels, scores_along_rays(scores, filled, sample.camera))
        return AnomalyMap(pixels, valid=None if sample.xyz is None else sample.xyz.valid)

    def outside(self, sample: Sample) -> int:
        """Return how many points of a sample lie outside the grid of the training set."""
        self.check_fitted()
        points = self.prepare(sample)["points"]
        index = cloud_to_voxels(PointCloud(points.numpy()), self._grid()).index
        return int(np.count_nonzero(index == -1))

    def _see_box(self, batch: Batch) -> None:
        points = batch["points"][0]
        self.lower = torch.minimum(self.lower, points.amin(0))
        self.upper = torch.maximum(self.upper, points.amax(0))

    def _see_voxels(self, batch: Batch) -> None:
        filled = self._voxels({name: tensor[0].cpu() for name, tensor in batch.items()})
        self.moments.see(torch.tensor(filled.values, device=self.device).reshape(1, -1))

    def _grid(self) -> VoxelGrid:
        """Return the empty cube around the training set."""
        corners = torch.stack([self.lower, self.upper]).cpu().numpy()
        return bounding_grid([PointCloud(corners)], self.resolution)

    def _voxels(self, prepared: dict[str, Tensor]) -> VoxelGrid:
        """Return the grid with a sample's points in it, those outside moved to its surface."""
        grid = self._grid()
        points = np.clip(prepared["points"].numpy(), grid.origin, grid.upper)
        return cloud_to_voxels(
            PointCloud(points, rgb=prepared["rgb"].numpy() if self.rgb else None), grid, rgb=self.rgb
        )


def deviation_scores(values: Tensor, moments: Moments, floor: float, reduce: Reduce = "norm") -> Tensor:
    """Return |values - mean| / max(deviation, floor) of (C, …) reduced over C; `moments` are of the flattened values.

    "norm" is the Mahalanobis distance of independent channels (thesis, eqs. 2.22 and 2.23).

    >>> moments = Moments(1)
    >>> moments.see(torch.tensor([[1.0], [2.0], [3.0]]))
    >>> [round(float(deviation_scores(torch.tensor([[x]]), moments, floor=0.1)), 4) for x in (5.0, -1.0, 2.0)]
    [3.6742, 3.6742, 0.0]
    """
    z = (values - moments.mean.reshape(values.shape)).abs() / moments.std.clamp_min(floor).reshape(values.shape)
    if reduce == "max":
        return z.amax(0)
    return z.mean(0) if reduce == "mean" else z.square().sum(0).sqrt()
