"""f-AnoGAN on depth images: the networks of the thesis, training that can be trusted, scores."""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors.images.depth_fanogan import DepthFAnoGAN
from geoad.training.stage import Descend
from geoad.training.trainer import Trainer

FAST: dict[str, Any] = {**DepthFAnoGAN.tiny(), "width": 2, "steps": 3}
SCANS = [synthetic_scan(seed) for seed in range(4)]


def fitted(**keywords: Any) -> DepthFAnoGAN:
    return DepthFAnoGAN(**{**FAST, **keywords}).fit(SCANS, trainer=Trainer(device="cpu"))


def test_the_defaults_are_the_thesis_s() -> None:
    detector = DepthFAnoGAN()
    *_, gan, encoder = detector.statistics(), *detector.networks.stages(lambda batch: batch["image"])
    assert isinstance(gan, Descend) and isinstance(encoder, Descend)
    assert [(stage.epochs, stage.batch_size) for stage in (gan, encoder)] == [(50, 4)] * 2
    assert [update.every for update in gan.updates] == [1, 5]
    adam = gan.updates[1].optimizer(detector.parameters()).defaults
    assert (adam["lr"], adam["betas"]) == (2e-4, (0.0, 0.9))
    sizes = {name: sum(p.numel() for p in network.parameters()) for name, network in detector.networks.named_children()}
    assert sizes == {"generator": 597_985, "critic": 598_112 - 127 * (8 * 8 * 32 + 1), "encoder": 598_112}
    copies = detector.augment(SCANS, seed=0)
    assert detector.networks.penalty == 10 and len(copies) == 80 and copies.degrees == 5.0  # type: ignore[attr-defined]


def test_an_interrupted_training_ends_with_the_same_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = fitted(steps=4)
    cut, steps = DepthFAnoGAN(**{**FAST, "steps": 4}), []
    critic_loss = cut.networks.critic_loss

    def fail_at_the_fifth(images: torch.Tensor) -> dict[str, torch.Tensor]:
        steps.append(1)
        if len(steps) == 5:
            raise KeyboardInterrupt
        return critic_loss(images)

    with monkeypatch.context() as patch:
        patch.setattr(cut.networks, "critic_loss", fail_at_the_fifth)
        with pytest.raises(KeyboardInterrupt):
            cut.fit(SCANS, trainer=Trainer(device="cpu", folder=tmp_path, checkpoint_every=3))
    resumed = DepthFAnoGAN(**{**FAST, "steps": 4})
    resumed.fit(SCANS, trainer=Trainer(device="cpu", folder=tmp_path, checkpoint_every=3))
    others = resumed.state_dict()
    assert all(torch.equal(tensor, others[name]) for name, tensor in whole.state_dict().items())


def test_losses_and_penalty_are_logged(tmp_path: Path) -> None:
    DepthFAnoGAN(**FAST).fit(SCANS, trainer=Trainer(device="cpu", log=tmp_path / "log"))
    logged = defaultdict(set)
    for line in (tmp_path / "log").read_text().splitlines():
        fields = json.loads(line)
        logged[fields["stage"]] |= fields.keys()
    assert {"0.total", "0.distance", "0.penalty", "1.total"} <= logged["gan"]
    assert {"total", "residual", "features"} <= logged["encoder"]


def test_the_networks_begin_at_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, made = DepthFAnoGAN(**FAST), []
    critic_loss = detector.networks.critic_loss

    def look(images: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            made.append((images, detector.networks.generate(32)))
        return critic_loss(images)

    monkeypatch.setattr(detector.networks, "critic_loss", look)
    detector.fit(SCANS, trainer=Trainer(device="cpu"))
    real, fake = made[0]
    assert float(fake.mean()) == pytest.approx(float(real.mean()), abs=0.2)
    assert 0.3 < float(fake.std() / real.std()) < 3


def test_pictures_show_a_generated_scan_too_always_of_one_latent_vector() -> None:
    detector = fitted(source="depth+rgb")
    shown, again = detector.reconstruction(SCANS[0]), detector.reconstruction(SCANS[1])
    names = [f"{what}{of}" for of in ("", ", reconstructed", ", generated") for what in ("depth", "colours")]
    assert list(shown) == names and shown["colours, generated"].shape == (64, 64, 3)
    assert np.array_equal(shown["colours, generated"], again["colours, generated"])
    assert not np.array_equal(shown["colours, reconstructed"], again["colours, reconstructed"])


def test_scoring_is_one_pass_and_colours_count() -> None:
    detector, passes = fitted(source="depth+rgb"), []
    detector.networks.encoder.register_forward_hook(lambda *_: passes.append(1))
    found = detector.score(SCANS[0])
    assert found.pixels.shape == (32, 40) and len(passes) == 1
    image = detector.scaled(detector.prepare(SCANS[0])["image"][None])
    assert image.shape == (1, 4, 64, 64) and detector.reconstruct(image).shape == image.shape


@pytest.mark.parametrize(
    "keywords", [{"source": "xyz"}, {"size": 33}, {"latent": 0}, {"critic_steps": 0}, {"width": 0}]
)
def test_wrong_keywords(keywords: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(keywords))):
        DepthFAnoGAN(**keywords)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "16-mixed"])
def test_on_a_gpu_in_every_precision(precision: str) -> None:
    detector = DepthFAnoGAN(**FAST).fit(SCANS, trainer=Trainer(device="cuda", precision=precision))
    assert detector.device.type == "cuda" and np.isfinite(detector.score(SCANS[0]).pixels).all()
