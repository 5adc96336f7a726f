"""f-AnoGAN on voxel grids: what a GAN of good scans cannot make is anomalous (thesis 9.3, Simarro Viana 2021)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from geoad import _check
from geoad.detectors.fanogan_networks import FAnoGANNetworks
from geoad.detectors.voxels.voxel_detector import Outside, Project, Source
from geoad.detectors.voxels.voxel_reconstruction import VoxelReconstruction
from geoad.nn.voxel_coder import voxel_decoder, voxel_encoder
from geoad.training.stage import Stage


class VoxelFAnoGAN(VoxelReconstruction):
    """f-AnoGAN of `latent` dimensions on grids; scores are squared errors.

    Critic (with one output) and encoder are `nn.voxel_coder`'s, the generator their mirror image with tanh at the end;
    `width` is that of the first layer. WGAN-GP with `penalty` 10 and `critic_steps` 5 for `epochs`, then the encoder as
    long, on the reconstruction's error and `kappa` times that of the critic's features; or `steps` of the generator and
    of the encoder. It learns from `copies` of each scan, turned at random by up to 5° on the table. The defaults are
    the thesis's; it gives no loss of the encoder. The other keywords, and what is raised, are those of `VoxelDetector`.

    >>> from geoad.checks import synthetic_scan
    >>> detector = VoxelFAnoGAN(**{**VoxelFAnoGAN.tiny(), "steps": 1}).fit([synthetic_scan(seed) for seed in range(4)])
    >>> detector.score(synthetic_scan(9, defect=True)).pixels.shape
    (32, 40)
    """

    def __init__(
        self,
        *,
        source: Source = "xyz",
        latent: int = 512,
        resolution: int = 64,
        width: int = 32,
        epochs: int = 50,
        steps: int | None = None,
        batch_size: int = 2,
        learning_rate: float = 2e-4,
        copies: int = 20,
        critic_steps: int = 5,
        penalty: float = 10.0,
        kappa: float = 1.0,
        project: Project = "hull",
        outside: Outside = "clip",
    ) -> None:
        super().__init__(source=source, resolution=resolution, copies=copies, project=project, outside=outside)
        _check.positive(latent=latent, width=width)
        shape = {"size": resolution, "width": width}
        self.networks = FAnoGANNetworks(
            voxel_decoder(self.channels, latent, **shape),
            voxel_encoder(self.channels, 1, **shape),
            voxel_encoder(self.channels, latent, **shape),
            latent=latent,
            dimensions=3,
            batch_size=batch_size,
            learning_rate=learning_rate,
            epochs=epochs,
            steps=steps,
            critic_steps=critic_steps,
            penalty=penalty,
            kappa=kappa,
        )

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return keywords for a first try: small, fast networks on a coarse grid, without copies."""
        small = {"latent": 8, "resolution": 32, "width": 8, "copies": 0}
        return {**small, "steps": 30, "batch_size": 2, "learning_rate": 1e-3, "critic_steps": 2}

    def stages(self) -> Iterator[Stage]:
        """Find the box, then train the GAN and the encoder."""
        yield self.box()
        yield from self.networks.stages(self.grids, refine=self.cells)

    def generated(self) -> dict[str, Tensor]:
        """Return what the generator makes of one latent vector, always the same."""
        return {"cells, generated": self.networks.example()}

    def reconstruct(self, grids: Tensor) -> Tensor:
        """Return what the generator makes of the codes of grids."""
        made: Tensor = self.networks(grids)
        return made
