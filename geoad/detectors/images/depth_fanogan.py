"""f-AnoGAN on depth images: what a GAN of good scans cannot make is anomalous (thesis 9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from geoad import _check
from geoad.detectors.fanogan_networks import FAnoGANNetworks
from geoad.detectors.images.depth_image import Source
from geoad.detectors.images.depth_reconstruction import DepthReconstruction
from geoad.nn.image_coder import image_decoder, image_encoder, start_decoder
from geoad.training.stage import Batch, Stage


class DepthFAnoGAN(DepthReconstruction):
    """f-AnoGAN of `latent` dimensions on depth images of `size` pixels a side; scores are squared errors.

    Encoder and critic are the network of thesis table 9.2 (the critic with one output), the generator its mirror image
    with a linear end; `width` is that of the first layer. WGAN-GP with `penalty` 10 and `critic_steps` 5 for `epochs`,
    then the encoder as long (`kappa` weighs the critic's features); or `steps` of the generator and of the encoder. It
    learns from `copies` of each scan, turned at random by up to 5° on the table (0: the scans themselves). `source`
    "depth+rgb" adds the colours. The defaults are the thesis's; it gives the GAN's loss for voxels only, no loss of the
    encoder, and no scale of depth: 0 is the camera, or with `stretch` the nearest point of the training set.

    Raises ValueError for a sample that is no organised scan, or without colours if the source needs them.

    >>> from geoad.checks import synthetic_scan
    >>> detector = DepthFAnoGAN(**{**DepthFAnoGAN.tiny(), "steps": 1}).fit([synthetic_scan(seed) for seed in range(4)])
    >>> detector.score(synthetic_scan(9, defect=True)).pixels.shape
    (32, 40)
    """

    def __init__(
        self,
        *,
        source: Source = "depth",
        latent: int = 128,
        size: int = 256,
        width: int = 32,
        epochs: int = 50,
        steps: int | None = None,
        batch_size: int = 4,
        learning_rate: float = 2e-4,
        critic_steps: int = 5,
        penalty: float = 10.0,
        kappa: float = 1.0,
        copies: int = 20,
        stretch: bool = False,
    ) -> None:
        super().__init__(source=source, size=size, copies=copies, stretch=stretch)
        _check.positive(latent=latent, width=width)
        shape = {"size": size, "width": width}
        self.networks = FAnoGANNetworks(
            image_decoder(self.channels, latent, **shape),
            image_encoder(self.channels, 1, **shape),
            image_encoder(self.channels, latent, **shape),
            latent=latent,
            dimensions=2,
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
        """Return keywords for a first try: small, fast networks on small images, without copies."""
        small = {"latent": 8, "size": 64, "width": 8, "copies": 0, "stretch": True}
        return {**small, "steps": 12, "batch_size": 4, "learning_rate": 1e-3, "critic_steps": 2}

    def stages(self) -> Iterator[Stage]:
        """Find scale and moments, then train the GAN and the encoder."""
        yield from self.statistics()
        start_decoder(self.networks.generator, self.moments.mean, self.moments.std)
        yield from self.networks.stages(self._images)

    def _images(self, batch: Batch) -> Tensor:
        return self.scaled(batch["image"])

    def generated(self) -> dict[str, Tensor]:
        """Return what the generator makes of one latent vector, always the same."""
        return {", generated": self.networks.example()}

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return what the generator makes of the codes of images."""
        made: Tensor = self.networks(images)
        return made
