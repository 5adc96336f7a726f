"""The autoencoder on depth images: what its narrow code cannot hold is anomalous (thesis 9.3)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from torch import Tensor

from geoad import _check
from geoad.detectors.images.depth_image import Source
from geoad.detectors.images.depth_reconstruction import DepthReconstruction
from geoad.nn.image_coder import image_decoder, image_encoder, start_decoder
from geoad.training.optimizer import make_optimizer
from geoad.training.stage import Batch, Descend, Stage, Update


class DepthAutoencoder(DepthReconstruction):
    """An autoencoder of `latent` code dimensions on depth images of `size` pixels a side; scores are squared errors.

    The encoder is that of thesis table 9.2, the decoder its mirror image with a linear end; `width` is that of the
    first layer. Adam descends the mean squared error for `epochs` (or `steps`) over `copies` of each scan, turned at
    random by up to 5° on the table (0: the scans themselves). `source` "depth+rgb" adds the colours. The defaults are
    the thesis's; it does not give the loss, nor the depth's scale: 0 is the camera, or with `stretch` the nearest point
    of the training set.

    Raises ValueError for a sample that is no organised scan, or without colours if the source needs them.

    >>> from geoad.checks import synthetic_scan
    >>> detector = DepthAutoencoder(**DepthAutoencoder.tiny()).fit([synthetic_scan(seed) for seed in range(4)])
    >>> detector.score(synthetic_scan(9, defect=True)).pixels.shape
    (32, 40)
    """

    def __init__(
        self,
        *,
        source: Source = "depth",
        latent: int = 512,
        size: int = 256,
        width: int = 32,
        epochs: int = 50,
        steps: int | None = None,
        batch_size: int = 32,
        learning_rate: float = 1e-4,
        copies: int = 20,
        stretch: bool = False,
    ) -> None:
        super().__init__(source=source, size=size, copies=copies, stretch=stretch)
        _check.positive(latent=latent, width=width, epochs=epochs, steps=steps)
        _check.positive(batch_size=batch_size, learning_rate=learning_rate)
        self.epochs, self.steps, self.batch_size, self.learning_rate = epochs, steps, batch_size, learning_rate
        self.encoder = image_encoder(self.channels, latent, size=size, width=width)
        self.decoder = image_decoder(self.channels, latent, size=size, width=width)

    @classmethod
    def tiny(cls) -> dict[str, Any]:
        """Return keywords for a first try: a small, fast network on small images, without copies."""
        small = {"latent": 16, "size": 64, "width": 8, "copies": 0, "stretch": True}
        return {**small, "steps": 60, "batch_size": 4, "learning_rate": 1e-2}

    def stages(self) -> Iterator[Stage]:
        """Find scale and moments, then descend the error."""
        yield from self.statistics()
        start_decoder(self.decoder, self.moments.mean, self.moments.std)
        update = Update(self, self.loss, partial(make_optimizer, lr=self.learning_rate))
        yield Descend("autoencoder", [update], epochs=self.epochs, steps=self.steps, batch_size=self.batch_size)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean over pixels and channels of the squared error."""
        images = self.scaled(batch["image"])
        return {"total": (self.reconstruct(images) - images).square().mean()}

    def reconstruct(self, images: Tensor) -> Tensor:
        """Return the decoded codes of images."""
        decoded: Tensor = self.decoder(self.encoder(images))
        return decoded
