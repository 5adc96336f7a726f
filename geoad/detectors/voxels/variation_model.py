"""The variation model on voxels: how unusual is it that a cell is occupied, or empty (thesis 9.3, Steger 2018)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor

from geoad.detectors.deviation_scores import Reduce, check_deviation_keywords, deviation_scores
from geoad.detectors.voxels.deviation_floor import FLOORS, floor_losses
from geoad.detectors.voxels.voxel_detector import Outside, Project, Source, VoxelDetector
from geoad.geometry.convert import EMPTY
from geoad.geometry.voxel_grid import VoxelGrid
from geoad.nn.sparse_moments import SparseMoments
from geoad.training.stage import Batch, Stage, Visit

FLOOR = 0.05
"""The deviation that every cell has at least, unless told otherwise."""


class VoxelVariationModel(VoxelDetector):
    """Mean and standard deviation of each voxel over aligned good scans; scores are |J - mean| / max(deviation, floor).

    `reduce` joins the channels of `source` "xyz+rgb". The thesis gives no `floor`, and most cells never vary: a change
    of such a cell scores 2 / floor. None takes that of `FLOORS` under which each training scan is most likely by the
    others (0.05 if there is but one): `floor` says which. `smooth` is the deviation in cells of a Gaussian over the
    scores of the cells; 0, none, is the thesis. Only cells that a training scan fills take memory. The other keywords,
    and what is raised, are those of `VoxelDetector`.

    >>> from geoad.checks import synthetic_scan
    >>> detector = VoxelVariationModel(resolution=32).fit([synthetic_scan(seed) for seed in range(4)])
    >>> defective = synthetic_scan(9, defect=True)
    >>> pixels = detector.score(defective).pixels
    >>> pixels.shape, bool(pixels[defective.mask].mean() > pixels[~defective.mask].mean())
    ((32, 40), True)
    """

    prepared_on_disk: ClassVar[bool] = False  # points are looked at twice, then their cells alone
    losses: Tensor

    def __init__(
        self,
        *,
        source: Source = "xyz",
        resolution: int = 64,
        floor: float | None = FLOOR,
        reduce: Reduce = "norm",
        smooth: float = 0.0,
        project: Project = "hull",
        outside: Outside = "clip",
    ) -> None:
        super().__init__(source=source, resolution=resolution, project=project, outside=outside)
        check_deviation_keywords(reduce, floor)
        if not 0 <= smooth < resolution:
            raise ValueError(f"smooth must be 0 or more cells, and less than the grid's {resolution}, got {smooth}")
        self.given_floor, self.reduce, self.smooth = floor, reduce, smooth
        self.moments = SparseMoments(self.channels, empty=EMPTY)
        self.register_buffer("losses", torch.zeros(len(FLOORS), dtype=torch.float64))
        # Cells have flat numbers: the length of this says of which grid, so that no state of another one is loaded.
        self.register_buffer("side", torch.zeros(resolution, dtype=torch.bool))

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return a coarse grid."""
        return {"resolution": 16}

    @property
    def floor(self) -> float:
        """The least deviation of a cell: the one given, or the one chosen."""
        if self.given_floor is not None:
            return self.given_floor
        return FLOORS[int(self.losses.argmin())] if self.losses.any() else FLOOR

    def extra_repr(self) -> str:
        """Say which floor holds, and where it is from."""
        origin = "given" if self.given_floor is not None else "chosen" if self.losses.any() else "until one is chosen"
        return f"floor={self.floor:g} ({origin}), smooth={self.smooth:g}"

    def stages(self) -> Iterator[Stage]:
        """Find the box, then the moments of the cells in it, then the floor if none is given."""
        yield self.box()
        yield Visit("moments", self._see_cells, refine=self.cells)
        if self.given_floor is None:
            yield Visit("floor", self._see_floor, refine=self.cells)

    def _see_cells(self, batch: Batch) -> None:
        self.moments.see(*self._row(batch))

    def _see_floor(self, batch: Batch) -> None:
        self.losses += floor_losses(self.moments, *self._row(batch), self.resolution**3)

    def _row(self, cells: Batch) -> tuple[Tensor, Tensor]:
        """Return the occupied cells (m,) of a scan and their values (C, m) on the device."""
        place = cells["cells"].to(self.device).long()
        return place, cells["colours"].to(self.device).T if self.rgb else torch.ones(1, len(place), device=self.device)

    def scored_grid(self, cloud: Batch) -> tuple[NDArray[np.float32], VoxelGrid]:
        """Return the scores (X, Y, Z) of the cells of a scan, and the grid that knows each point's cell."""
        filled, cells = self.fill(cloud)
        scores = self._scores(*self._row(cells)).cpu().numpy()
        return gaussian_filter(scores, self.smooth, mode="nearest"), filled

    def _scores(self, cells: Tensor, values: Tensor) -> Tensor:
        """Return the scores (X, Y, Z) of a grid by its occupied cells (m,), ascending, and their values (C, m)."""
        known: Tensor = torch.unique(torch.cat([cells, self.moments.cells.to(cells)]))  # elsewhere empty is as expected
        row = values.new_full((len(values), len(known)), EMPTY)
        row[:, torch.searchsorted(known, cells)] = values
        scores = torch.zeros(self.resolution**3, device=self.device)
        scores[known] = deviation_scores(row, self.moments.at(known), self.floor, self.reduce).float()
        return scores.reshape((self.resolution,) * 3)
