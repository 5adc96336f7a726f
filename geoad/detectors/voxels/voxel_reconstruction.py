"""What voxel methods have in common that compare a scan with what a network makes of it (thesis 9.3)."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from geoad import _check
from geoad.detectors.voxels.voxel_detector import Outside, Project, Source, VoxelDetector
from geoad.nn.default_dtype import float32_by_default
from geoad.sample import Sample
from geoad.training.state import evaluating

OCCUPIED = 0.9
"""From which value on a cell of a reconstruction is drawn as occupied (thesis 9.3.2)."""
COLOURED = -0.5
"""The same for each channel of a colour: halfway between an empty cell and the darkest; the thesis gives none."""


class VoxelReconstruction(VoxelDetector):
    """A grid in, its reconstruction out; a cell's score is the squared error, summed over the channels.

    It learns from `copies` of each scan, turned at random by up to 5° on the table (0: the scans themselves). A method
    gives `reconstruct` and its stages; those with `refine=self.cells` see the cells alone, so that copies are turned
    and sorted into cells once, not each epoch.

    >>> from geoad.checks import synthetic_scan
    >>> class Empty(VoxelReconstruction):
    ...     def stages(self):
    ...         yield self.box()
    ...     def reconstruct(self, grids):
    ...         return -torch.ones_like(grids)
    >>> Empty(resolution=16, copies=0).fit([synthetic_scan(0)]).score(synthetic_scan(1)).score  # (1 - -1)²
    4.0
    """

    prepared_on_disk: ClassVar[bool] = False  # 12 MB a copy, 25 kB once it is cells: made twice, then not again

    def __init__(
        self,
        *,
        source: Source = "xyz",
        resolution: int = 64,
        copies: int = 20,
        project: Project = "hull",
        outside: Outside = "clip",
    ) -> None:
        super().__init__(source=source, resolution=resolution, project=project, outside=outside)
        _check.not_negative(copies=copies)
        self.copies = copies

    def reconstruct(self, grids: Tensor) -> Tensor:
        """Return what the network makes of grids (B, C, X, Y, Z)."""
        raise NotImplementedError(f"{type(self).__name__} has no reconstruct(grids)")

    def cell_scores(self, values: Tensor) -> Tensor:
        """Return the squared error of each cell."""
        return (values - self.reconstruct(values[None])[0]).square().sum(0)

    def reconstruction(self, sample: Sample) -> dict[str, NDArray[np.float32]]:
        """Return pictures (Y, X) of the grid of a sample and of what becomes of it, in 0..1: near is bright.

        It may be asked for while the network is being trained; before that it raises NotFittedError.
        """
        if not self.lower.isfinite().all():
            self.check_fitted()
        with evaluating(self), float32_by_default():
            grids = self.grids(self.collate([self.cells(self.prepare(sample))]))
            shown = {"cells": grids, "cells, reconstructed": self.reconstruct(grids), **self.generated()}
            return {name: _relief(values[0]) for name, values in shown.items()}

    def generated(self) -> dict[str, Tensor]:
        """Return further grids (1, C, X, Y, Z) to be drawn, by name: none, unless a method has some."""
        return {}


def _relief(values: Tensor) -> NDArray[np.float32]:
    """Return how near the first occupied cell along z is (Y, X), as the camera sees it, 0 where there is none."""
    full = (values >= (OCCUPIED if len(values) == 1 else COLOURED)).all(0)
    depth = full.float().argmax(-1)
    near = 1 - 0.8 * depth / full.shape[-1]
    return torch.where(full.any(-1), near, 0.0).T.cpu().numpy()
