"""f-AnoGAN's stages: who learns when, from what, and what is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from geoad.detectors.fanogan_networks import FAnoGANNetworks
from geoad.detectors.images.depth_fanogan import DepthFAnoGAN
from geoad.detectors.voxels.voxel_fanogan import VoxelFAnoGAN
from geoad.training.stage import Descend, Stage
from geoad.training.trainer import Trainer

POINTS = list(torch.randn(12, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 0.1, 1, 2]) + 1)


class Cloud(nn.Module):
    """A GAN of points (B, 4); its generator has batch norm."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__()
        self.networks = FAnoGANNetworks(
            nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 4)),
            nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 1)),
            nn.Sequential(nn.Linear(4, 8), nn.LeakyReLU(0.2), nn.Linear(8, 2)),
            **{"latent": 2, "batch_size": 4, "learning_rate": 1e-3, "steps": 6, **keywords},
        )

    def prepare(self, sample: Tensor) -> dict[str, Tensor]:
        return {"x": sample.clone()}

    def stages(self) -> Iterator[Stage]:
        yield from self.networks.stages(lambda batch: batch["x"])


def states(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def test_the_prior_is_normal() -> None:
    networks = Cloud().networks
    networks.generator = nn.Sequential()  # which returns what it gets
    drawn = networks.generate(20_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (20_000, 2) and abs(drawn.mean()) < 0.03 and abs(drawn.std() - 1) < 0.03
    assert (drawn.abs() > 2).float().mean() == pytest.approx(0.0455, abs=0.005)


def test_five_steps_of_the_critic_for_one_of_the_generator() -> None:
    module, called = Cloud(), []
    for name in ("critic_loss", "generator_loss", "encoder_loss"):
        loss = getattr(module.networks, name)
        setattr(module.networks, name, lambda x, name=name, loss=loss: called.append(name) or loss(x))
    Trainer(device="cpu").run(module, POINTS)
    assert called == (["critic_loss"] * 5 + ["generator_loss"]) * 6 + ["encoder_loss"] * 6


def test_the_generator_norms_by_its_batch_while_it_learns() -> None:
    module, modes = Cloud(), []
    norm, loss = module.networks.generator[1], module.networks.critic_loss
    module.networks.critic_loss = lambda x: modes.append(norm.training) or loss(x)  # type: ignore[func-returns-value]
    Trainer(device="cpu").run(module, POINTS)
    assert all(modes) and norm.num_batches_tracked == 6 * 6 and norm.running_mean.abs().min() > 0


def test_each_update_changes_its_own_network_and_no_other() -> None:
    module = Cloud(critic_steps=1, steps=1)
    gan, encoder = module.stages()
    assert isinstance(gan, Descend) and isinstance(encoder, Descend)
    batch = {"x": torch.stack(POINTS), "sample": torch.arange(len(POINTS))}
    for update, name in zip([*gan.updates, *encoder.updates], ("critic", "generator", "encoder"), strict=True):
        assert update.module is getattr(module.networks, name)
        update.loss(batch)["total"].backward(inputs=list(update.module.parameters()))
        assert all(p.grad is not None for p in update.module.parameters())
        assert any(p.grad.abs().sum() > 0 for p in update.module.parameters())
        others = {p for other in ("critic", "generator", "encoder") if other != name
                  for p in getattr(module.networks, other).parameters()}  # fmt: skip
        assert all(p.grad is None for p in others)
        module.zero_grad(set_to_none=True)


def test_the_encoder_s_stage_leaves_generator_and_critic_alone_to_the_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    module, before = Cloud(), {}
    encoder_loss = module.networks.encoder_loss

    def first(x: Tensor) -> dict[str, Tensor]:
        if not before:
            before.update(states(module.networks))
        return encoder_loss(x)

    monkeypatch.setattr(module.networks, "encoder_loss", first)
    Trainer(device="cpu").run(module, POINTS)
    after = states(module.networks)
    changed = {name.split(".")[0] for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"encoder"}
    assert any("running_mean" in name for name in before)


def test_the_loss_of_the_encoder_is_residual_and_features() -> None:
    networks = Cloud(kappa=0.5).networks
    x = torch.stack(POINTS)
    losses = networks.encoder_loss(x)
    made = networks(x)
    features = [nn.functional.leaky_relu(networks.critic[0](each), 0.2) for each in (x, made)]
    torch.testing.assert_close(losses["residual"], (x - made).square().mean())
    torch.testing.assert_close(losses["features"], (features[0] - features[1]).square().mean())
    torch.testing.assert_close(losses["total"], losses["residual"] + 0.5 * losses["features"])


@pytest.mark.parametrize("penalty", [0.0, 3.0])
def test_the_loss_of_the_critic_has_the_penalty_by_its_weight(penalty: float) -> None:
    losses = Cloud(penalty=penalty).networks.critic_loss(torch.stack(POINTS))
    assert losses["penalty"] > 0.1
    torch.testing.assert_close(losses["total"], penalty * losses["penalty"] - losses["distance"])


@pytest.mark.parametrize("cls", [VoxelFAnoGAN, DepthFAnoGAN])
def test_keywords_reach_the_networks(cls: Any) -> None:
    wanted = {"penalty": 3.0, "kappa": 0.5, "critic_steps": 2}
    networks = cls(**cls.tiny() | wanted).networks
    assert {name: getattr(networks, name) for name in wanted} == wanted


def test_generated_points_come_to_lie_where_the_real_ones_do() -> None:
    torch.manual_seed(0)  # of the initial weights: how fast it learns depends on them
    module, real = Cloud(steps=150, learning_rate=5e-3), torch.stack(POINTS)

    def distance() -> float:
        torch.manual_seed(0)
        with torch.no_grad():
            return float((module.eval().networks.generate(500).mean(0) - real.mean(0)).norm())

    before = distance()
    Trainer(device="cpu").run(module, POINTS)
    assert distance() < 0.5 * before


def test_epochs_or_steps() -> None:
    gan, encoder = Cloud(steps=None, epochs=7).stages()
    assert isinstance(gan, Descend) and isinstance(encoder, Descend)
    assert gan.total_steps(12) == encoder.total_steps(12) == 7 * 3
    gan, encoder = Cloud(steps=10).stages()
    assert (gan.total_steps(12), encoder.total_steps(12)) == (50, 10)
    assert gan.updates[0].optimizer(Cloud().parameters()).defaults["betas"] == (0.0, 0.9)


def test_latent_vectors_have_the_dimensions_of_samples() -> None:
    seen = []
    for dimensions in (0, 2, 3):
        networks = Cloud(dimensions=dimensions).networks
        networks.generator = nn.Sequential(nn.Identity())
        seen.append(networks.generate(3).shape)
    assert seen == [(3, 2), (3, 2, 1, 1), (3, 2, 1, 1, 1)]


def test_the_example_is_always_the_same_and_draws_nothing() -> None:
    networks, before = Cloud().eval().networks, torch.random.get_rng_state()
    assert networks.example().shape == (1, 4) and torch.equal(networks.example(), networks.example())
    assert torch.equal(before, torch.random.get_rng_state())


def test_the_generator_s_step_looks_at_no_sample() -> None:
    module, looked = Cloud(critic_steps=1, steps=3), []
    gan, _ = module.networks.stages(lambda batch: looked.append(1) or batch["x"])
    assert isinstance(gan, Descend)
    gan.updates[1].loss({"sample": torch.arange(4)})
    assert not looked


def test_what_is_no_number_is_told_with_stage_and_step() -> None:
    module = Cloud()
    with torch.no_grad():
        module.networks.critic[0].weight.fill_(torch.nan)
    with pytest.raises(ValueError, match="the loss of stage 'gan' is nan at step 1"):
        Trainer(device="cpu").run(module, POINTS)


@pytest.mark.parametrize("keyword", ["latent", "batch_size", "epochs", "critic_steps", "steps", "learning_rate"])
def test_wrong_keywords(keyword: str) -> None:
    with pytest.raises(ValueError, match=f"{keyword} must be positive, got 0"):
        Cloud(**{keyword: 0})


@pytest.mark.parametrize("keyword", ["penalty", "kappa"])
@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_weights_are_finite_and_not_negative(keyword: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"{keyword} must be 0 or more, got {value}"):
        Cloud(**{keyword: value})
