"""WGAN-GP: closed forms, signs, and the precision of the penalty."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from geoad.nn.image_coder import image_encoder
from geoad.nn.voxel_coder import voxel_encoder
from geoad.nn.wasserstein import critic_loss, generator_loss, gradient_penalty

SHAPES = [(5, 7), (4, 2, 6, 6), (3, 1, 4, 4, 4)]


class Linear(nn.Module):
    """D(x) = w . x, whose gradient is w everywhere."""

    def __init__(self, shape: tuple[int, ...], length: float) -> None:
        super().__init__()
        w = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        self.w = nn.Parameter(length * w / w.norm())

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.w).flatten(1).sum(1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("length", [0.5, 1.0, 3.0])
def test_the_penalty_of_a_linear_critic(shape: tuple[int, ...], length: float) -> None:
    critic = Linear(shape[1:], length)
    penalty = gradient_penalty(critic, torch.rand(shape), torch.rand(shape))
    assert float(penalty.detach()) == pytest.approx((length - 1) ** 2, abs=1e-5)
    penalty.backward()
    assert critic.w.grad is not None
    torch.testing.assert_close(critic.w.grad, 2 * (length - 1) * critic.w.detach() / length, atol=1e-5, rtol=1e-4)


def test_a_constant_critic_has_penalty_one_and_no_nan() -> None:
    critic = Linear((7,), 0.0)
    penalty = gradient_penalty(critic, torch.rand(5, 7), torch.rand(5, 7))
    penalty.backward()
    assert float(penalty.detach()) == 1.0 and torch.isfinite(critic.w.grad).all()


def test_points_lie_between_real_and_fake_samples_each_with_a_share_of_its_own() -> None:
    seen = []

    def critic(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    gradient_penalty(critic, torch.ones(6, 2, 3), -torch.ones(6, 2, 3))
    shares = seen[0].flatten(1)
    assert (shares == shares[:, :1]).all() and len(shares[:, 0].unique()) == 6 and shares.abs().max() < 1


@pytest.mark.parametrize("default", [torch.float32, torch.float64])
def test_the_penalty_is_in_the_precision_of_the_samples(default: torch.dtype) -> None:
    torch.set_default_dtype(default)
    try:
        for kind in (torch.float32, torch.float64):
            real, fake = torch.rand(3, 4, dtype=kind), torch.rand(3, 4, dtype=kind)
            assert gradient_penalty(nn.Linear(4, 1, dtype=kind), real, fake).dtype == kind
    finally:
        torch.set_default_dtype(torch.float32)


def test_the_loss_is_the_negative_distance_with_the_weighted_penalty() -> None:
    critic, real, fake = Linear((7,), 3.0), torch.rand(5, 7), torch.rand(5, 7)
    losses = {name: loss.detach() for name, loss in critic_loss(critic, real, fake, weight=10).items()}
    assert float(losses["distance"]) == pytest.approx(float((critic(real) - critic(fake)).mean().detach()), abs=1e-5)
    assert float(losses["total"]) == pytest.approx(40 - float(losses["distance"]), abs=1e-4)


def test_steps_go_where_they_should() -> None:
    critic, z = Linear((7,), 1.0), torch.rand(20, 3)
    generator = nn.Linear(3, 7)
    before = float(critic(generator(z)).mean().detach())
    generator_loss(critic, generator(z))["total"].backward()
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter -= 0.01 * parameter.grad
    assert float(critic(generator(z)).mean().detach()) > before
    assert float(generator_loss(critic, generator(z))["total"].detach()) == -float(critic(generator(z)).mean().detach())


def test_the_penalty_is_in_full_precision_under_autocast() -> None:
    critic = nn.Sequential(nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.2), nn.Flatten(), nn.Linear(64, 1))
    real, fake = torch.rand(3, 1, 6, 6), torch.rand(3, 1, 6, 6)
    penalties = []
    for enabled in (False, True):
        torch.manual_seed(0)
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            penalties.append(gradient_penalty(critic, real, fake))
    assert penalties[1].dtype == torch.float32 and torch.equal(*penalties)


@pytest.mark.parametrize(("coder", "dimensions"), [(image_encoder, 2), (voxel_encoder, 3)])
def test_our_critics_see_each_sample_alone(coder: Callable[..., nn.Sequential], dimensions: int) -> None:
    torch.manual_seed(0)
    size = 64 if dimensions == 2 else 32
    critic, samples = coder(1, 1, size=size, width=4), torch.rand(4, 1, *[size] * dimensions)
    apart = torch.cat([critic(sample[None]) for sample in samples])
    torch.testing.assert_close(critic(samples), apart, atol=1e-5, rtol=1e-4)
