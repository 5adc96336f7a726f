"""f-AnoGAN without its data: a GAN of good samples, then an encoder into its latent space (Schlegl 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from geoad import _check
from geoad.nn import wasserstein
from geoad.training.optimizer import make_optimizer
from geoad.training.stage import Batch, Descend, Stage, Update

BETAS = (0.0, 0.9)


class FAnoGANNetworks(nn.Module):
    """Generator, critic and encoder, and the stages that train them; called, it reconstructs samples.

    `critic` maps samples (B, C, ...) to scores (B, 1, ...): a sequence whose last layer sees its features. The
    generator takes latent vectors (B, latent, 1, ...) from a normal distribution, as `encoder` returns them, of so many
    `dimensions` behind the latent ones.

    First the GAN: `critic_steps` of the critic, each on a batch of its own, for one of the generator; losses are those
    of WGAN-GP with the weight `penalty`. Then the encoder, the other two left alone: "izi_f", the squared error of the
    reconstruction plus `kappa` times that of the critic's features. Each stage sees all samples `epochs` times; or
    `steps` counts steps of the generator and of the encoder. Adam has betas 0 and 0.9.

    >>> line = lambda a, b: nn.Sequential(nn.Linear(a, b), nn.Linear(b, b))
    >>> networks = FAnoGANNetworks(line(2, 3), line(3, 1), line(3, 2), latent=2, batch_size=4, learning_rate=1e-3)
    >>> gan, encoder = networks.stages(lambda batch: batch["x"])
    >>> [update.every for update in gan.updates], encoder.epochs
    ([1, 5], 50)
    """

    def __init__(
        self,
        generator: nn.Sequential,
        critic: nn.Sequential,
        encoder: nn.Module,
        *,
        latent: int,
        dimensions: int = 0,
        batch_size: int,
        learning_rate: float,
        epochs: int = 50,
        steps: int | None = None,
        critic_steps: int = 5,
        penalty: float = 10.0,
        kappa: float = 1.0,
    ) -> None:
        super().__init__()
        _check.positive(latent=latent, batch_size=batch_size, epochs=epochs, steps=steps)
        _check.positive(critic_steps=critic_steps, learning_rate=learning_rate)
        _check.not_negative(penalty=penalty, kappa=kappa)
        self.generator, self.critic, self.encoder = generator, critic, encoder
        self.latent, self.dimensions = latent, dimensions
        self.batch_size, self.learning_rate = batch_size, learning_rate
        self.epochs, self.steps, self.critic_steps = epochs, steps, critic_steps
        self.penalty, self.kappa = penalty, kappa

    def forward(self, samples: Tensor) -> Tensor:
        """Return the reconstructions of samples (B, C, ...)."""
        made: Tensor = self.generator(self.encoder(samples))
        return made

    def generate(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Return `count` samples from the prior; the `generator` of its numbers is torch's, or one of the CPU."""
        device = next(self.encoder.parameters()).device
        where = device if generator is None else generator.device
        latent = torch.randn(count, self.latent, *[1] * self.dimensions, device=where, generator=generator)
        made: Tensor = self.generator(latent.to(device))
        return made

    def example(self) -> Tensor:
        """Return what the generator makes of one latent vector, always the same."""
        return self.generate(1, torch.Generator().manual_seed(0))

    def stages(
        self, samples: Callable[[Batch], Tensor], refine: Callable[[Batch], Batch] | None = None
    ) -> Iterator[Stage]:
        """Yield the training of the GAN and that of the encoder on the `samples` (B, C, ...) of a batch.

        `refine` is that of the stages.
        """
        adam = partial(make_optimizer, lr=self.learning_rate, betas=BETAS)
        updates = [
            Update(self.critic, lambda batch: self.critic_loss(samples(batch)), adam),
            Update(
                self.generator, lambda batch: self.generator_loss(len(batch["sample"])), adam, every=self.critic_steps
            ),
        ]
        encoder = Update(self.encoder, lambda batch: self.encoder_loss(samples(batch)), adam)
        batches = None if self.steps is None else self.steps * self.critic_steps
        stage = partial(Descend, epochs=self.epochs, batch_size=self.batch_size, refine=refine)
        yield stage("gan", updates, steps=batches)
        yield stage("encoder", [encoder], steps=self.steps)

    def critic_loss(self, real: Tensor) -> dict[str, Tensor]:
        """Return the losses of the critic on real samples and as many generated ones."""
        with torch.no_grad():
            fake = self.generate(len(real))
        return wasserstein.critic_loss(self.critic, real, fake, self.penalty)

    def generator_loss(self, count: int) -> dict[str, Tensor]:
        """Return the loss of the generator on `count` samples."""
        return wasserstein.generator_loss(self.critic, self.generate(count))

    def encoder_loss(self, samples: Tensor) -> dict[str, Tensor]:
        """Return "residual" and "features", the mean squared errors of reconstructions, and their weighted sum."""
        self.generator.eval()  # as when scoring; and batch norm, if any, must not learn any more
        self.critic.eval()
        made, features = self(samples), self.critic[:-1]
        residual = (samples - made).square().mean()
        gap = (features(samples) - features(made)).square().mean()
        return {"total": residual + self.kappa * gap, "residual": residual, "features": gap}
