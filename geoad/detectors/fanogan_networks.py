"""f-AnoGAN without its data: a GAN of good samples, then an encoder into its latent space (Schlegl 2019)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor, nn

from geoad import _check
from geoad.nn.wasserstein import critic_loss, generator_loss
from geoad.training.optimizer import make_optimizer
from geoad.training.stage import Batch, Descend, Stage, Update

BETAS = (0.0, 0.9)


class FAnoGANNetworks(nn.Module):
    """Generator, critic and encoder, and the stages that train them; called, it reconstructs samples.

    `critic` maps samples (B, C, ...) to scores (B, 1, ...): a sequence whose last layer sees its features. The
    generator takes latent vectors (B, latent, 1, ...) from a normal distribution, as `encoder` returns them.

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
        batch_size: int,
        learning_rate: float,
        epochs: int = 50,
        steps: int | None = None,
        critic_steps: int = 5,
        penalty: float = 10.0,
        kappa: float = 1.0,
    ) -> None:
        super().__init__()
        for name, value in (("latent", latent), ("batch_size", batch_size), ("epochs", epochs)):
            _check.positive(name, value)
        _check.positive("critic_steps", critic_steps)
        self.generator, self.critic, self.encoder = generator, critic, encoder
        self.latent, self.batch_size, self.learning_rate = latent, batch_size, learning_rate
        self.epochs, self.steps, self.critic_steps = epochs, steps, critic_steps
        self.penalty, self.kappa = penalty, kappa

    def forward(self, samples: Tensor) -> Tensor:
        """Return the reconstructions of samples (B, C, ...)."""
        made: Tensor = self.generator(self.encoder(samples))
        return made

    def generate(self, count: int, dimensions: int, device: torch.device) -> Tensor:
        """Return `count` samples from the prior, of so many `dimensions` behind the channels."""
        made: Tensor = self.generator(torch.randn(count, self.latent, *[1] * dimensions, device=device))
        return made

    def stages(self, samples: Callable[[Batch], Tensor]) -> Iterator[Stage]:
        """Yield the training of the GAN and that of the encoder on the `samples` (B, C, ...) of a batch."""
        adam = partial(make_optimizer, lr=self.learning_rate, betas=BETAS)
        updates = [
            Update(self.critic, lambda batch: self.critic_loss(samples(batch)), adam),
            Update(self.generator, lambda batch: self.generator_loss(samples(batch)), adam, every=self.critic_steps),
        ]
        yield self._descend("gan", updates, self.critic_steps)
        yield self._descend("encoder", [Update(self.encoder, lambda batch: self.encoder_loss(samples(batch)), adam)], 1)

    def _descend(self, name: str, updates: list[Update], times: int) -> Descend:
        """Return a stage of `epochs`, or of `times` batches for each of `steps`."""
        epochs, steps = (self.epochs, None) if self.steps is None else (None, self.steps * times)
        return Descend(name, updates, epochs=epochs, steps=steps, batch_size=self.batch_size)

    def critic_loss(self, real: Tensor) -> dict[str, Tensor]:
        """Return the losses of the critic on real samples and as many generated ones."""
        with torch.no_grad():
            fake = self.generate(len(real), real.dim() - 2, real.device)
        return critic_loss(self.critic, real, fake, self.penalty)

    def generator_loss(self, real: Tensor) -> dict[str, Tensor]:
        """Return the loss of the generator on as many samples as there are real ones."""
        return generator_loss(self.critic, self.generate(len(real), real.dim() - 2, real.device))

    def encoder_loss(self, samples: Tensor) -> dict[str, Tensor]:
        """Return "residual" and "features", the mean squared errors of reconstructions, and their weighted sum."""
        self.generator.eval()  # as when scoring; and batch norm, if any, must not learn any more
        self.critic.eval()
        made, features = self(samples), self.critic[:-1]
        residual = (samples - made).square().mean()
        gap = (features(samples) - features(made)).square().mean()
        return {"total": residual + self.kappa * gap, "residual": residual, "features": gap}
