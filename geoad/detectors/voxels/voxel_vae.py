"""The variational autoencoder on voxel grids (after Bengs et al. 2021; thesis 8.3 names it)."""

from __future__ import annotations

import torch
from torch import Tensor

from geoad import _check
from geoad.detectors.voxels.voxel_autoencoder import VoxelAutoencoder
from geoad.detectors.voxels.voxel_detector import Outside, Project, Source
from geoad.training.stage import Batch


class VoxelVAE(VoxelAutoencoder):
    """`voxel-ae` whose encoder gives mean and log-variance of a Gaussian code; scores are squared errors.

    The loss is half the autoencoder's weighted squared error plus `beta` times the Kullback–Leibler divergence of the
    code from N(0, I): with `beta` 1 the likelihood is that of a unit Gaussian. Scoring decodes the mean of the code and
    draws nothing. It is no row of the thesis's benchmark. The other keywords are those of `VoxelAutoencoder`.

    >>> from geoad.checks import synthetic_scan
    >>> detector = VoxelVAE(**VoxelVAE.tiny()).fit([synthetic_scan(seed) for seed in range(4)])
    >>> detector.score(synthetic_scan(9, defect=True)).pixels.shape
    (32, 40)
    """

    CODES = 2

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
        beta: float = 1.0,
        copies: int = 20,
        project: Project = "hull",
        outside: Outside = "clip",
    ) -> None:
        super().__init__(
            source=source,
            latent=latent,
            resolution=resolution,
            width=width,
            epochs=epochs,
            steps=steps,
            batch_size=batch_size,
            learning_rate=learning_rate,
            copies=copies,
            project=project,
            outside=outside,
        )
        _check.not_negative(beta=beta)
        self.beta = beta

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return "error", the weighted squared error, "divergence" in nats, and "total": half the error and beta times
        the divergence."""
        grids = self.grids(batch)
        mean, log_variance = self.encoder(grids).chunk(2, 1)
        code = mean + torch.randn_like(mean) * (log_variance / 2).exp() if self.training else mean
        error = self.weighted_error(self.decoder(code), grids)
        gap = divergence(mean, log_variance)
        return {"total": error / 2 + self.beta * gap, "error": error, "divergence": gap}

    def reconstruct(self, grids: Tensor) -> Tensor:
        """Return the decoded means of the codes of grids."""
        mean, _ = self.encoder(grids).chunk(2, 1)
        decoded: Tensor = self.decoder(mean)
        return decoded


def divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Return KL(N(mean, exp(log_variance)) || N(0, 1)) in nats, summed over the code, the mean over the batch (B, …).

    >>> import torch
    >>> float(divergence(torch.ones(2, 3), torch.zeros(2, 3)))
    1.5
    """
    each = (log_variance.exp() + mean.square() - 1 - log_variance) / 2
    return each.flatten(1).sum(1).mean()
