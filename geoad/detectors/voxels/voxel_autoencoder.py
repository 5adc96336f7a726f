"""The autoencoder on voxel grids: what its narrow code cannot hold is anomalous (thesis 9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from geoad import _check
from geoad.detectors.voxels.voxel_detector import Outside, Project, Source
from geoad.detectors.voxels.voxel_reconstruction import VoxelReconstruction
from geoad.nn.moments import Moments
from geoad.nn.voxel_coder import voxel_decoder, voxel_encoder
from geoad.training.optimizer import make_optimizer
from geoad.training.stage import Batch, Descend, Stage, Update, Visit


class VoxelAutoencoder(VoxelReconstruction):
    """An autoencoder of `latent` code dimensions on grids; scores are squared errors.

    Encoder and decoder are those of `geoad.nn.voxel_coder`; `width` is that of the first layer. Adam descends the
    squared errors, weighted by how rare occupied cells are, for `epochs` (or `steps`) over `copies` of each scan,
    turned at random by up to 5° on the table (0: the scans themselves). The defaults are the thesis's. The other
    keywords, and what is raised, are those of `VoxelDetector`.

    >>> from geoad.checks import synthetic_scan
    >>> detector = VoxelAutoencoder(**VoxelAutoencoder.tiny()).fit([synthetic_scan(seed) for seed in range(4)])
    >>> detector.score(synthetic_scan(9, defect=True)).pixels.shape
    (32, 40)
    """

    CODES = 1  # numbers that the encoder gives for each dimension of the code

    def __init__(
        self,
        *,
        source: Source = "xyz",
        latent: int = 128,
        resolution: int = 64,
        width: int = 32,
        epochs: int = 50,
        steps: int | None = None,
        batch_size: int = 2,
        learning_rate: float = 1e-4,
        copies: int = 20,
        project: Project = "hull",
        outside: Outside = "clip",
    ) -> None:
        super().__init__(source=source, resolution=resolution, copies=copies, project=project, outside=outside)
        _check.positive(latent=latent, width=width, epochs=epochs, steps=steps)
        _check.positive(batch_size=batch_size, learning_rate=learning_rate)
        self.epochs, self.steps, self.batch_size, self.learning_rate = epochs, steps, batch_size, learning_rate
        self.empty = Moments(1)
        self.encoder = voxel_encoder(self.channels, self.CODES * latent, size=resolution, width=width)
        self.decoder = voxel_decoder(self.channels, latent, size=resolution, width=width)

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return keywords for a first try: a small, fast network on a coarse grid, without copies."""
        small = {"latent": 16, "resolution": 32, "width": 8, "copies": 0}
        return {**small, "steps": 40, "batch_size": 2, "learning_rate": 3e-3}

    def stages(self) -> Iterator[Stage]:
        """Find the box and the share of empty cells, then descend the error."""
        yield self.box()
        yield Visit("empty cells", self._see_empty, refine=self.cells)
        update = Update(self, self.loss, partial(make_optimizer, lr=self.learning_rate))
        stage = partial(Descend, epochs=self.epochs, steps=self.steps, batch_size=self.batch_size)
        yield stage("autoencoder", [update], refine=self.cells)

    def _see_empty(self, batch: Batch) -> None:
        self.empty.see((~occupied(self.grids(batch))).double().mean().view(1, 1))

    def weighted_error(self, made: Tensor, grids: Tensor) -> Tensor:
        """Return the squared errors, occupied cells weighing w, the share of empty cells in the training set, and empty
        ones 1 - w; the mean over the grids of sums.

        Without weights a network that makes nothing but empty cells would be almost right (thesis 9.3.1).
        """
        share = self.empty.mean[0].to(grids)
        weight = torch.where(occupied(grids), share, 1 - share)
        return (weight * (made - grids).square()).flatten(1).sum(1).mean()

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the weighted squared error."""
        grids = self.grids(batch)
        return {"total": self.weighted_error(self.reconstruct(grids), grids)}

    def reconstruct(self, grids: Tensor) -> Tensor:
        """Return the decoded codes of grids."""
        decoded: Tensor = self.decoder(self.encoder(grids))
        return decoded


def occupied(grids: Tensor) -> Tensor:
    """Return which cells (B, 1, X, Y, Z) are occupied: 1, or any colour at all.

    >>> occupied(torch.tensor([-1.0, 1.0]).view(1, 1, 2, 1, 1)).flatten().tolist()
    [False, True]
    """
    return (grids > -1).any(1, keepdim=True)
