"""The variation model on voxels: how unusual is it that a cell is occupied, or empty (thesis 9.3, Steger 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, get_args

from torch import Tensor

from geoad import _check
from geoad.detectors.voxels.voxel_detector import Outside, Project, Source, VoxelDetector
from geoad.nn.moments import Moments
from geoad.training.stage import Batch, Stage, Visit

Reduce = Literal["norm", "max", "mean"]


class VoxelVariationModel(VoxelDetector):
    """Mean and standard deviation of each voxel over aligned good scans; scores are |J - mean| / max(deviation, floor).

    `reduce` joins the channels of `source` "xyz+rgb". The thesis gives no `floor`, and most cells never vary: a change
    of such a cell scores 2 / floor. The other keywords, and what is raised, are those of `VoxelDetector`.

    >>> from geoad.checks import synthetic_scan
    >>> detector = VoxelVariationModel(resolution=32).fit([synthetic_scan(seed) for seed in range(4)])
    >>> defective = synthetic_scan(9, defect=True)
    >>> pixels = detector.score(defective).pixels
    >>> pixels.shape, bool(pixels[defective.mask].mean() > pixels[~defective.mask].mean())
    ((32, 40), True)
    """

    def __init__(
        self,
        *,
        source: Source = "xyz",
        resolution: int = 64,
        floor: float = 0.05,
        reduce: Reduce = "norm",
        project: Project = "hull",
        outside: Outside = "clip",
    ) -> None:
        super().__init__(source=source, resolution=resolution, project=project, outside=outside)
        _check.one_of("reduce", reduce, get_args(Reduce))
        _check.positive("floor", floor)
        self.floor, self.reduce = floor, reduce
        self.moments = Moments(self.channels * resolution**3)

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return a coarse grid."""
        return {"resolution": 16}

    def stages(self) -> Iterator[Stage]:
        """Find the box, then the moments of the cells in it."""
        yield self.box()
        yield Visit("moments", self._see_voxels)

    def _see_voxels(self, batch: Batch) -> None:
        self.moments.see(self.grids(batch).flatten(1))

    def cell_scores(self, values: Tensor) -> Tensor:
        """Return the deviation of each cell."""
        return deviation_scores(values, self.moments, self.floor, self.reduce)


def deviation_scores(values: Tensor, moments: Moments, floor: float, reduce: Reduce = "norm") -> Tensor:
    """Return |values - mean| / max(deviation, floor) of (C, …) reduced over C; `moments` are of the flattened values.

    "norm" is the Mahalanobis distance of independent channels (thesis, eqs. 2.22 and 2.23).

    >>> import torch
    >>> moments = Moments(1)
    >>> moments.see(torch.tensor([[1.0], [2.0], [3.0]]))
    >>> [round(float(deviation_scores(torch.tensor([[x]]), moments, floor=0.1)), 4) for x in (5.0, -1.0, 2.0)]
    [3.6742, 3.6742, 0.0]
    """
    z = (values - moments.mean.reshape(values.shape)).abs() / moments.std.clamp_min(floor).reshape(values.shape)
    if reduce == "max":
        return z.amax(0)
    return z.mean(0) if reduce == "mean" else z.square().sum(0).sqrt()
