"""The depth autoencoder: what it sees, what it descends, what it calls anomalous."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from geoad.checks import synthetic_scan
from geoad.detectors.base import NotFittedError
from geoad.detectors.images.depth_autoencoder import DepthAutoencoder
from geoad.geometry.xyz_image import XYZImage
from geoad.sample import Sample
from geoad.training.stage import Descend
from geoad.training.trainer import Trainer
from tests.trees import make_scan

FAST: dict[str, Any] = {**DepthAutoencoder.tiny(), "steps": 2}
SCANS = [synthetic_scan(seed) for seed in range(3)]


def fitted(samples: list[Sample] = SCANS, **keywords: Any) -> DepthAutoencoder:
    return DepthAutoencoder(**{**FAST, **keywords}).fit(samples, trainer=Trainer(device="cpu"))


def test_the_defaults_are_the_thesis_s() -> None:
    detector = DepthAutoencoder()
    assert sum(parameter.numel() for parameter in detector.parameters()) == 1_384_928 + 1_384_417
    *_, stage = detector.stages()
    assert isinstance(stage, Descend) and (stage.epochs, stage.batch_size, stage.select) == (50, 32, "last")
    assert stage.updates[0].optimizer(detector.parameters()).defaults["lr"] == 1e-4
    copies = detector.augment(SCANS, seed=0)
    assert len(copies) == 60 and copies.degrees == 5.0  # type: ignore[attr-defined]
    assert detector.prepare(SCANS[0])["image"].shape == (1, 256, 256)


def test_depth_is_in_units_of_the_farthest_or_of_the_whole_range() -> None:
    plain, stretched = fitted(stretch=False), fitted()
    depths = np.concatenate([s.xyz.xyz[..., 2][s.xyz.valid] for s in SCANS])
    assert float(plain.farthest) == depths.max() and float(stretched.nearest) == depths.min()
    image = plain.prepare(SCANS[0])["image"][None]
    one, two = plain.scaled(image), stretched.scaled(image)
    assert torch.equal(one, image / plain.farthest)
    assert not two[image == 0].any() and 0 <= two.min() < 0.2 and 0.9 < two.max() <= 1
    wanted = (image - stretched.nearest) / (stretched.farthest - stretched.nearest)
    torch.testing.assert_close(two[image != 0], wanted[image != 0])


def test_the_farthest_pixel_is_one_of_the_zoomed_images() -> None:
    xyz = SCANS[0].xyz.xyz.repeat(4, 0).repeat(4, 1)  # type: ignore[union-attr]
    xyz[0, 0] = (0.0, 0.0, 0.9)  # a pixel that zooming leaves out
    detector = fitted([Sample(xyz=XYZImage(xyz))], size=64)
    image = detector.prepare(Sample(xyz=XYZImage(xyz)))["image"]
    assert float(detector.farthest) == float(image.max()) < 0.9


def test_a_flat_training_set_has_no_range_and_other_depths_are_scored() -> None:
    flat, other = (Sample(xyz=XYZImage(np.full((32, 32, 3), depth, np.float32))) for depth in (0.5, 0.51))
    detector = fitted([flat, flat])
    assert float(detector.scaled(detector.prepare(other)["image"][None]).max()) == pytest.approx(0.02, abs=1e-6)
    assert np.isfinite(detector.score(other).pixels).all()


def test_colours_are_three_channels_more_and_count() -> None:
    detector = fitted(source="depth+rgb")
    image = detector.prepare(SCANS[0])["image"]
    assert image.shape == (4, 64, 64)
    assert torch.equal(detector.scaled(image[None])[0, 1:], image[1:])
    painted = replace(SCANS[0], rgb=np.full_like(SCANS[0].rgb, 255))
    assert not np.array_equal(detector.score(painted).pixels, detector.score(SCANS[0]).pixels)
    shapes = [picture.shape for picture in detector.reconstruction(SCANS[0]).values()]
    assert shapes == [(64, 64), (64, 64, 3)] * 2
    blind = fitted()
    assert np.array_equal(blind.score(painted).pixels, blind.score(SCANS[0]).pixels)


def test_scores_are_squared_errors_summed_over_the_channels() -> None:
    detector = fitted(source="depth+rgb")
    images = torch.rand(1, 4, 64, 64)
    detector.reconstruct = lambda images: images - torch.tensor([1.0, 0.0, 2.0, 0.0]).reshape(4, 1, 1)  # type: ignore[method-assign]
    torch.testing.assert_close(detector.errors(images), torch.full((1, 64, 64), 5.0))
    assert np.allclose(detector.score(SCANS[0]).pixels, 5.0)
    assert float(detector.loss({"image": images})["total"]) == pytest.approx(5 / 4)


def test_maps_are_zoomed_back_bilinearly() -> None:
    detector = fitted()
    ramp = torch.arange(64.0).expand(1, 64, 64)
    detector.errors = lambda images: ramp  # type: ignore[method-assign]
    row = detector.score(Sample(xyz=make_scan((32, 128)).image)).pixels[5]
    assert np.allclose(np.diff(row)[2:-2], 0.5)  # nearest pixels would give steps of 0 and 1


def test_a_size_at_which_nothing_is_left_of_a_scan_is_said() -> None:
    xyz = make_scan((128, 128)).image.xyz.copy()
    xyz[1::2] = 0
    xyz[:, 1::2] = 0
    with pytest.raises(ValueError, match="sparse has no valid pixel left at size=64: take a larger size"):
        DepthAutoencoder(**FAST).prepare(Sample(xyz=XYZImage(xyz), name="sparse"))


def test_the_optimiser_is_plain_adam() -> None:
    *_, stage = DepthAutoencoder(learning_rate=3e-4, copies=0).stages()
    rules = stage.updates[0].optimizer(stage.updates[0].module.parameters()).defaults
    assert (rules["lr"], rules["betas"], rules["weight_decay"]) == (3e-4, (0.9, 0.999), 0)


def test_what_is_reconstructed_exactly_scores_nothing() -> None:
    detector = fitted(source="depth+rgb")
    detector.reconstruct = lambda images: images  # type: ignore[method-assign]
    assert not detector.score(synthetic_scan(9, defect=True)).pixels.any()


@pytest.mark.parametrize("stretch", [True, False])
def test_invalid_pixels_are_drawn_black_however_near_the_scan_is(stretch: bool) -> None:
    detector, scan = fitted(stretch=stretch), SCANS[0]
    assert scan.xyz is not None
    near = replace(scan, xyz=XYZImage(np.where(scan.xyz.valid[..., None], scan.xyz.xyz - [0, 0, 0.1], 0)))
    image = detector.prepare(near)["image"][0].numpy()
    picture = detector.reconstruction(near)["depth"]
    assert (image == 0).any() and not picture[image == 0].any()
    assert picture[image != 0].min() >= 0.19 and picture[image == image[image != 0].min()] == pytest.approx(1)


def test_to_draw_needs_something_learnt_and_changes_nothing() -> None:
    detector = DepthAutoencoder(**FAST)
    with pytest.raises(NotFittedError, match="DepthAutoencoder is not fitted"):
        detector.reconstruction(SCANS[0])
    detector.load_state_dict(fitted().state_dict())
    assert detector.reconstruction(SCANS[0]) and detector.training


def test_a_boss_is_found() -> None:
    detector = DepthAutoencoder(**DepthAutoencoder.tiny()).fit([synthetic_scan(seed) for seed in range(8)])
    defective = synthetic_scan(9, defect=True)
    pixels = detector.score(defective).pixels
    assert defective.mask is not None and defective.xyz is not None
    assert pixels[defective.mask].mean() > 10 * np.median(pixels[~defective.mask & defective.xyz.valid])
    seen, made = detector.reconstruction(defective).values()
    assert seen.shape == made.shape == (64, 64) and np.median(np.abs(seen - made)) < 0.1


def test_scans_of_several_sizes_are_one_batch() -> None:
    samples = [*SCANS, synthetic_scan(7, size=(28, 36)), synthetic_scan(8, size=(50, 30))]
    detector = fitted(samples, batch_size=5)
    assert [detector.score(sample).pixels.shape for sample in samples[2:]] == [(32, 40), (28, 36), (50, 30)]


def test_copies_are_what_is_learnt_from() -> None:
    scans = [make_scan(seed=seed) for seed in range(2)]
    samples = [Sample(xyz=scan.image, camera=scan.camera, name="scan") for scan in scans]
    turned, plain = fitted(samples, copies=3), fitted(samples)
    assert not np.array_equal(turned.score(samples[0]).pixels, plain.score(samples[0]).pixels)
    assert len(turned.augment(samples, seed=5)) == 6 and turned.augment(samples, seed=5).seed == 5  # type: ignore[attr-defined]
    again = fitted(samples, copies=3)
    assert np.array_equal(turned.score(samples[0]).pixels, again.score(samples[0]).pixels)


def test_what_cannot_be_used_is_named() -> None:
    with pytest.raises(ValueError, match="must have rgb for source 'depth\\+rgb'"):
        fitted([replace(SCANS[0], rgb=None)], source="depth+rgb")
    empty = Sample(xyz=XYZImage(np.zeros((32, 40, 3), np.float32)), name="empty")
    for use in (lambda: fitted([empty]), lambda: fitted().score(empty)):
        with pytest.raises(ValueError, match="empty has no valid pixel"):
            use()
    risen = replace(SCANS[0], xyz=XYZImage(-SCANS[0].xyz.xyz), name="risen")  # type: ignore[union-attr]
    with pytest.raises(ValueError, match=r"risen must lie before the camera \(z > 0\)"):
        fitted([risen], stretch=False)
    cloud = Sample(xyz=XYZImage(np.random.default_rng(0).random((1, 90, 3))), name="cloud")
    with pytest.raises(ValueError, match=r"cloud must be an organised scan to be turned.*copies=0"):
        fitted([cloud], copies=2)


@pytest.mark.parametrize(
    "keywords",
    [{"source": "rgb"}, {"latent": 0}, {"size": 100}, {"copies": -1}, {"batch_size": 0}, {"width": 0}, {"epochs": 0}],
)
def test_wrong_keywords(keywords: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(keywords))):
        DepthAutoencoder(**keywords)


@pytest.mark.gpu
def test_on_a_gpu_maps_are_those_of_the_cpu() -> None:
    detector = DepthAutoencoder(**FAST).fit(SCANS, trainer=Trainer(device="cuda"))
    assert detector.device.type == "cuda"
    there = detector.score(SCANS[0]).pixels
    np.testing.assert_allclose(there, detector.cpu().score(SCANS[0]).pixels, rtol=1e-3, atol=1e-4)


def test_the_decoder_begins_at_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    detector, seen = DepthAutoencoder(**FAST), []
    loss = detector.loss

    def look(batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            seen.append((images := detector.scaled(batch["image"]), detector.reconstruct(images)))
        return loss(batch)

    monkeypatch.setattr(detector, "loss", look)
    detector.fit(SCANS, trainer=Trainer(device="cpu"))
    real, made = seen[0]
    assert float(made.mean()) == pytest.approx(float(real.mean()), abs=0.2)
    assert 0.3 < float(made.std() / real.std()) < 3
